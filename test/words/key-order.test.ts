import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { compareKeys, orderCode } from "../../src/key-order.js";

type Key =
  | boolean
  | number
  | string
  | { $reql_type$: "BINARY"; data: string }
  | { $reql_type$: "TIME"; epoch_time: number; timezone: string }
  | Key[];

const binary = (bytes: Uint8Array): Key => ({
  $reql_type$: "BINARY",
  data: Buffer.from(bytes).toString("base64"),
});
const time = (epoch: number, timezone = "+00:00"): Key => ({
  $reql_type$: "TIME",
  epoch_time: epoch,
  timezone,
});

/**
 * The rules of the server's index order, spelled out without any encoding:
 * arrays < booleans < numbers < binary < times < strings.
 */
function rank(key: Key): number {
  if (Array.isArray(key)) return 0;
  if (typeof key === "boolean") return 1;
  if (typeof key === "number") return 2;
  if (typeof key === "string") return 5;
  return key.$reql_type$ === "BINARY" ? 3 : 4;
}

function compareByRules(a: Key, b: Key): number {
  if (rank(a) !== rank(b)) return rank(a) - rank(b);
  if (Array.isArray(a) && Array.isArray(b)) return compareArrays(a, b);
  if (typeof a === "string" && typeof b === "string") {
    return Buffer.compare(Buffer.from(a), Buffer.from(b));
  }
  if (typeof a === "object" && typeof b === "object" && "data" in a && "data" in b) {
    return Buffer.compare(Buffer.from(a.data, "base64"), Buffer.from(b.data, "base64"));
  }
  const number = (key: Key) =>
    typeof key === "object" && "epoch_time" in key ? key.epoch_time : Number(key);
  return number(a) - number(b);
}

function compareArrays(a: Key[], b: Key[]): number {
  for (let i = 0; i < Math.min(a.length, b.length); i += 1) {
    const order = compareByRules(a[i]!, b[i]!);
    if (order !== 0) return order;
  }
  return a.length - b.length;
}

const codeOf = (key: Key) => orderCode(Buffer.from(JSON.stringify(key)));
const compareCodes = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0);

const finite = fc.double({ noNaN: true, noDefaultInfinity: true });
const text = fc
  .oneof(
    fc.string({ unit: "grapheme", maxLength: 6 }),
    // Few characters, so that strings share beginnings: below and above the surrogates, and escapes.
    fc.string({
      unit: fc.constantFrom("a", "\u0001", "\uFFFD", "\u{1F600}", "é", '"', "\\", "~"),
      maxLength: 4,
    }),
  )
  .filter((value) => !value.includes("\0"));
const bytes = fc.oneof(
  fc.uint8Array({ maxLength: 6 }),
  fc.array(fc.constantFrom(0, 1, 2, 255), { maxLength: 4 }).map((list) => Uint8Array.from(list)),
);
const key = fc.letrec<{ key: Key }>((tie) => ({
  key: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    fc.boolean(),
    fc.oneof(finite, fc.integer({ min: -3, max: 3 }), fc.constantFrom(-0, 5e-324, -5e-324, 1e308)),
    text,
    bytes.map(binary),
    fc.oneof(finite, fc.integer()).map((epoch) => time(epoch)),
    fc.array(tie("key"), { maxLength: 3 }),
  ),
})).key;

