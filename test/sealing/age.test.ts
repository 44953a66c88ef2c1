/** Our age files are read by the age program and by another library, and theirs by us. */
import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Decrypter, Encrypter, generateX25519Identity, identityToRecipient } from "age-encryption";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  AgeError,
  chunkBytes,
  contentBytes,
  fileKeyIn,
  newHeader,
  openChunks,
  payloadKey,
  sealedRange,
  sealPayload,
} from "../../src/sealing/age.js";
import { type Identity, identityOf, recipientOf } from "../../src/sealing/identity.js";

let texts: string[];
let identities: Identity[];
let directory: string;
beforeAll(async () => {
  texts = await Promise.all([1, 2, 3].map(() => generateX25519Identity()));
  identities = texts.map(identityOf);
  directory = await mkdtemp(join(tmpdir(), "thinkback-test-"));
  await writeFile(join(directory, "key"), `# a comment\n${texts[1]}\n`);
});
afterAll(() => rm(directory, { recursive: true }));

function encrypted(bytes: Buffer): { header: Buffer; payload: Buffer; file: Buffer } {
  const { header, fileKey } = newHeader(identities.map(({ recipient }) => recipient));
  const payload = Buffer.concat(sealPayload(fileKey, [bytes]));
  return { header, payload, file: Buffer.concat([header, payload]) };
}

function decrypted(header: Buffer, payload: Buffer, identity: Identity): Buffer {
  const key = payloadKey(fileKeyIn(header, [identity])!, payload.subarray(0, 16));
  return openChunks(key, payload.subarray(16), 0, true);
}

const lengths = [0, 1, chunkBytes - 1, chunkBytes, chunkBytes + 1, 3 * chunkBytes, 200_000];

test("a key's recipient is the one that other tools compute", async () => {
  for (const [i, text] of texts.entries()) {
    const recipient = await identityToRecipient(text);
    expect(identities[i]!.public.recipient).toBe(recipient);
    expect(recipientOf(recipient).bytes).toEqual(identities[i]!.recipient.bytes);
  }
  expect(new Set(identities.map(({ public: { verify } }) => verify)).size).toBe(3);
});

test("a text that is no key is refused, and not repeated", () => {
  const altered = texts[0]!.replace(/.$/, (last) => (last === "Q" ? "P" : "Q"));
  for (const wrong of [
    altered,
    "",
    "age1",
    texts[0]!.slice(0, -8),
    identities[0]!.public.recipient,
  ]) {
    expect(() => identityOf(wrong)).toThrow(/^not a secret key$/);
  }
  for (const wrong of [texts[0]!, `${identities[0]!.public.recipient}q`]) {
    expect(() => recipientOf(wrong)).toThrow(/^not a recipient$/);
  }
});

describe.each(lengths)("a file of %d bytes", (length) => {
  const bytes = randomBytes(length);

  test("that we encrypt is read by another library and by the age program", async () => {
    const { file, payload } = encrypted(bytes);
    expect(contentBytes(payload.length)).toBe(length);
    const decrypter = new Decrypter();
    decrypter.addIdentity(texts[2]!);
    expect(Buffer.from(await decrypter.decrypt(file)).equals(bytes)).toBe(true);
    const args = ["-d", "-i", join(directory, "key")];
    const read = execFileSync("age", args, { input: file, maxBuffer: 1 << 24 });
    expect(read.equals(bytes)).toBe(true);
  });

  test("that another library or the age program encrypts is read by us", async () => {
    const encrypter = new Encrypter();
    const recipients = identities.map((identity) => identity.public.recipient);
    for (const recipient of recipients) encrypter.addRecipient(recipient);
    const args = recipients.flatMap((recipient) => ["-r", recipient]);
    for (const file of [
      Buffer.from(await encrypter.encrypt(bytes)),
      execFileSync("age", args, { input: bytes, maxBuffer: 1 << 24 }),
    ]) {
      const end = file.indexOf("\n", file.indexOf("\n--- ") + 1) + 1;
      for (const identity of identities) {
        const read = decrypted(file.subarray(0, end), file.subarray(end), identity);
        expect(read.equals(bytes)).toBe(true);
      }
    }
  });
});

test("any range is decrypted from the chunks that hold it", () => {
  const bytes = randomBytes(3 * chunkBytes + 1000);
  const { header, payload } = encrypted(bytes);
  const key = payloadKey(fileKeyIn(header, [identities[0]!])!, payload.subarray(0, 16));
  const place = fc.integer({ min: 0, max: bytes.length });
  fc.assert(
    fc.property(place, place, (a, b) => {
      const [start, end] = [Math.min(a, b), Math.max(a, b)];
      if (start === end) return;
      const range = sealedRange(start, end, payload.length);
      const sealed = payload.subarray(range.start, range.end);
      expect(sealed.length).toBeLessThanOrEqual(end - start + 2 * (chunkBytes + 16));
      const read = openChunks(key, sealed, range.first, range.end === payload.length);
      const wanted = bytes.subarray(start, end);
      expect(read.subarray(range.skip, range.skip + end - start).equals(wanted)).toBe(true);
    }),
  );
});

test("every altered, moved, missing or added byte is noticed", () => {
  const bytes = randomBytes(2 * chunkBytes + 500);
  const { header, payload } = encrypted(bytes);
  const attempts: [string, Buffer, Buffer][] = [];
  for (let at = 0; at < header.length; at += 1) {
    const altered = Buffer.from(header);
    altered[at] = altered[at]! ^ 1;
    attempts.push([`header byte ${at}`, altered, payload]);
  }
  for (const at of [0, 15, 16, 65_551, 65_552, 65_568, payload.length - 1]) {
    const altered = Buffer.from(payload);
    altered[at] = altered[at]! ^ 1;
    attempts.push([`payload byte ${at}`, header, altered]);
  }
  const chunk = chunkBytes + 16;
  attempts.push(
    ["cut at a chunk", header, payload.subarray(0, 16 + 2 * chunk)],
    ["cut in a chunk", header, payload.subarray(0, payload.length - 5)],
    ["empty", header, payload.subarray(0, 16)],
    ["longer", header, Buffer.concat([payload, Buffer.from("x")])],
    [
      "exchanged chunks",
      header,
      Buffer.concat([
        payload.subarray(0, 16),
        payload.subarray(16 + chunk, 16 + 2 * chunk),
        payload.subarray(16, 16 + chunk),
        payload.subarray(16 + 2 * chunk),
      ]),
    ],
  );
  for (const [what, alteredHeader, alteredPayload] of attempts) {
    let read: Buffer | undefined;
    try {
      const fileKey = fileKeyIn(alteredHeader, [identities[0]!]);
      if (fileKey) {
        const key = payloadKey(fileKey, alteredPayload.subarray(0, 16));
        read = openChunks(key, alteredPayload.subarray(16), 0, true);
      }
    } catch (error) {
      expect(error, what).toBeInstanceOf(AgeError);
    }
    // What is read from a header altered in somebody else's line must be noticed by the MAC.
    expect(read, what).toBeUndefined();
  }
});

test("no two files share a key or a nonce", () => {
  const seen = new Set<string>();
  for (let i = 0; i < 50; i += 1) {
    const { header, fileKey } = newHeader([identities[0]!.recipient]);
    const [nonce] = sealPayload(fileKey, [Buffer.from("x")]);
    for (const value of [header, fileKey, nonce!]) seen.add(value.toString("hex"));
  }
  expect(seen.size).toBe(150);
});
