import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  endOfString,
  endOfValue,
  fieldName,
  fieldOf,
  JsonBytesError,
  JsonText,
  RowPlaces,
} from "../../src/json-bytes.js";

const tricky = fc.string({
  unit: fc.constantFrom('"', "\\", "{", "}", "[", "]", ",", ":", "a", "\n", "\u0001", "é", "😀"),
  maxLength: 8,
});
const json = fc.jsonValue({ maxDepth: 4 });
const value = fc.oneof(json, tricky, fc.dictionary(tricky, fc.oneof(json, tricky), { maxKeys: 4 }));
const object = fc.dictionary(fc.oneof(tricky, fc.string()), value, { maxKeys: 6 });
/** What may stand before and after a value in a response. */
const around = fc.constantFrom(
  ["", ""],
  ["[", "]"],
  ['{"r":[', '],"n":[]}'],
  ['"', ","],
  ['\\"', "}\n"],
  ["é{", "]}"],
);

const sliceOf = (bytes: Buffer, start: number, end: number): unknown =>
  JSON.parse(bytes.toString("utf8", start, end));

describe("endOfValue", () => {
  test("finds the end of any JSON value, whatever stands around it", () => {
    fc.assert(
      fc.property(value, around, (of, [before, after]) => {
        const text = JSON.stringify(of);
        const bytes = Buffer.from(`${before}${text}${after}`);
        const start = Buffer.byteLength(before!);
        expect(endOfValue(bytes, start)).toBe(start + Buffer.byteLength(text));
      }),
      { numRuns: 3000 },
    );
  });

  test("of a truncated string, array or object there is no end", () => {
    fc.assert(
      fc.property(fc.oneof(tricky, fc.array(value), object), fc.nat(), (of, at) => {
        const bytes = Buffer.from(JSON.stringify(of));
        const cut = bytes.subarray(0, at % bytes.length);
        expect(() => endOfValue(cut, 0)).toThrow(JsonBytesError);
      }),
      { numRuns: 2000 },
    );
  });

  test.each(["", ",", "}", "]", "\n"])("there is no value at %j", (text) => {
    expect(() => endOfValue(Buffer.from(text), 0)).toThrow(JsonBytesError);
  });
});

describe("endOfString", () => {
  test.each([
    ['""x', 2],
    ['"a\\"b"x', 6],
    ['"\\\\"x', 4],
    ['"\\\\\\""x', 6],
    ['"\\\\\\\\"",', 6],
  ])("of %s is %i", (text, end) => {
    expect(endOfString(Buffer.from(text), 0)).toBe(end);
  });

  test("counts no backslashes that stand before the string", () => {
    expect(endOfString(Buffer.from('\\\\"",'), 2)).toBe(4);
  });
});

describe("fieldOf", () => {
  test("gives what JSON.parse gives, for every field and for none", () => {
    fc.assert(
      fc.property(object, tricky, around, (of, other, [before, after]) => {
        const text = JSON.stringify(of);
        const bytes = Buffer.from(`${before}${text}${after}`);
        const start = Buffer.byteLength(before!);
        const parsed = JSON.parse(text) as Record<string, unknown>;
        for (const name of Object.keys(parsed)) {
          const span = fieldOf(bytes, start, fieldName(name));
          expect(span, name).toBeDefined();
          expect(sliceOf(bytes, span!.start, span!.end)).toEqual(parsed[name]);
        }
        if (!Object.hasOwn(parsed, other)) {
          expect(fieldOf(bytes, start, fieldName(other))).toBeUndefined();
        }
      }),
      { numRuns: 3000 },
    );
  });

  test("of a truncated object is the whole value or an error, never a part of one", () => {
    fc.assert(
      fc.property(object, fc.nat(), (of, at) => {
        const text = JSON.stringify(of);
        const whole = Buffer.from(text);
        const cut = whole.subarray(0, at % whole.length);
        for (const name of Object.keys(of)) {
          const wanted = fieldOf(whole, 0, fieldName(name));
          let found: ReturnType<typeof fieldOf>;
          try {
            found = fieldOf(cut, 0, fieldName(name));
          } catch (error) {
            expect(error).toBeInstanceOf(JsonBytesError);
            continue;
          }
          expect(found).toEqual(wanted);
        }
      }),
      { numRuns: 2000 },
    );
  });

  test("a number cut short is not taken for the number", () => {
    expect(() => fieldOf(Buffer.from('{"id":12'), 0, fieldName("id"))).toThrow(JsonBytesError);
  });

  test("looks at the object's own level only", () => {
    const bytes = Buffer.from('{"a":{"id":1},"b":["id",{"id":2}],"c":"\\"id\\":3","id":4}');
    const span = fieldOf(bytes, 0, fieldName("id"))!;
    expect(bytes.toString("utf8", span.start, span.end)).toBe("4");
  });

  test.each(["[]", "1", '{"a" :1}', "{a:1}", '{"a":1 "b":2}', '{"a":1]'])(
    "throws on %s",
    (text) => {
      expect(() => fieldOf(Buffer.from(text), 0, fieldName("zz"))).toThrow(JsonBytesError);
    },
  );
});

