/**
 * Keys. A secret key is an age identity, `AGE-SECRET-KEY-1…`, one line of a file as `age-keygen` makes it. It decrypts,
 * and it signs: its signing key is derived from it, so that there is one secret to keep. docs/format.md §16.
 */
import { hkdfSync, type KeyObject, randomBytes, sign, verify } from "node:crypto";
import { bech32 } from "@scure/base";
import type { AgeIdentity, AgeRecipient } from "./age.js";
import {
  ed25519Public,
  ed25519Secret,
  publicBytes,
  x25519Public,
  x25519Secret,
} from "./raw-keys.js";

export interface Identity extends AgeIdentity {
  public: PublicKey;
  signing: KeyObject;
}

/** What others know of a key. */
export interface PublicKey {
  /** `age1…` */
  recipient: string;
  /** The key that checks its signatures, hexadecimal. */
  verify: string;
}

const secretPrefix = "AGE-SECRET-KEY-";
const signingInfo = "thinkback signing key 1";

/** The text `AGE-SECRET-KEY-1…` of a new identity. */
export function newSecret(): string {
  return bech32.encodeFromBytes(secretPrefix, randomBytes(32)).toUpperCase();
}

/** The identity of a text `AGE-SECRET-KEY-1…`. Throws, without repeating it, if it is none. */
export function identityOf(text: string): Identity {
  const secret = x25519Secret(bytesOf(text, secretPrefix, "a secret key"));
  const bytes = publicBytes(secret);
  const seed = hkdfSync(
    "sha256",
    bytesOf(text, secretPrefix, ""),
    Buffer.alloc(0),
    signingInfo,
    32,
  );
  const signing = ed25519Secret(Buffer.from(seed));
  return {
    recipient: { bytes, key: x25519Public(bytes) },
    secret,
    signing,
    public: {
      recipient: bech32.encodeFromBytes("age", bytes),
      verify: publicBytes(signing).toString("hex"),
    },
  };
}

/** The recipient of a text `age1…`. Throws if it is none. */
export function recipientOf(text: string): AgeRecipient {
  const bytes = bytesOf(text, "age", "a recipient");
  return { bytes, key: x25519Public(bytes) };
}

function bytesOf(text: string, prefix: string, what: string): Buffer {
  let found: { prefix: string; bytes: Uint8Array } | undefined;
  try {
    found = bech32.decodeToBytes(text);
  } catch {
    // It is told below, without the text, which may be a secret with a typing error.
  }
  if (found?.prefix.toUpperCase() !== prefix.toUpperCase() || found.bytes.length !== 32) {
    throw new Error(`not ${what}`);
  }
  return Buffer.from(found.bytes);
}

export function signatureBy({ signing }: Pick<Identity, "signing">, message: Buffer): Buffer {
  return sign(null, message, signing);
}

const verifying = new Map<string, KeyObject>();

/** True if `signature` is that of the key `verify` (hexadecimal) over `message`. */
export function isSignedBy(key: string, message: Buffer, signature: Buffer): boolean {
  let known = verifying.get(key);
  if (!known) {
    known = ed25519Public(Buffer.from(key, "hex"));
    verifying.set(key, known);
  }
  return verify(null, message, known, signature);
}
