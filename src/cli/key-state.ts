/** Keys of a sealed repository that are proven on a schedule, and those whose proof is overdue. */
import type { Repository } from "../format/description.js";
import type { Instant } from "../instant.js";
import type { Identity } from "../sealing/identity.js";
import { lastKeyProofs, proveKey } from "../sealing/key-proofs.js";
import { type Key, trustedKeySet } from "../sealing/key-set.js";
import { keysOfProcess, unseal } from "../sealing/keyring.js";
import { type KeysHead, keysHeadOf } from "../sealing/keys-head.js";

const dayMs = 86_400_000;
/** A reader that was not proven for so long is called overdue. */
export const proofDueMs = 90 * dayMs;
/** Maintenance proves the readers that it has so often. */
const proveEveryMs = 7 * dayMs;

export const isOverdue = ({ role }: Key, proven: Instant | undefined, now: Instant): boolean =>
  role === "reader" && (proven === undefined || now - proven > proofDueMs);

/** The key set of a sealed repository, and when each key was last proven; undefined if it is not sealed. */
async function keyState({ store, description: { id } }: Repository) {
  const below = store.sealing?.below;
  if (!below) return undefined;
  const [set, proofs] = await Promise.all([
    trustedKeySet(below, id, keysOfProcess().trusted),
    lastKeyProofs(below, id),
  ]);
  return { below, set, proofs };
}

/** Opens documents that are stored with one identity alone, if there are any. Throws if it cannot. */
export async function openDocuments(
  { store, description }: Repository,
  identity: Identity,
): Promise<void> {
  const { identities: _, ...trusting } = keysOfProcess();
  const alone = { ...trusting, identities: [identity] };
  const { store: opened } = await unseal(store.sealing!.below, description.id, alone);
  let newest: string | undefined;
  for await (const { name } of opened.list("bases/")) {
    if (/\/part-\d+\.zst$/.test(name)) newest = name;
  }
  if (newest !== undefined) await opened.get(newest, { start: 0, end: 1 });
}

/** Proves the readers at hand whose last proof is a week old. Returns their names. */
export async function proveReaders(repository: Repository, now: Instant): Promise<string[]> {
  const state = await keyState(repository);
  if (!state) return [];
  const proven: string[] = [];
  for (const identity of keysOfProcess().identities) {
    const { verify, recipient } = identity.public;
    const key = state.set.keys.find((one) => one.recipient === recipient);
    const last = state.proofs.get(verify);
    const isDue = last === undefined || now - last > proveEveryMs;
    if (key?.role !== "reader" || !isDue) continue;
    await openDocuments(repository, identity);
    await proveKey(state.below, state.set, identity, now);
    proven.push(key.name);
  }
  return proven;
}

/** What a status says of the keys. */
export interface KeysStatus {
  /** The readers whose last proof is overdue, each with the instant of it. */
  overdue: { name: string; lastProven: Instant | undefined }[];
  /** The newest key set; undefined if the repository is not sealed. */
  head: KeysHead | undefined;
}

export async function keysStatus(repository: Repository, now: Instant): Promise<KeysStatus> {
  const state = await keyState(repository);
  if (!state) return { overdue: [], head: undefined };
  const { below, set, proofs } = state;
  const overdue = set.keys.flatMap((key) => {
    const lastProven = key.verify === undefined ? undefined : proofs.get(key.verify);
    return isOverdue(key, lastProven, now) ? [{ name: key.name, lastProven }] : [];
  });
  return { overdue, head: await keysHeadOf(below, set.number) };
}
