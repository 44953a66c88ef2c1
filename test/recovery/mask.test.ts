import { describe, expect, test } from "vitest";
import { maskOf } from "../../src/recovery/mask.js";
import { parseMask } from "../../src/recovery/mask-file.js";
import { shiftedDate } from "../../src/recovery/shifted-date.js";

const key = "0123456789abcdef0123456789abcdef";
const day = 86_400_000;

function masked(yaml: string, document: string, primaryKey = "id", id = '"k"') {
  const file = parseMask(`key: {file: k}\ntables:\n  shop.t: ${yaml}`, "mask.yaml", () => key);
  const mask = maskOf(file, "shop.t", primaryKey);
  const of = mask.mask(Buffer.from(id, "latin1"), Buffer.from(document, "latin1"));
  return { ...of, text: of.document.toString("latin1"), counts: mask.counts() };
}

describe("a rule", () => {
  test.each([
    ["{a: drop}", '{"a":1,"id":"k"}', '{"id":"k"}'],
    ["{a: null}", '{"a":1,"id":"k"}', '{"a":null,"id":"k"}'],
    ["{a: {constant: 'N. \"N\"'}}", '{"a":{"b":1},"id":"k"}', '{"a":"N. \\"N\\"","id":"k"}'],
    ["{a.b: drop}", '{"a":{"b":1,"c":-0.0},"id":"k"}', '{"a":{"c":-0.0},"id":"k"}'],
    ["{a.b: null}", '{"a":[{"b":1},{"c":2},[{"b":3}]]}', '{"a":[{"b":null},{"c":2},[{"b":null}]]}'],
    ["{a: drop}", '{"id":"k","x":1e300}', '{"id":"k","x":1e300}'],
    ["{a.b: drop}", '{"a":null,"id":"k"}', '{"a":null,"id":"k"}'],
    ["{a.b: drop}", '{"a":[],"id":"k"}', '{"a":[],"id":"k"}'],
    [`{'"e.mail"': drop}`, '{"e":{"mail":1},"e.mail":1}', '{"e":{"mail":1}}'],
    [`{'a."b.c".d': drop}`, '{"a":{"b.c":{"d":1}},"id":"k"}', '{"a":{"b.c":{}},"id":"k"}'],
    [`{'"\\"q"': drop}`, '{"\\"q":1,"id":"k"}', '{"id":"k"}'],
    ["{a: {shift: 1d}}", '{"a":"2026-02-28","id":"k"}', '{"a":"2026-03-01","id":"k"}'],
    ["{a: hash}", '{"a":null,"id":"k"}', '{"a":null,"id":"k"}'],
  ])("%s on %s", (yaml, document, expected) => {
    expect(masked(yaml, document).text).toBe(expected);
  });

  test("a hash is the same for the same value, wherever it stands, and of each element", () => {
    const [one] = /"[0-9a-f]{32}"/.exec(masked("{a: hash}", '{"a":42}').text)!;
    expect(masked("{b: {hash: 8}}", '{"b":42}').text).toBe(`{"b":${one!.slice(0, 9)}"}`);
    expect(masked("{c: hash}", '{"c":[42,[42]]}').text).toBe(`{"c":[${one},[${one}]]}`);
    expect(masked("{a: hash}", '{"a":"42"}').text).not.toContain(one);
  });

  test("bytes that are not UTF-8 stay as they are in what is not masked", () => {
    expect(masked("{a: drop}", '{"a":1,"b":"\xff\xed\xa0\x80"}').text).toBe(
      '{"b":"\xff\xed\xa0\x80"}',
    );
  });

  test("a masked primary key is the document's key", () => {
    const { key: of, text } = masked("{id: hash}", '{"a":1,"id":"k"}');
    expect(text).toBe(`{"a":1,"id":${of.toString()}}`);
  });

  test("a shift by document is the same for all its dates, and another for other documents", () => {
    const yaml = "{a: {shift: 30d, per: document}, b: {shift: 30d, per: document}}";
    const document = '{"a":"2026-06-15","b":"2026-06-15T10:00:00Z"}';
    const shifts = Array.from({ length: 400 }, (_, n) => String(n)).map((id) => {
      const { text } = masked(yaml, document, "id", id);
      const { a, b } = JSON.parse(text) as { a: string; b: string };
      expect(b).toBe(`${a}T10:00:00Z`);
      return (Date.parse(a) - Date.parse("2026-06-15")) / day;
    });
    // Each of them is as likely, so that 400 documents show nearly all; none stays as it is.
    expect(new Set(shifts).size).toBeGreaterThan(50);
    expect(shifts.every((days) => Math.abs(days) <= 30 && days !== 0)).toBe(true);
  });

  test("a shift by document of one day is a day later or earlier", () => {
    const dates = Array.from({ length: 40 }, (_, n) => {
      const yaml = "{a: {shift: 1d, per: document}}";
      return masked(yaml, '{"a":"2026-06-15"}', "id", String(n)).text;
    });
    expect(new Set(dates)).toEqual(new Set(['{"a":"2026-06-14"}', '{"a":"2026-06-16"}']));
  });

  test.each([
    ["1d", "soon"],
    ["12h", "2026-06-15"],
    ["-36h", "2026-06-15"],
    ["30s", "2026-06-15T10:00"],
  ])("by %s, %s cannot be shifted, and does not come through as it is", (by, text) => {
    expect(() => masked(`{a: {shift: ${by}}}`, `{"a":"${text}"}`)).toThrow(
      /a of "k" in shop.t is no date that can be shifted so/,
    );
  });

  const point = '{"$reql_type$":"GEOMETRY","coordinates":[1,2],"type":"Point"}';
  test.each([
    ["l.coordinates", `{"l":${point}}`, "GEOMETRY"],
    ["a.l.type", `{"a":[{"l":${point}}]}`, "GEOMETRY"],
    ["l.coordinates.x", `{"l":${point}}`, "GEOMETRY"],
    ["b.data", '{"b":{"$reql_type$":"BINARY","data":"AA=="}}', "BINARY"],
  ])("a path into a type of the server's own is refused: %s", (path, document, type) => {
    expect(() => masked(`{${path}: drop}`, document)).toThrow(
      `${path} of "k" in shop.t is inside "${type}", which is masked only as a whole`,
    );
  });

  test.each([
    ['{"a":"Main street 2, secret"}', "a text"],
    ['{"a":["Main street 2, secret"]}', "a text"],
    ['{"a":[{"c":1},[7]]}', "a number"],
    ['{"a":true}', "true"],
    ['{"a":{"b":{"c":1}}}', undefined],
    [`{"a":${point}}`, '"GEOMETRY"'],
  ])("a path into another type than an object is refused for each rule: %s", (document, type) => {
    const rules = ["drop", '"null"', "hash", "{constant: x}", "{shift: 1d}"];
    for (const rule of type === undefined ? ["drop"] : rules) {
      const masking = () => masked(`{a.b: ${rule}}`, document);
      if (type === undefined) expect(masking).not.toThrow();
      else expect(masking).toThrow(`a.b of "k" in shop.t is inside ${type}, which is masked only`);
    }
  });

  test("a type of the server's own is masked as a whole", () => {
    expect(masked("{l: drop}", `{"l":${point}}`).text).toBe("{}");
  });
});

