import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { jsonOfText, parseJson, textOfJson } from "../../src/server-text.js";

const bytesOf = (hex: string) => Buffer.from(hex.replaceAll(" ", ""), "hex");

/**
 * What the server stores inside strings: characters, escapes, and surrogates as three bytes each, in any order. A backslash
 * is always the begin of an escape.
 */
const piece = fc.oneof(
  fc
    .string({ unit: "grapheme", maxLength: 3 })
    .filter((text) => !text.includes("\\"))
    .map((text) => Buffer.from(text)),
  fc.integer({ min: 0xd800, max: 0xdfff }).map((unit) => {
    return Buffer.of(0xed, 0x80 | ((unit >> 6) & 0x3f), 0x80 | (unit & 0x3f));
  }),
  fc
    .constantFrom("\\\\", "\\\\udc00", "\\u001F", "\\n", '\\"', "\ud7ff", "\ue000", "u", "í")
    .map((text) => Buffer.from(text)),
);
const texts = fc.array(piece, { maxLength: 8 }).map((pieces) => Buffer.concat(pieces));

describe("a text of the server", () => {
  test("comes back from a string as the bytes that it was", () => {
    fc.assert(
      fc.property(texts, (bytes) => {
        expect(jsonOfText(textOfJson(bytes))).toEqual(bytes);
      }),
      { numRuns: 5000 },
    );
  });

  test("is valid UTF-8 as a string, and JSON", () => {
    const bytes = Buffer.concat([Buffer.from('"a'), bytesOf("ed b0 80"), Buffer.from('😀"')]);
    expect(textOfJson(bytes)).toBe('"a\\udc00😀"');
    expect(parseJson(bytes)).toBe("a\udc00😀");
  });

  test("is not one that JSON reads as the same", () => {
    const pair = Buffer.concat([Buffer.from('"'), bytesOf("ed a0 bd ed b8 80"), Buffer.from('"')]);
    const one = Buffer.from('"😀"');
    expect(parseJson(pair)).toBe(parseJson(one));
    expect(textOfJson(pair)).not.toBe(textOfJson(one));
    expect(jsonOfText(textOfJson(pair))).toEqual(pair);
  });

  test("may be cut inside a surrogate, as messages are", () => {
    for (const hex of ["61 ed", "61 ed b0", "ed b0 22", "ed 9f bf", "ff ed b0 80"]) {
      expect(() => textOfJson(bytesOf(hex))).not.toThrow();
    }
    expect(textOfJson(bytesOf("ff ed b0 80"))).toBe("\ufffd\\udc00");
  });
});

describe("jsonOfText", () => {
  test.each([
    ['"\\udc00"', "22 ed b0 80 22"],
    ['"\\uDC00"', "22 ed b0 80 22"],
    ['"\\ud800"', "22 ed a0 80 22"],
    // An escaped backslash, and five letters.
    ['"\\\\udc00"', "22 5c 5c 75 64 63 30 30 22"],
    ['"\\\\\\udc00"', "22 5c 5c ed b0 80 22"],
    ['"é\\udc00"', "22 c3 a9 ed b0 80 22"],
    ['"\\u00e9"', "22 5c 75 30 30 65 39 22"],
  ])("of %s", (text, hex) => {
    expect(jsonOfText(text)).toEqual(bytesOf(hex));
  });

  test("gives what JSON.stringify wrote as the server would send it", () => {
    const value = { "f\udc00": ["\udfff", "😀", "\\udc00", "\u0001"] };
    const bytes = jsonOfText(JSON.stringify(value));
    expect(parseJson(bytes)).toEqual(value);
    expect(bytes.includes("\\u0001")).toBe(true);
    expect(bytes.includes(bytesOf("ed bf bf"))).toBe(true);
  });
});
