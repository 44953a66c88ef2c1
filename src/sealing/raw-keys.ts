/** X25519 and Ed25519 keys from their 32 bytes, and back. */
import { createPrivateKey, createPublicKey, type KeyObject } from "node:crypto";

/** What comes before the 32 bytes of a key in DER (RFC 8410). */
const before = {
  x25519Public: Buffer.from("302a300506032b656e032100", "hex"),
  x25519Secret: Buffer.from("302e020100300506032b656e04220420", "hex"),
  ed25519Public: Buffer.from("302a300506032b6570032100", "hex"),
  ed25519Secret: Buffer.from("302e020100300506032b657004220420", "hex"),
};

const publicKey = (prefix: Buffer, bytes: Uint8Array): KeyObject =>
  createPublicKey({ key: Buffer.concat([prefix, bytes]), format: "der", type: "spki" });
const secretKey = (prefix: Buffer, bytes: Uint8Array): KeyObject =>
  createPrivateKey({ key: Buffer.concat([prefix, bytes]), format: "der", type: "pkcs8" });

export const x25519Public = (bytes: Uint8Array) => publicKey(before.x25519Public, bytes);
export const x25519Secret = (bytes: Uint8Array) => secretKey(before.x25519Secret, bytes);
export const ed25519Public = (bytes: Uint8Array) => publicKey(before.ed25519Public, bytes);
export const ed25519Secret = (bytes: Uint8Array) => secretKey(before.ed25519Secret, bytes);

/** The 32 bytes of a public key, or of a secret key's public key. */
export function publicBytes(key: KeyObject): Buffer {
  const isSecret = key.type === "private";
  const exported = (isSecret ? createPublicKey(key) : key).export({ format: "der", type: "spki" });
  return Buffer.from(exported.subarray(exported.length - 32));
}