test.each([
  ['"2026-11-28T10:04:00.123456+01:00"', '"2026-11-29T10:04:00.123456+01:00"'],
  ['"2026-12-31"', '"2027-01-01"'],
  ['"2026-12-31 23:59"', '"2027-01-01 23:59"'],
  [
    '{"$reql_type$":"TIME","epoch_time":1795830362.968,"timezone":"+01:00"}',
    '{"$reql_type$":"TIME","epoch_time":1795916762.968,"timezone":"+01:00"}',
  ],
])("a day later: %s", (text, later) => {
  expect(shiftedDate(Buffer.from(text), day)?.toString()).toBe(later);
});

test.each([
  ['"0001-01-01"', '"0001-01-02"'],
  ['"0099-12-31T00:00:00Z"', '"0100-01-01T00:00:00Z"'],
  ['"0000-02-28"', '"0000-02-29"'],
  ['"9999-12-30"', '"9999-12-31"'],
])("a day later in a far year: %s", (text, later) => {
  expect(shiftedDate(Buffer.from(text), day)?.toString()).toBe(later);
});

test.each([
  ['"9999-12-31"', day],
  ['"9999-12-31T12:00:00Z"', day / 2],
  ['"0000-01-01"', -day],
  ['"2026-13-01"', day],
  ['"2026-02-29"', day],
  ['"2026-13-45"', day],
  ['"2026-00-10"', day],
  ['"2026-06-15T24:00"', day],
  ['"2026-06-15T10:60"', day],
  ['"2016-12-31T23:59:60Z"', day],
  ['"2026-06-15"', 1e300],
])("%s moved by %s ms is none", (text, ms) => {
  expect(shiftedDate(Buffer.from(text), ms)).toBe(undefined);
});

