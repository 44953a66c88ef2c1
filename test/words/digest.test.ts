import { createHash } from "node:crypto";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { digestOf, SetDigest, sha256, writeDigestOf } from "../../src/digest.js";

/** A UUID of version 5 by RFC 4122 §4.3, in the namespace that the server's r.uuid(text) uses. */
function uuid5(name: Uint8Array): string {
  const namespace = Buffer.from("91461c99-f89d-49d2-af96-d8e2e14e9b58".replaceAll("-", ""), "hex");
  const bytes = createHash("sha1").update(namespace).update(name).digest().subarray(0, 16);
  bytes[6] = (bytes.readUInt8(6) & 0x0f) | 0x50;
  bytes[8] = (bytes.readUInt8(8) & 0x3f) | 0x80;
  const hex = bytes.toString("hex");
  return [
    hex.slice(0, 8),
    hex.slice(8, 12),
    hex.slice(12, 16),
    hex.slice(16, 20),
    hex.slice(20),
  ].join("-");
}

describe("digestOf", () => {
  test("is the first 16 digits of r.uuid(text), dashes dropped", () => {
    const bytes = fc.uint8Array({ maxLength: 300 });
    fc.assert(
      fc.property(bytes, (document) => {
        expect(digestOf(document)).toBe(uuid5(document).replaceAll("-", "").slice(0, 16));
      }),
    );
  });

  test("takes the parts that the ReQL of a comparison takes: parts 0, 1 and 2 of the UUID", () => {
    const document = Buffer.from('{"id":1,"name":"é"}');
    const [first, second, third] = uuid5(document).split("-");
    expect(digestOf(document)).toBe(`${first}${second}${third}`);
    expect(third).toMatch(/^5/);
  });

  test("is the same where it is written among other bytes", () => {
    const around = Buffer.alloc(20, "x");
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (document) => {
        writeDigestOf(document, around, 2);
        expect(around.toString()).toBe(`xx${digestOf(document)}xx`);
      }),
    );
  });

  test("does not depend on what was hashed before, nor on the length that is hashed otherwise", () => {
    const documents = [10, 64 * 1024 - 1, 64 * 1024, 64 * 1024 + 1, 500_000, 3, 0].map((length) =>
      Buffer.alloc(length, "x"),
    );
    for (const document of [...documents, ...documents.toReversed()]) {
      expect(digestOf(document)).toBe(uuid5(document).replaceAll("-", "").slice(0, 16));
    }
  });

  test("known values, for who writes a reader in another language", () => {
    expect(digestOf(Buffer.from("{}"))).toBe(
      uuid5(Buffer.from("{}")).replaceAll("-", "").slice(0, 16),
    );
    expect(digestOf(Buffer.from("null"))).not.toBe(digestOf(Buffer.from("{}")));
  });
});

describe("SetDigest", () => {
  const digest = fc
    .uint8Array({ minLength: 8, maxLength: 8 })
    .map((b) => Buffer.from(b).toString("hex"));
  const of = (digests: string[]) => {
    const set = new SetDigest();
    for (const one of digests) set.add(one);
    return set;
  };

  test("is count and XOR, computed here with BigInt", () => {
    fc.assert(
      fc.property(fc.array(digest), (digests) => {
        const xor = digests.reduce((all, one) => all ^ BigInt(`0x${one}`), 0n);
        expect(of(digests).hex()).toBe(xor.toString(16).padStart(16, "0"));
        expect(of(digests).count).toBe(digests.length);
      }),
    );
  });

  test("of digests that stand among other bytes is the same", () => {
    fc.assert(
      fc.property(fc.array(digest), (digests) => {
        const written = new SetDigest();
        for (const one of digests) written.addWritten(Buffer.from(`"h":"${one}"}`), 5);
        expect([written.hex(), written.count]).toEqual([of(digests).hex(), digests.length]);
      }),
    );
  });

  test("of a union is that of its parts, in any order", () => {
    fc.assert(
      fc.property(fc.array(digest), fc.array(digest), (a, b) => {
        const parts = of(a);
        parts.addSet(of(b));
        expect([parts.hex(), parts.count]).toEqual([of([...b, ...a]).hex(), a.length + b.length]);
      }),
    );
  });

  test("that was written down goes on as it was", () => {
    fc.assert(
      fc.property(fc.array(digest), fc.array(digest), (a, b) => {
        const set = SetDigest.of(a.length, of(a).hex());
        expect([set.hex(), set.count]).toEqual([of(a).hex(), a.length]);
        set.addSet(of(b));
        expect([set.hex(), set.count]).toEqual([of([...a, ...b]).hex(), a.length + b.length]);
      }),
    );
  });

  test("of nothing is zero", () => {
    expect(new SetDigest().hex()).toBe("0000000000000000");
  });
});

test("sha256 is that of all parts joined", () => {
  const whole = createHash("sha256").update("thinkback").digest("hex");
  expect(sha256(Buffer.from("think"), Buffer.from(""), Buffer.from("back"))).toBe(whole);
});
