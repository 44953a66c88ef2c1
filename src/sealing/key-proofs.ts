/**
 * Proofs that a key still opens what is written for the readers. Whoever holds the key signs one, so nobody else can
 * make it. They lie below keys/proofs/, in the clear. docs/format.md §16.1.
 */
import { damaged, ThinkbackError } from "../errors.js";
import { checksum, instant, isCount, ordinal, text } from "../format/fields.js";
import { encodeStored, jsonKind, readStored, type Stored } from "../format/json-object.js";
import { keysPrefix } from "../format/names.js";
import type { Instant } from "../instant.js";
import { ObjectExists, type ObjectStore } from "../storage/object-store.js";
import { type Identity, isSignedBy, signatureBy } from "./identity.js";
import { type KeySet, opensAs } from "./key-set.js";

export const proofsPrefix = `${keysPrefix}proofs/`;

export const keyProofKind = jsonKind("keyproof", {
  repository: text,
  /** The number of the key set whose groups were opened. */
  set: ordinal,
  at: instant,
  by: checksum,
  /** By the key itself, over all other fields. */
  signature: text,
});
export type KeyProof = Stored<typeof keyProofKind>;

/** Opens the groups of the newest key set with an identity, and stores the proof. Throws if they do not open. */
export async function proveKey(
  store: ObjectStore,
  set: KeySet,
  identity: Identity,
  at: Instant,
): Promise<KeyProof> {
  const { verify, recipient } = identity.public;
  const key = set.keys.find((one) => one.recipient === recipient);
  if (!key || !opensAs("reader", set, identity)) {
    const whose = key
      ? `the key ${key.name}, a ${key.role},`
      : `a key that is none of the repository's, ${recipient},`;
    throw new ThinkbackError(
      "mismatch",
      `${whose} does not open what key set ${set.number} has for readers`,
      {
        hint: "what is written now cannot be read with this key; `thinkback key list` shows which keys can",
      },
    );
  }
  const content = { repository: set.repository, set: set.number, at, by: verify };
  const signature = signatureBy(identity, messageOf(content)).toString("hex");
  const proof: KeyProof = { ...content, signature };
  try {
    await store.put(nameOf(at, verify), encodeStored(keyProofKind, proof));
  } catch (error) {
    // The same key was proven in the same millisecond.
    if (!(error instanceof ObjectExists)) throw error;
  }
  return proof;
}

/** When each key was last proven, by its verification key. Proofs that are damaged or wrongly signed do not count. */
export async function lastKeyProofs(
  store: ObjectStore,
  repository: string,
): Promise<Map<string, Instant>> {
  const last = new Map<string, Instant>();
  const names = new Map<string, string>();
  for await (const { name } of store.list(proofsPrefix)) {
    const match = /(\d{15})-([0-9a-f]{64})\.json$/.exec(name);
    // Names are in the order of time.
    if (match) names.set(match[2]!, name);
  }
  for (const [by, name] of names) {
    const proof = await proofIn(store, name);
    if (proof?.repository === repository && proof.by === by && isCount(proof.at)) {
      last.set(by, proof.at);
    }
  }
  return last;
}

async function proofIn(store: ObjectStore, name: string): Promise<KeyProof | undefined> {
  try {
    return await signedProof(store, name);
  } catch {
    return undefined;
  }
}

/** Throws, naming it, unless the key that a proof names has signed it. */
async function signedProof(store: ObjectStore, name: string): Promise<KeyProof> {
  const proof = await readStored(store, name, keyProofKind);
  const { repository, set, at, by, signature } = proof;
  const message = messageOf({ repository, set, at, by });
  if (isSignedBy(by, message, Buffer.from(signature, "hex"))) return proof;
  throw damaged(name, "it is not signed by the key that it names");
}

/**
 * Throws, naming it, unless a proof shows what its name says.
 * @param sets the key sets that count, by number
 */
export async function checkKeyProof(
  store: ObjectStore,
  name: string,
  repository: string,
  sets: ReadonlyMap<number, KeySet>,
): Promise<void> {
  const proof = await signedProof(store, name);
  if (proof.repository !== repository) throw damaged(name, "it is of another repository");
  if (nameOf(proof.at, proof.by) !== name) throw damaged(name, "its name and its content differ");
  const isReader = ({ role, verify }: KeySet["keys"][number]) =>
    role === "reader" && verify === proof.by;
  if (sets.get(proof.set)?.keys.some(isReader)) return;
  throw damaged(name, `it is by a key that is no reader of key set ${proof.set}`);
}

const messageOf = (content: Omit<KeyProof, "signature">) =>
  Buffer.from(`thinkback key proof 1\n${JSON.stringify(content)}`);

const nameOf = (at: Instant, verify: string) =>
  `${proofsPrefix}${String(at).padStart(15, "0")}-${verify}.json`;