describe("JsonText", () => {
  test("finds the end of any value at any offset, as endOfValue does", () => {
    fc.assert(
      fc.property(value, fc.nat({ max: 9 }), fc.nat({ max: 5 }), (of, before, after) => {
        const text = JSON.stringify(of);
        const bytes = Buffer.from(`${" ".repeat(before)}${text},${'"'.repeat(after)}`);
        const end = before + Buffer.byteLength(text);
        expect(new JsonText(bytes).endOfValue(before)).toBe(end);
        // A view of a larger buffer ends where it ends.
        expect(new JsonText(bytes.subarray(before, end)).endOfValue(0)).toBe(end - before);
      }),
      { numRuns: 3000 },
    );
  });

  test("finds the end of strings whatever the place of their quotes and escapes", () => {
    const piece = fc.constantFrom(
      '\\"',
      "\\\\",
      "\\u0041",
      "a",
      "é",
      "!",
      "#",
      "]",
      "\xa2",
      "\xdc",
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 12 }), fc.nat({ max: 5 }), (pieces, before) => {
        const bytes = Buffer.from(`${" ".repeat(before)}"${pieces.join("")}"x"`, "latin1");
        const end = new JsonText(bytes).endOfValue(before);
        expect(end).toBe(bytes.length - 2);
        expect(end).toBe(endOfString(bytes, before));
        expect(() => new JsonText(bytes.subarray(0, end - 1)).endOfValue(before)).toThrow(
          JsonBytesError,
        );
      }),
      { numRuns: 3000 },
    );
  });

  test("cuts an array of objects as JSON.parse does", () => {
    const rows = fc.array(fc.dictionary(fc.oneof(tricky, fc.string()), value, { maxKeys: 5 }));
    const places = new RowPlaces();
    fc.assert(
      fc.property(rows, tricky, value, around, (others, name, of, [before, after]) => {
        const documents = others.map((other) => ({ ...other, [name]: of }));
        const bytes = Buffer.from(`${before}${JSON.stringify(documents)}${after}`);
        const start = Buffer.byteLength(before!) + 1;
        new JsonText(bytes).cutRows(start, fieldName(name), places);
        expect(places.count).toBe(documents.length);
        documents.forEach((document, i) => {
          expect(places.object(bytes, i).toString()).toBe(JSON.stringify(document));
          expect(places.value(bytes, i).toString()).toBe(JSON.stringify(of));
        });
      }),
      { numRuns: 2000 },
    );
  });

  test("cuts more rows than there were places for", () => {
    const rows = Array.from({ length: 5000 }, (_, id) => ({ id, text: "x".repeat(id % 7) }));
    const bytes = Buffer.from(JSON.stringify(rows));
    const places = new RowPlaces();
    new JsonText(bytes).cutRows(1, fieldName("id"), places);
    expect(places.count).toBe(rows.length);
    rows.forEach((row, i) => {
      expect(places.object(bytes, i).toString()).toBe(JSON.stringify(row));
      expect(places.value(bytes, i).toString()).toBe(String(i));
    });
  });

  test("throws on rows that are cut short, lack the field, or are no objects", () => {
    const cut = (text: string) => {
      const places = new RowPlaces();
      new JsonText(Buffer.from(text)).cutRows(1, fieldName("a"), places);
      return places.count;
    };
    const whole = '[{"a":{"id":1},"b":[2]},{"a":2}]';
    expect(cut(whole)).toBe(2);
    for (let length = 1; length < whole.length; length += 1) {
      expect(() => cut(whole.slice(0, length))).toThrow(JsonBytesError);
    }
    for (const text of ['[{"b":1}]', '[{"a":1},{}]', "[1]", '[{"a":1}{"a":2}]', '[{"a":1},]']) {
      expect(() => cut(text)).toThrow(JsonBytesError);
    }
  });
});
