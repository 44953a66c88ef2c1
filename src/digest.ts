import { createHash, hash } from "node:crypto";

/**
 * The digest of a document: the first 16 hexadecimal digits of `r.uuid(document.toJsonString())`, without dashes. That
 * is a name-based UUID (RFC 4122 §4.3, version 5) over the document's own JSON text in the server's namespace. So the
 * same digest can be computed in ReQL, and documents can be compared without transferring them. 60 of its 64 bits vary:
 * digit 13 is the version, always 5.
 */
export function digestOf(document: Uint8Array): string {
  const h = namedSha1(document);
  return `${h.slice(0, 12)}5${h.slice(13, digestDigits)}`;
}

/** The whole of `r.uuid(document.toJsonString())`, of which the digest is the beginning: 122 of its 128 bits vary. */
export function uuidOf(document: Uint8Array): string {
  const h = namedSha1(document);
  const variant = (0x8 | (Number.parseInt(h[16]!, 16) & 0x3)).toString(16);
  return `${h.slice(0, 8)}-${h.slice(8, 12)}-5${h.slice(13, 16)}-${variant}${h.slice(17, 20)}-${h.slice(20, 32)}`;
}

/** Length of a digest. */
export const digestDigits = 16;

/** Writes the digest of a document into `into` at `at`. For many documents that is cheaper than strings. */
export function writeDigestOf(document: Uint8Array, into: Buffer, at: number): void {
  const h = namedSha1(document);
  for (let digit = 0; digit < digestDigits; digit += 1) into[at + digit] = h.charCodeAt(digit);
  into[at + 12] = 0x35;
}

/** The server's namespace for `r.uuid(text)`: 91461c99-f89d-49d2-af96-d8e2e14e9b58. */
const namespace = Buffer.from("91461c99f89d49d2af96d8e2e14e9b58", "hex");

const scratchBytes = 64 * 1024;
const scratch = Buffer.allocUnsafeSlow(namespace.length + scratchBytes);
scratch.set(namespace);

/** SHA-1 of namespace and document, hexadecimal. One call of `hash` costs a third of `createHash` with updates. */
function namedSha1(document: Uint8Array): string {
  if (document.length > scratchBytes) {
    return createHash("sha1").update(namespace).update(document).digest("hex");
  }
  scratch.set(document, namespace.length);
  return hash("sha1", new Uint8Array(scratch.buffer, 0, namespace.length + document.length), "hex");
}

const digits = Buffer.allocUnsafeSlow(digestDigits);

/** A digest of a set of documents that does not depend on their order: their number and the XOR of their digests. */
export class SetDigest {
  count = 0;
  private high = 0;
  private low = 0;

  /** The set digest of `count` documents that was stored as `hex`. */
  static of(count: number, hex: string): SetDigest {
    const set = new SetDigest();
    set.add(hex);
    set.count = count;
    return set;
  }

  add(digest: string): void {
    this.addWritten(Buffer.from(digest, "latin1"), 0);
  }

  addDocument(document: Uint8Array): void {
    writeDigestOf(document, digits, 0);
    this.addWritten(digits, 0);
  }

  /** Removes a document that was added before. */
  removeDocument(document: Uint8Array): void {
    this.addDocument(document);
    this.count -= 2;
  }

  /** Adds the digest whose digits are in `bytes` at `at`. */
  addWritten(bytes: Buffer, at: number): void {
    this.count += 1;
    this.high ^= hexWord(bytes, at);
    this.low ^= hexWord(bytes, at + 8);
  }

  addSet(other: SetDigest): void {
    this.count += other.count;
    this.high ^= other.high;
    this.low ^= other.low;
  }

  /** 16 hexadecimal digits. */
  hex(): string {
    return hex8(this.high) + hex8(this.low);
  }
}

/** The 32 bits of eight lower-case hexadecimal digits. */
function hexWord(digits: Buffer, from: number): number {
  let word = 0;
  for (let at = from; at < from + 8; at += 1) {
    const code = digits[at]!;
    word = (word << 4) | (code < 0x3a ? code - 0x30 : code - 0x57);
  }
  return word;
}

function hex8(word: number): string {
  return (word >>> 0).toString(16).padStart(8, "0");
}

/** SHA-256 in hexadecimal; the checksum of stored objects. */
export function sha256(...parts: Uint8Array[]): string {
  const h = createHash("sha256");
  for (const part of parts) h.update(part);
  return h.digest("hex");
}