describe("orderCode", () => {
  test("orders any two keys as the server does, and is equal only for equal keys", () => {
    fc.assert(
      fc.property(key, key, (a, b) => {
        expect(compareCodes(codeOf(a), codeOf(b))).toBe(Math.sign(compareByRules(a, b)) + 0);
      }),
      { numRuns: 5000 },
    );
  });

  test("orders arrays that share a beginning as the server does", () => {
    const shared = fc.tuple(fc.array(key, { maxLength: 2 }), key, key);
    fc.assert(
      fc.property(shared, ([beginning, a, b]) => {
        const [x, y]: [Key, Key] = [
          [...beginning, a],
          [...beginning, b],
        ];
        expect(compareCodes(codeOf(x), codeOf(y))).toBe(Math.sign(compareByRules(x, y)) + 0);
        expect(compareCodes(codeOf([...beginning]), codeOf(x))).toBe(-1);
      }),
      { numRuns: 2000 },
    );
  });

  test("a list by hand", () => {
    const sorted: Key[] = [
      [],
      [[]],
      [[], 1],
      [[1]],
      [false],
      [1],
      [1, "a"],
      [1, "a", 0],
      [1, "b"],
      [2],
      [binary(Uint8Array.of())],
      // Without an escape the NULs of these would end their element early.
      [binary(Uint8Array.of()), "x"],
      [binary(Uint8Array.of(0))],
      [binary(Uint8Array.of(0)), "x"],
      [binary(Uint8Array.of(0, 0))],
      [binary(Uint8Array.of(0, 0)), "x"],
      [binary(Uint8Array.of(0, 1))],
      [binary(Uint8Array.of(1))],
      [binary(Uint8Array.of(2))],
      ["a"],
      ["a", 1],
      ["a\u0001"],
      ["aa"],
      false,
      true,
      -1e308,
      -1,
      -5e-324,
      0,
      5e-324,
      0.5,
      1,
      10,
      9007199254740992,
      binary(Uint8Array.of()),
      binary(Uint8Array.of(0)),
      binary(Uint8Array.of(0, 255)),
      binary(Uint8Array.of(1)),
      binary(Uint8Array.of(255)),
      time(-1),
      time(0),
      time(1.5),
      "",
      "10",
      "9",
      "A",
      "a",
      'a"',
      "a\\",
      "b",
      "é",
      "\uFFFD",
      // UTF-16 would put these before U+FFFD: their surrogates begin at D800.
      "\u{10000}",
      "\u{1F600}",
    ];
    const shuffled = [...sorted].reverse();
    shuffled.sort((a, b) => compareCodes(codeOf(a), codeOf(b)));
    expect(shuffled).toEqual(sorted);
  });

  test("-0 and 0 are one key, also in arrays and times", () => {
    const code = (json: string) => orderCode(Buffer.from(json));
    expect(code("-0.0")).toBe(code("0"));
    expect(code("-0")).toBe(code("0"));
    expect(code("[-0.0]")).toBe(code("[0]"));
    const at = (epoch: string) =>
      code(`{"$reql_type$":"TIME","epoch_time":${epoch},"timezone":"+00:00"}`);
    expect(at("-0.0")).toBe(at("0"));
  });

  test("a number is the same key however it is written, and a time in any zone", () => {
    const code = (json: string) => orderCode(Buffer.from(json));
    expect(code("1e2")).toBe(code("100"));
    expect(codeOf(time(5, "+02:00"))).toBe(codeOf(time(5)));
  });

  test("an escaped string is the same key as a plain one", () => {
    const code = (json: string) => orderCode(Buffer.from(json));
    expect(code('"\\u0061\\ud83d\\ude00"')).toBe(code('"a😀"'));
    expect(code('"a\\/b"')).toBe(code('"a/b"'));
    expect(code('"\\u00e9\\u2028"')).toBe(code('"é\u2028"'));
    expect(code('"\\\\u00e9"')).not.toBe(code('"\\\\é"'));
  });

  test("strings that are not UTF-8 are ordered by their bytes, and are different keys", () => {
    const raw = (hex: string, around: (text: string) => string = (text) => `"${text}"`) =>
      Buffer.from(around(Buffer.from(hex, "hex").toString("latin1")), "latin1");
    const hexes = ["ed9fbf", "eda080", "eda0bdedb880", "edb080", "edb081", "ee8080", "efbfbd"];
    const all = [...hexes, "f09f9880"];
    const ways = [
      (text: string) => `"${text}"`,
      // With an escape a key is not compared as it stands.
      (text: string) => `"a\\n${text}"`,
      (text: string) => `["${text}"]`,
      (text: string) => `["\\u001F",["${text}",1]]`,
    ];
    for (const around of ways) {
      const keys = all.map((hex) => raw(hex, around));
      const codes = keys.map(orderCode);
      expect(new Set(codes).size).toBe(all.length);
      expect(codes.toSorted(compareCodes)).toEqual(codes);
      expect(keys.toSorted(compareKeys)).toEqual(keys);
    }
  });

  test("a surrogate is the same key as an escape and as bytes", () => {
    const bytes = Buffer.from([0x22, 0xed, 0xb0, 0x80, 0x22]);
    expect(orderCode(Buffer.from('"\\udc00"'))).toBe(orderCode(bytes));
    expect(orderCode(Buffer.from('["\\uDC00"]'))).toBe(
      orderCode(Buffer.concat([Buffer.from("["), bytes, Buffer.from("]")])),
    );
    expect(compareKeys(Buffer.from('"\\udc00"'), bytes)).toBe(0);
  });

  test.each(["null", "{}", '{"$reql_type$":"GEOMETRY"}', "[null]", '{"$reql_type$":"TIME"}'])(
    "refuses %s, which cannot be a primary key",
    (json) => {
      expect(() => orderCode(Buffer.from(json))).toThrow("cannot be a primary key");
    },
  );
});

describe("compareKeys", () => {
  /** Keys whose texts come near each other: what is compared as bytes beside what is not. */
  const near = fc.oneof(
    key,
    fc.string({
      unit: fc.constantFrom("a", "b", " ", "!", '"', "#", "\\", "\u0001", "é"),
      maxLength: 4,
    }),
    fc.integer({ min: 0, max: 120 }),
    fc.integer({ min: 12, max: 22 }).map((power) => 10 ** power),
    fc.integer({ min: 12, max: 16 }).map((power) => 10 ** power - 1),
    fc.integer({ min: -11, max: 11 }).map((tenths) => tenths / 10),
  );

  test("is the order of order codes, for any two keys", () => {
    fc.assert(
      fc.property(near, near, (a, b) => {
        const [x, y] = [Buffer.from(JSON.stringify(a)), Buffer.from(JSON.stringify(b))];
        expect(Math.sign(compareKeys(x, y))).toBe(compareCodes(codeOf(a), codeOf(b)));
      }),
      { numRuns: 20_000 },
    );
  });

  test.each([
    ['"a"', '"a"', 0],
    ['"a"', '"a!"', -1],
    ['"\\u0061"', '"a"', 0],
    ['"\\u0061"', '"b"', -1],
    ["9", "10", -1],
    ["100", "1e2", 0],
    ["999999999999999", "1000000000000000", -1],
    // Two texts of one double.
    ["9007199254740992", "9007199254740993", 0],
    ["-0", "0", 0],
    ["5", '"5"', -1],
  ])("of %s and %s is %i", (a, b, order) => {
    expect(Math.sign(compareKeys(Buffer.from(a), Buffer.from(b)))).toBe(order);
    expect(Math.sign(compareKeys(Buffer.from(b), Buffer.from(a))) + 0).toBe(
      order === 0 ? 0 : -order,
    );
  });

  test.each(["null", "{}", "[null]", ""])("refuses %j, which cannot be a key", (text) => {
    expect(() => compareKeys(Buffer.from(text), Buffer.from("1"))).toThrow();
  });
});
