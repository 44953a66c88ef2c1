/**
 * Key sets: who reads a sealed repository, and whose signatures count. A numbered chain under keys/, stored in the
 * clear: all that is secret in it is encrypted for its keys. docs/format.md §16.1.
 *
 * Invariant: the first set counts only if a key that its user trusts has signed it, and each later one only if a reader
 * of the set before has. Break it and whoever writes to the store makes himself a reader of what is captured.
 */
import * as v from "valibot";
import { damaged, isDamage, ThinkbackError, UnusableObject } from "../errors.js";
import {
  checksum,
  fields,
  flag,
  instant,
  list,
  type Of,
  oneOf,
  ordinal,
  text,
} from "../format/fields.js";
import { jsonKind, type Stored } from "../format/json-object.js";
import { keysPrefix, numberedName } from "../format/names.js";
import {
  decodeNumbered,
  newestNumbered,
  putNumbered,
  readNumbered,
  readNumberedIfThere,
} from "../repository/registers/numbered.js";
import type { ObjectStore } from "../storage/object-store.js";
import { AgeError, type AgeIdentity } from "./age.js";
import {
  type GroupIdentity,
  type GroupName,
  groupsField,
  identitiesIn,
  makeGroup,
  type OfGroups,
} from "./groups.js";
import { type Identity, isSignedBy, signatureBy } from "./identity.js";

/** A reader reads everything. A writer reads what it needs to go on with a log, and no document. */
export const roles = ["reader", "writer"] as const;
export type Role = (typeof roles)[number];

const key = fields({
  name: text,
  role: oneOf(roles),
  /** It is kept where no process of Thinkback runs. */
  offline: flag,
  recipient: text,
  /** The key that checks its signatures; absent if only its recipient is known: then it signs nothing. */
  verify: v.exactOptional(checksum),
});
export type Key = Of<typeof key>;

export const keySetKind = jsonKind("keys", {
  repository: text,
  number: ordinal,
  at: instant,
  keys: list(key),
  /** Keys that were removed. What they have signed counts still. */
  former: list(fields({ name: text, role: oneOf(roles), verify: checksum })),
  /** For whom objects are sealed. */
  groups: groupsField,
  signatures: list(fields({ by: checksum, signature: text })),
});
export type KeySet = Stored<typeof keySetKind>;

/**
 * A key set for these keys, signed by `signers`.
 * @param before the set before it, whose groups it goes on with: one of the signers MUST open them; the first has none
 */
export function makeKeySet(
  content: Pick<KeySet, "repository" | "number" | "at" | "keys" | "former">,
  signers: readonly Identity[],
  before?: KeySet,
): KeySet {
  const { repository, number, at, keys, former } = content;
  const opened = before && openGroups(before, signers);
  const groupOf = (name: GroupName) => {
    const members = membersOf(name, keys);
    if (!before) return makeGroup(members);
    const identities = opened?.[name];
    if (!identities)
      throw damaged(nameOf(before), `who signs the next one does not open its group ${name}`);
    return makeGroup(members, { members: membersOf(name, before.keys), identities });
  };
  const groups = { readers: groupOf("readers"), everybody: groupOf("everybody") };
  const unsigned = { repository, number, at, keys, former, groups };
  const message = messageOf(unsigned);
  const signatures = signers.map((signer) => ({
    by: signer.public.verify,
    signature: signatureBy(signer, message).toString("hex"),
  }));
  return { ...unsigned, signatures };
}

/** The recipients of the keys in a group. */
function membersOf(group: GroupName, keys: readonly Key[]): string[] {
  const members = keys.filter(({ role }) => group === "everybody" || role === "reader");
  return members.map(({ recipient }) => recipient);
}

/**
 * The identities of each group, the newest first; undefined for one that none of `own` opens.
 * @throws code "damaged", naming the set, if they are not what it says
 */
export function openGroups(
  set: KeySet,
  own: readonly AgeIdentity[],
): OfGroups<GroupIdentity[] | undefined> {
  const open = (name: GroupName) => {
    try {
      return identitiesIn(set.groups[name], own);
    } catch (error) {
      if (!(error instanceof AgeError)) throw error;
      throw damaged(nameOf(set), `the identities of its group ${name}: ${error.message}`, error);
    }
  };
  return { readers: open("readers"), everybody: open("everybody") };
}

/** True if the identity opens what the set has for a key of that role. */
export function opensAs(role: Role, set: KeySet, identity: AgeIdentity): boolean {
  try {
    const { readers, everybody } = openGroups(set, [identity]);
    return everybody !== undefined && (role === "writer" || readers !== undefined);
  } catch (error) {
    if (isDamage(error)) return false;
    throw error;
  }
}

const nameOf = ({ number }: Pick<KeySet, "number">) => numberedName(keysPrefix, number);

function messageOf(content: Omit<KeySet, "signatures">): Buffer {
  return Buffer.from(`thinkback keys 1\n${JSON.stringify(content)}`);
}

/**
 * The newest key set, if it counts for somebody who trusts the keys `trusted` (hexadecimal).
 * @throws code "damaged", naming the set, if it does not count
 */
export async function trustedKeySet(
  store: ObjectStore,
  repository: string,
  trusted: ReadonlySet<string>,
): Promise<KeySet> {
  const newest = await newestNumbered(store, keysPrefix, keySetKind);
  if (!newest) {
    throw new ThinkbackError("damaged", "the repository is sealed, but it has no key set", {
      hint: `put the objects below ${keysPrefix} back from a copy of the repository`,
    });
  }
  let before: KeySet | undefined;
  for (let number = 1; number <= newest.number; number += 1) {
    const set = number === newest.number ? newest : await readKeySet(store, number);
    checkFollows(set, before, repository, trusted);
    before = set;
  }
  return newest;
}