test.each([
  ["", "the file is not right", /begin with tables:/],
  ["tables: 1", "tables is not right", /below it a line for each table/],
  ["tables: {orders: {}}", "tables: orders is not right", /name the table db.table/],
  ["tables: {s.t: {a: gone}}", "tables: s.t: a is not right", /the rules are drop, null/],
  ["tables: {s.t: {a: {hash: 3}}}", "tables: s.t: a", /the rules are drop, null/],
  ["tables: {s.t: {a: {shift: 1.5ms}}}", "tables: s.t: a", /the rules are drop, null/],
  ["tables: {s.t: {a: {shift: 0s}}}", "tables: s.t: a", /the rules are drop, null/],
  ["tables: {s.t: {a: {shift: -30d, per: document}}}", "tables: s.t: a", /of at least 1d/],
  ["tables: {s.t: {a: {shift: 12h, per: document}}}", "tables: s.t: a", /of at least 1d/],
  ["tables: {s.t: {a.b: drop, a: drop}}", "s.t: a.b is inside a", /not for both/],
  ["tables: {s.t: {a: drop, ab: drop, a.b.c: drop}}", "s.t: a.b.c is inside a", /not for both/],
  [`tables: {s.t: {'"a"': drop, a: drop}}`, 's.t: "a" is inside a', /not for both/],
  [
    "tables: {s.t: {a..b: drop}}",
    "tables: s.t: a..b is not right",
    /a name that has a dot in quotes/,
  ],
  [`tables: {s.t: {'"a.b': drop}}`, 's.t: "a.b is not right', /a name that has a dot in quotes/],
  ["tables: {s.t: {a: hash}}", "tables: s.t: a needs a key", /give the key of hashes/],
  ["key: {file: short}\ntables: {s.t: {a: hash}}", "key has fewer than 16 bytes", /openssl/],
  ["key: 7\ntables: {}", "key is not right", /give the key of hashes/],
  ["tables: {}\nmore: 1", "more is not known here", /./],
  ["tables: [", "is not YAML", /begin with tables:/],
])("what is wrong in %j is said with its place and the remedy", (text, message, hint) => {
  const parsing = () => parseMask(text, "mask.yaml", () => "short");
  expect(parsing).toThrow(
    expect.objectContaining({
      code: "usage",
      message: expect.stringContaining(`mask.yaml`),
      hint: expect.stringMatching(hint),
    }),
  );
  expect(parsing).toThrow(message);
});

test("a table that the file does not name, and a key that would not stay one, are refused", () => {
  const file = parseMask("tables: {s.t: {id: drop}}", "mask.yaml", () => key);
  expect(() => maskOf(file, "s.u", "id")).toThrow(/does not say how s.u is masked/);
  expect(() => maskOf(file, "s.t", "id")).toThrow(/a primary key cannot be masked by drop/);
  expect(() => maskOf(file, "s.t", "email")).not.toThrow();
});

test("a primary key that has a dot is masked by a rule in quotes, and no other is taken for one", () => {
  const { key: of, text } = masked(`{'"a.b"': hash}`, '{"a.b":"secret"}', "a.b", '"secret"');
  expect(text).toBe(`{"a.b":${of.toString()}}`);
  expect(text).not.toContain("secret");
  expect(() => masked("{a.b: hash}", '{"a.b":"secret"}', "a.b")).toThrow(
    expect.objectContaining({ hint: `a name that has a dot stands in quotes: write '"a.b"'` }),
  );
});

test("of a key that is no date the hint names what a key can be masked by", () => {
  const hintOf = (rule: string) => {
    try {
      masked(rule, '{"a":"x","id":"k"}');
    } catch (error) {
      return (error as { hint: string }).hint;
    }
    return "";
  };
  expect(hintOf("{id: {shift: 1d}}")).toMatch(/mask the key by hash;/);
  expect(hintOf("{a: {shift: 1d}}")).toMatch(/by drop, null, constant or hash;/);
});

describe("a rule for a field that no document has", () => {
  const maskFor = (rules: string, allowUnused = false) => {
    const file = parseMask(`tables: {s.t: ${rules}}`, "mask.yaml", () => key);
    return maskOf(file, "s.t", "id", allowUnused);
  };
  const documents = ['{"email":"a","id":1}', '{"address":[{"street":"x"}],"id":2}'];
  const seen = (mask: ReturnType<typeof maskFor>, by: "mask" | "look") => {
    for (const one of documents.map((text) => Buffer.from(text))) {
      if (by === "look") mask.look(one);
      else mask.mask(Buffer.from("1"), one);
    }
    return mask;
  };

  test.each([
    ["{e-mail: drop}", "e-mail", "email"],
    ["{email: drop, adress.street: drop}", "adress.street", "address.street"],
  ])("%s is refused with the nearest names", (rules, path, nearest) => {
    expect(() => seen(maskFor(rules), "mask").refuseUnused()).toThrow(
      expect.objectContaining({
        code: "unknown",
        message: `no document of s.t has the field ${path}`,
        hint: expect.stringContaining(`fields there: ${nearest}`),
      }),
    );
  });

  test("it is allowed by word, in an empty table, and if a document has it that is not restored", () => {
    expect(() => seen(maskFor("{e-mail: drop}", true), "mask").refuseUnused()).not.toThrow();
    expect(() => maskFor("{e-mail: drop}").refuseUnused()).not.toThrow();
    const looked = seen(maskFor("{email: drop, address.street: drop}"), "look");
    expect(() => looked.refuseUnused()).not.toThrow();
    expect(looked.counts().map((one) => one.documents)).toEqual([0, 0]);
  });
});
