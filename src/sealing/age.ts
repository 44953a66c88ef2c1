/**
 * The age format (https://age-encryption.org/v1): X25519 recipients, and a payload of chunks that can each be decrypted
 * alone. Any age tool reads what this writes. A library would take ten times as long: docs/decisions/0043.
 *
 * Invariant: a file key is random and used for one file. Break it and two files share a key and, with it, their nonces.
 */
import {
  createCipheriv,
  createDecipheriv,
  createHmac,
  diffieHellman,
  generateKeyPairSync,
  hkdfSync,
  type KeyObject,
  randomBytes,
  timingSafeEqual,
} from "node:crypto";
import { publicBytes, x25519Public } from "./raw-keys.js";

/** Bytes of a chunk of the payload before encryption, and by how many encryption makes it longer. */
export const chunkBytes = 64 * 1024;
export const tagBytes = 16;
const sealedChunkBytes = chunkBytes + tagBytes;
export const payloadNonceBytes = 16;
const fileKeyBytes = 16;
/** A header has at most this many bytes; each recipient takes about a hundred. */
const headerBytesMax = 64 * 1024;

const versionLine = "age-encryption.org/v1";
const wrapInfo = "age-encryption.org/v1/X25519";
const cipher = "chacha20-poly1305";
const zeroNonce = Buffer.alloc(12);

/** Of an X25519 recipient: its 32 bytes, and the same as a key. */
export interface AgeRecipient {
  bytes: Buffer;
  key: KeyObject;
}

/** Of an X25519 identity. */
export interface AgeIdentity {
  recipient: AgeRecipient;
  secret: KeyObject;
}

/** The content of a file cannot be read with the keys at hand, or is not what its writer wrote. */
export class AgeError extends Error {}

/** A new file key, and the header that gives it to the recipients. */
export function newHeader(recipients: readonly AgeRecipient[]): {
  header: Buffer;
  fileKey: Buffer;
} {
  const fileKey = randomBytes(fileKeyBytes);
  const stanzas = recipients.map((recipient) => stanzaFor(recipient, fileKey));
  const front = [versionLine, ...stanzas, "---"].join("\n");
  const mac = base64(headerMac(fileKey, Buffer.from(front)));
  return { header: Buffer.from(`${front} ${mac}\n`), fileKey };
}

function stanzaFor({ bytes, key }: AgeRecipient, fileKey: Buffer): string {
  const { publicKey, privateKey } = generateKeyPairSync("x25519");
  const share = publicBytes(publicKey);
  const shared = diffieHellman({ privateKey, publicKey: key });
  const body = sealChunk(wrapKey(shared, share, bytes), zeroNonce, fileKey);
  return `-> X25519 ${base64(share)}\n${base64(body)}`;
}

/** The file key in a header, if one of the identities can read it; else undefined. Throws if the header is altered. */
export function fileKeyIn(header: Buffer, identities: readonly AgeIdentity[]): Buffer | undefined {
  const { stanzas, front, mac } = parseHeader(header);
  for (const { share, body } of stanzas) {
    for (const { recipient, secret } of identities) {
      const shared = sharedWith(secret, share);
      if (!shared) continue;
      const fileKey = openChunk(wrapKey(shared, share, recipient.bytes), zeroNonce, body);
      if (fileKey?.length !== fileKeyBytes) continue;
      if (!timingSafeEqual(headerMac(fileKey, front), mac))
        throw new AgeError("its header is altered");
      return fileKey;
    }
  }
  return undefined;
}

/** Undefined for a share of low order, which every secret would agree with. */
function sharedWith(secret: KeyObject, share: Buffer): Buffer | undefined {
  try {
    return diffieHellman({ privateKey: secret, publicKey: x25519Public(share) });
  } catch {
    return undefined;
  }
}

interface Header {
  stanzas: { share: Buffer; body: Buffer }[];
  /** What the MAC covers. */
  front: Buffer;
  mac: Buffer;
}

/** Reads a header as `newHeader` writes it; stanzas of other kinds are passed over. */
function parseHeader(header: Buffer): Header {
  const text = header.toString("latin1");
  const lines = text.split("\n");
  if (lines.shift() !== versionLine || lines.pop() !== "")
    throw new AgeError("it has no age header");
  const last = lines.pop() ?? "";
  if (!last.startsWith("--- ")) throw new AgeError("its age header has no end");
  const stanzas: Header["stanzas"] = [];
  while (lines.length > 0) {
    const [arrow, kind, ...args] = lines.shift()!.split(" ");
    if (arrow !== "->") throw new AgeError("its age header cannot be read");
    let body = "";
    for (let line = lines.shift(); line !== undefined; line = lines.shift()) {
      body += line;
      if (line.length < 64) break;
    }
    if (kind !== "X25519") continue;
    const [share, wrapped] = [decoded(args[0] ?? ""), decoded(body)];
    if (args.length !== 1 || share.length !== 32 || wrapped.length !== fileKeyBytes + tagBytes) {
      throw new AgeError("its age header has a recipient of a wrong length");
    }
    stanzas.push({ share, body: wrapped });
  }
  const front = header.subarray(0, header.length - last.length - 1 + "---".length);
  const mac = decoded(last.slice(4));
  if (mac.length !== 32) throw new AgeError("its age header has a MAC of a wrong length");
  return { stanzas, front, mac };
}

/** A whole age file. */
export function ageFile(recipients: readonly AgeRecipient[], content: Uint8Array): Buffer {
  const { header, fileKey } = newHeader(recipients);
  return Buffer.concat([header, ...sealPayload(fileKey, [content])]);
}