/** Throws, naming it, if the key set with this number is missing or damaged. Whether it counts is not checked. */
export function readKeySet(store: ObjectStore, number: number): Promise<KeySet> {
  return readNumbered(store, keysPrefix, number, keySetKind);
}

/** The key set in stored bytes. Throws, naming it, if they are not that of this number. */
export function decodeKeySet(bytes: Buffer, number: number): KeySet {
  return decodeNumbered(bytes, numberedName(keysPrefix, number), number, keySetKind);
}

/**
 * Throws, naming it, unless a key set counts.
 * @param before the set before it, which counts; undefined for the first, which a key of `trusted` has to have signed.
 * A set MUST be checked after all before it: else a reader that was removed, and is trusted still, could put another.
 */
export function checkFollows(
  set: KeySet,
  before: KeySet | undefined,
  repository: string,
  trusted: ReadonlySet<string>,
): void {
  const name = numberedName(keysPrefix, set.number);
  if (set.repository !== repository) throw damaged(name, "it is of another repository");
  if (!isSignedByOneOf(set, before ? readersOf(before) : trusted)) throw untrusted(set.number);
}

/**
 * The key set after one that counts; undefined if there is none. It takes one request.
 * @throws code "damaged", naming the set, if it does not count
 */
export async function nextKeySet(
  store: Pick<ObjectStore, "get">,
  before: KeySet,
): Promise<KeySet | undefined> {
  const next = await readNumberedIfThere(store, keysPrefix, before.number + 1, keySetKind);
  if (next) checkFollows(next, before, before.repository, new Set());
  return next;
}

const readersOf = ({ keys }: KeySet) =>
  new Set(keys.flatMap(({ role, verify }) => (role === "reader" && verify ? [verify] : [])));

/**
 * The keys whose signatures on objects count, present and former ones, each with the higher of its roles: a reader that
 * became a writer has signed as a reader.
 */
export function signersOf({ keys, former }: Pick<KeySet, "keys" | "former">): Map<string, Role> {
  const all = [...former, ...keys].sort(
    (a, b) => Number(a.role === "reader") - Number(b.role === "reader"),
  );
  return new Map(all.flatMap(({ verify, role }) => (verify ? [[verify, role]] : [])));
}

/** Tells whether a signature by a key on an object of that name counts under this key set. */
export function trustsOf(set: KeySet): (verify: string, name: string) => boolean {
  const signers = signersOf(set);
  return (verify, name) => {
    const role = signers.get(verify);
    return role !== undefined && mayWrite(role, name);
  };
}

/** What a writer writes, as the beginnings of names in a lane. Everything else only readers write. */
const ofWriters =
  /^(lanes\/\d+\/)?(writers|log|bases|alarms|members|handovers|holds|marks|audit|probes)\//;

/** True if a key of that role may write an object of that name. */
export const mayWrite = (role: Role, name: string): boolean =>
  role === "reader" || ofWriters.test(name);

function isSignedByOneOf(set: KeySet, trusted: ReadonlySet<string>): boolean {
  const { signatures, ...rest } = set as KeySet & Record<string, unknown>;
  const { thinkback: _, version: __, checksum: ___, ...content } = rest;
  const message = messageOf(content as unknown as Omit<KeySet, "signatures">);
  return signatures.some(
    ({ by, signature }) =>
      trusted.has(by) && isSignedBy(by, message, Buffer.from(signature, "hex")),
  );
}

function untrusted(number: number): UnusableObject {
  const what = "is not signed by a key that is trusted here";
  return new UnusableObject(
    "damaged",
    numberedName(keysPrefix, number),
    `it ${what}`,
    `key set ${number} of the repository ${what}`,
    {
      hint: "give the identity of a reader (--identity), or the verification keys to trust (--trust); if both were given, somebody without a key has changed the repository",
    },
  );
}

/** Puts the next key set. Returns false if another process was faster. */
export function putKeySet(store: ObjectStore, set: KeySet): Promise<boolean> {
  return putNumbered(store, keysPrefix, keySetKind, set);
}

/** Each key takes a few hundred bytes of each key set. */
const keysMax = 64;

/** Keys of a new set, checked. Throws, with code "usage", if nobody could read what is written for them. */
export function checkKeys(keys: readonly Key[]): void {
  const readers = keys.filter(({ role }) => role === "reader");
  const names = new Set(keys.map(({ name }) => name));
  const recipients = new Set(keys.map(({ recipient }) => recipient));
  const verifying = keys.flatMap(({ verify }) => verify ?? []);
  const wrong =
    (keys.length > keysMax && `there are more than ${keysMax} keys`) ||
    (new Set(verifying).size < verifying.length && "two keys have one verification key") ||
    (keys.some(({ role, verify }) => role === "writer" && verify === undefined) &&
      "of a writer only the recipient is known, so nothing that it writes could be checked") ||
    (readers.length === 0 && "there is no reader") ||
    (names.size < keys.length && "two keys have one name") ||
    (recipients.size < keys.length && "one key is given twice") ||
    (!readers.some(({ verify }) => verify) && "no reader can sign: of none is the identity known");
  if (!wrong) return;
  throw new ThinkbackError("usage", `this is no key set: ${wrong}`, {
    hint: "give at least one reader by its identity file, and each key once",
  });
}
