import { createHash } from "node:crypto";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ThinkbackError } from "../../src/errors.js";
import { decodeJsonObject, encodeJsonObject, readStored } from "../../src/format/json-object.js";
import { claimKind } from "../../src/repository/log/claims.js";
import { MemoryStore } from "../../src/storage/memory-store.js";
import { laterJson } from "./later-version.js";

const name = "writers/00000001.json";

function errorOf(bytes: Buffer, type = "writer"): ThinkbackError {
  try {
    decodeJsonObject(bytes, name, type);
  } catch (error) {
    expect(error).toBeInstanceOf(ThinkbackError);
    return error as ThinkbackError;
  }
  throw new Error(`read without an error: ${bytes.toString()}`);
}

describe("a JSON object", () => {
  const fields = { epoch: 1, text: 'é"\\,"checksum":"', nested: { list: [1, null] } };
  const bytes = encodeJsonObject("writer", fields);

  test("gives back any fields", () => {
    const keys = fc
      .string()
      .filter((key) => !["thinkback", "version", "checksum", "__proto__"].includes(key));
    fc.assert(
      fc.property(fc.dictionary(keys, fc.jsonValue()), (any) => {
        const read = decodeJsonObject(encodeJsonObject("x", any), name, "x");
        expect(read).toMatchObject(JSON.parse(JSON.stringify(any)) as object);
      }),
    );
  });

  test("is one line that says what it is first, and its checksum last", () => {
    const text = bytes.toString();
    expect(text.startsWith('{"thinkback":"writer","version":1,"epoch":1,')).toBe(true);
    expect(text.indexOf("\n")).toBe(text.length - 1);
    const sum = createHash("sha256").update(bytes.subarray(0, -80)).digest("hex");
    expect(text.slice(-80)).toBe(`,"checksum":"${sum}"}\n`);
  });

  test("is told when truncated at any byte", () => {
    for (let length = 0; length < bytes.length; length += 1) {
      const error = errorOf(bytes.subarray(0, length));
      expect(error.code).toBe("damaged");
      expect(error.message).toContain(name);
    }
  });

  test.each([0x01, 0x02, 0x20, 0x80])("is told when any byte is flipped (xor %i)", (mask) => {
    for (let at = 0; at < bytes.length; at += 1) {
      const copy = Buffer.from(bytes);
      copy[at] = copy[at]! ^ mask;
      const error = errorOf(copy);
      expect(error.code, `byte ${at}`).toBe("damaged");
      expect(error.message).toContain(name);
    }
  });

  test.each([" ", "\n", "}", "x"])("is told when %j is added at its end", (more) => {
    expect(errorOf(Buffer.concat([bytes, Buffer.from(more)])).code).toBe("damaged");
  });

  test("of another type is not taken for this one", () => {
    const error = errorOf(encodeJsonObject("base", fields));
    expect(error.message).toBe(`object ${name} is damaged: it is not a Thinkback writer`);
  });

  test.each(["null", "1", "[]", '"text"', "", "{}", '{"thinkback":"writer"}'])(
    "is not %j",
    (text) => {
      expect(errorOf(Buffer.from(text)).code).toBe("damaged");
    },
  );

  test("of a newer version is refused with advice", () => {
    expect(errorOf(laterJson(bytes))).toMatchObject({
      code: "repository",
      message: `${name} is of format version 2; this Thinkback reads up to 1`,
    });
  });

  test("of which only the version was altered is damaged, and both possibilities are told", () => {
    const altered = Buffer.from(bytes.toString().replace('"version":1', '"version":3'));
    expect(errorOf(altered)).toMatchObject({
      code: "damaged",
      message: expect.stringMatching(/fails its checksum; it says .* version 3, so .* or a later/),
    });
  });

  test("that is missing is damage", async () => {
    await expect(readStored(new MemoryStore(), name, claimKind)).rejects.toMatchObject({
      code: "damaged",
      message: `object ${name} is damaged: it is missing`,
    });
  });
});
