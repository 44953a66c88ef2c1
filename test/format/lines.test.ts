import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { digestDigits, digestOf } from "../../src/digest.js";
import { ThinkbackError } from "../../src/errors.js";
import {
  digestInKeyLine,
  lineOverheadBytes,
  parseKeyLine,
  parseLine,
  parseLines,
  type Version,
  writeChangeLine,
  writeKeyLine,
  writeVersionLine,
} from "../../src/format/lines.js";
import { json } from "../repository/recording.js";

const tricky = fc.string({
  unit: fc.constantFrom(
    '"',
    "\\",
    "{",
    "}",
    ",",
    ":",
    "d",
    "t",
    "\n",
    "\u0001",
    "é",
    "😀",
    '","t":1',
  ),
  maxLength: 8,
});
const key = fc.oneof(
  tricky,
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.boolean(),
  fc.array(tricky, { maxLength: 3 }),
  fc.constant({ $reql_type$: "BINARY", data: "AAEC" }),
);
const document = fc.option(fc.dictionary(tricky, fc.oneof(fc.jsonValue(), tricky)));
const time = fc.oneof(
  fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER }),
  // Where the number of digits changes.
  fc.integer({ min: 0, max: 15 }).map((power) => 10 ** power),
  fc.integer({ min: 0, max: 15 }).map((power) => 10 ** power - 1),
);
const digest = fc.option(
  fc.string({
    unit: fc.constantFrom(...Array.from("0123456789abcdef")),
    minLength: 16,
    maxLength: 16,
  }),
);
const uuid = fc.uuid();
const version = fc.record({ key, time, sequence: time, table: uuid, previous: digest, document });

type Given = typeof version extends fc.Arbitrary<infer T> ? T : never;

const bytesOf = (value: unknown) => (value === null ? null : json(value));

function writeChange(into: Buffer, at: number, given: Given): number {
  const { key: of, time: t, sequence, table, previous } = given;
  return writeChangeLine(into, at, json(of), t, sequence, table, previous, bytesOf(given.document));
}

function writeVersion(into: Buffer, at: number, given: Given): number {
  const { key: of, time: t, sequence } = given;
  return writeVersionLine(into, at, json(of), t, sequence, bytesOf(given.document));
}

function plain({ key: of, time: t, sequence, table, previous, document: doc }: Version) {
  return {
    key: of.toString(),
    time: t,
    sequence,
    table,
    previous,
    document: doc === null ? null : doc.toString(),
  };
}

const asWritten = (given: Given) => ({
  key: JSON.stringify(given.key),
  time: given.time,
  sequence: given.sequence,
  document: given.document === null ? null : JSON.stringify(given.document),
});

describe("lines of segments", () => {
  test("are read back as they were written, many in a row", () => {
    fc.assert(
      fc.property(fc.array(version, { maxLength: 5 }), (all) => {
        const into = Buffer.alloc(64 * 1024);
        const end = all.reduce((at, given) => writeChange(into, at, given), 0);
        const read = [...parseLines(into.subarray(0, end), "x")].map(plain);
        expect(read).toEqual(
          all.map((given) => ({
            ...asWritten(given),
            table: given.table,
            previous: given.previous,
          })),
        );
      }),
    );
  });

  test("are JSON, with the fields that the format names, in that order", () => {
    fc.assert(
      fc.property(version, (given) => {
        const into = Buffer.alloc(16 * 1024);
        const text = into.toString("utf8", 0, writeChange(into, 0, given));
        expect(text.endsWith("}\n")).toBe(true);
        expect(text.indexOf("\n")).toBe(text.length - 1);
        const parsed = JSON.parse(text) as Record<string, unknown>;
        expect(Object.keys(parsed)).toEqual(["k", "t", "n", "u", "p", "d"]);
        expect(parsed).toMatchObject({ t: given.time, n: given.sequence, u: given.table });
        expect(parsed["p"]).toBe(given.previous);
        expect(JSON.stringify(parsed["d"])).toBe(
          JSON.stringify(JSON.parse(json(given.document).toString())),
        );
      }),
    );
  });

  test("fit into the room that is kept for them", () => {
    fc.assert(
      fc.property(version, (given) => {
        const room =
          json(given.key).length + (bytesOf(given.document)?.length ?? 0) + lineOverheadBytes;
        const into = Buffer.alloc(room + 1, 0xaa);
        expect(writeChange(into, 0, given)).toBeLessThanOrEqual(room);
        expect(writeVersion(into, 0, given)).toBeLessThanOrEqual(room);
        expect(into[room]).toBe(0xaa);
      }),
    );
  });
});

describe("lines of sorted objects", () => {
  test("are read back as they were written", () => {
    fc.assert(
      fc.property(fc.array(version, { maxLength: 5 }), (all) => {
        const into = Buffer.alloc(64 * 1024);
        const end = all.reduce((at, given) => writeVersion(into, at, given), 0);
        const read = [...parseLines(into.subarray(0, end), "x")].map(plain);
        const absent = { table: undefined, previous: undefined };
        expect(read).toEqual(all.map((given) => ({ ...asWritten(given), ...absent })));
      }),
    );
  });
});

describe("lines of key sidecars", () => {
  test("are read back as they were written, with the digest of the document", () => {
    fc.assert(
      fc.property(version, (given) => {
        const into = Buffer.alloc(16 * 1024);
        const of = json(given.document);
        const end = writeKeyLine(into, 0, json(given.key), given.time, given.sequence, of);
        const read = parseKeyLine(into, 0, end - 1, "x");
        expect({ ...read, key: read.key.toString() }).toEqual({
          key: JSON.stringify(given.key),
          time: given.time,
          sequence: given.sequence,
          digest: digestOf(of),
        });
        const at = digestInKeyLine(end);
        expect(into.toString("latin1", at, at + digestDigits)).toBe(digestOf(of));
        expect(() => parseLine(into, 0, end - 1, "x")).toThrow("is damaged");
      }),
    );
  });
});

describe("what is not a line is damage that names the object", () => {
  const good = '{"k":"a","t":1,"n":2,"u":"x","p":null,"d":{"id":"a"}}\n';

  test("the one that all are made from is good", () => {
    expect([...parseLines(Buffer.from(good), "x")]).toHaveLength(1);
  });

  test.each([
    "\n",
    "{}\n",
    "x",
    good.slice(0, -1),
    good.slice(0, -2),
    good.replace("}}\n", "}\n}"),
    good.replace('"k"', '"K"'),
    good.replace('"a"', ""),
    good.replace('"a"', '"a'),
    good.replace('"t":1', '"t":'),
    good.replace('"t":1', '"t":-1'),
    good.replace('"t":1', '"t":1.5'),
    good.replace('"t":1', '"t":99999999999999999'),
    good.replace('"n":2', '"n":null'),
    good.replace('"u":"x"', '"u":"x'),
    good.replace(',"d":{"id":"a"}', ""),
    good.replace('{"id":"a"}', ""),
    good.replace('"p":null,', '"p":null'),
    `${good}{"k":`,
  ])("%j", (text) => {
    let thrown: unknown;
    try {
      for (const one of parseLines(Buffer.from(text), "log/x.zst")) void one;
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toBeInstanceOf(ThinkbackError);
    expect(thrown).toMatchObject({ code: "damaged" });
    expect((thrown as Error).message).toContain("object log/x.zst is damaged: line at byte ");
  });
});