/** The content of a whole age file; undefined if none of the identities opens it. Throws if it is altered. */
export function openAgeFile(file: Buffer, identities: readonly AgeIdentity[]): Buffer | undefined {
  const header = ageHeader(file);
  const fileKey = fileKeyIn(header, identities);
  if (!fileKey) return undefined;
  const payload = file.subarray(header.length);
  const key = payloadKey(fileKey, payload.subarray(0, payloadNonceBytes));
  return openChunks(key, payload.subarray(payloadNonceBytes), 0, true);
}

/** The header at the beginning of an age file. Throws if there is none. */
export function ageHeader(file: Buffer): Buffer {
  const end = file.subarray(0, headerBytesMax).indexOf("\n--- ");
  const newline = end === -1 ? -1 : file.indexOf(0x0a, end + 1);
  if (newline === -1) throw new AgeError("it has no age header");
  return file.subarray(0, newline + 1);
}

/** How many bytes a payload of `length` bytes holds. Throws if no payload has that length. */
export function contentBytes(length: number): number {
  const chunks = Math.ceil((length - payloadNonceBytes) / sealedChunkBytes);
  const content = length - payloadNonceBytes - chunks * tagBytes;
  if (chunks < 1 || content < 0 || (content === 0 && chunks > 1)) {
    throw new AgeError("its length is impossible");
  }
  return content;
}

/** Encrypts a payload. */
export function sealPayload(fileKey: Buffer, parts: readonly Uint8Array[]): Buffer[] {
  const nonce = randomBytes(payloadNonceBytes);
  const key = payloadKey(fileKey, nonce);
  const sealed: Buffer[] = [nonce];
  const chunks = chunksOf(parts);
  for (const [i, chunk] of chunks.entries()) {
    sealed.push(sealChunk(key, chunkNonce(i, i === chunks.length - 1), chunk));
  }
  return sealed;
}

/** The parts as one sequence of bytes, in chunks: at least one, and none empty unless everything is. */
function chunksOf(parts: readonly Uint8Array[]): Uint8Array[] {
  const whole = parts.length === 1 ? parts[0]! : Buffer.concat(parts);
  const chunks: Uint8Array[] = [];
  for (let at = 0; at < whole.length; at += chunkBytes) {
    chunks.push(whole.subarray(at, at + chunkBytes));
  }
  return chunks.length > 0 ? chunks : [whole];
}

/** The key of a payload that begins with `nonce`. */
export function payloadKey(fileKey: Buffer, nonce: Uint8Array): Buffer {
  return derived(fileKey, nonce, "payload");
}

/** Which bytes of a payload of `length` bytes hold the bytes from `start` to `end` of its content. */
export function sealedRange(start: number, end: number, length: number) {
  const first = Math.floor(start / chunkBytes);
  const chunks = Math.max(first + 1, Math.ceil(end / chunkBytes));
  const at = (chunk: number) => Math.min(payloadNonceBytes + chunk * sealedChunkBytes, length);
  return { first, start: at(first), end: at(chunks), skip: start - first * chunkBytes };
}

/**
 * Decrypts whole chunks, of which the first has the number `first`.
 * @param isEnd true if the last of them is the last of the payload
 */
export function openChunks(key: Buffer, sealed: Buffer, first: number, isEnd: boolean): Buffer {
  const opened: Buffer[] = [];
  for (let at = 0; at < sealed.length || at === 0; at += sealedChunkBytes) {
    const chunk = sealed.subarray(at, at + sealedChunkBytes);
    const isLast = isEnd && at + sealedChunkBytes >= sealed.length;
    const number = first + at / sealedChunkBytes;
    const bytes = openChunk(key, chunkNonce(number, isLast), chunk);
    if (!bytes) throw new AgeError("it is altered, or cut off");
    opened.push(bytes);
  }
  return opened.length === 1 ? opened[0]! : Buffer.concat(opened);
}

function chunkNonce(number: number, isLast: boolean): Buffer {
  const nonce = Buffer.alloc(12);
  nonce.writeUIntBE(number, 5, 6);
  nonce[11] = isLast ? 1 : 0;
  return nonce;
}

function sealChunk(key: Buffer, nonce: Buffer, bytes: Uint8Array): Buffer {
  const sealing = createCipheriv(cipher, key, nonce, { authTagLength: tagBytes });
  const body = sealing.update(bytes);
  sealing.final();
  return Buffer.concat([body, sealing.getAuthTag()]);
}

/** Undefined if the chunk fails its check. */
function openChunk(key: Buffer, nonce: Buffer, sealed: Buffer): Buffer | undefined {
  if (sealed.length < tagBytes) return undefined;
  const opening = createDecipheriv(cipher, key, nonce, { authTagLength: tagBytes });
  opening.setAuthTag(sealed.subarray(sealed.length - tagBytes));
  const bytes = opening.update(sealed.subarray(0, sealed.length - tagBytes));
  try {
    opening.final();
    return bytes;
  } catch {
    return undefined;
  }
}

function wrapKey(shared: Buffer, share: Buffer, recipient: Buffer): Buffer {
  return derived(shared, Buffer.concat([share, recipient]), wrapInfo);
}

function headerMac(fileKey: Buffer, front: Buffer): Buffer {
  return createHmac("sha256", derived(fileKey, Buffer.alloc(0), "header"))
    .update(front)
    .digest();
}

function derived(secret: Buffer, salt: Uint8Array, info: string): Buffer {
  return Buffer.from(hkdfSync("sha256", secret, salt, info, 32));
}

const base64 = (bytes: Buffer) => bytes.toString("base64").replace(/=+$/, "");

/** Decodes base64 without padding. Throws unless it is written in the one canonical way. */
function decoded(text: string): Buffer {
  const bytes = Buffer.from(text, "base64");
  if (base64(bytes) !== text) throw new AgeError("its age header is not in canonical base64");
  return bytes;
}
