import type { Clock } from "../clock.js";
import { messageOf, ThinkbackError } from "../errors.js";
import type { RepositoryDescription } from "../format/description.js";
import { type Keyring, keysOfProcess } from "../sealing/keyring.js";
import { type CopyTrouble, FallbackStore } from "../storage/fallback-store.js";
import { failureOf, type ObjectStore } from "../storage/object-store.js";
import type { Patience } from "../storage/retrying-store.js";
import { storeAt } from "../storage/store-at.js";
import { describedIn, refuseParted } from "./same-repository.js";
import type { StoredCheck } from "./stored-check.js";
import { trustedCheck } from "./trusted-check.js";

/** Where another copy can answer, one that is unavailable is not waited for. */
const ofSeveral: Patience = { patienceMs: 2000, answerMs: 10_000 };

/** The store of a repository to read, at one place, or at several where copies of it are; see openCopies. */
export async function storeOfCopies(
  locations: readonly string[],
  clock: Clock,
  onTrouble: (trouble: CopyTrouble) => void,
): Promise<ObjectStore> {
  const [only, ...others] = locations;
  if (others.length === 0) return storeAt(only!);
  const stores = locations.map((location) => storeAt(location, ofSeveral));
  return openCopies(stores, clock, onTrouble);
}

/**
 * The copies of one repository as one store. Those that cannot be opened are left out.
 * @param keyring of a sealed repository: what its keys do not believe in one copy is read from another one
 * @throws code "repository" if none can be opened, or two are not of the same repository and history
 */
export async function openCopies(
  stores: readonly ObjectStore[],
  clock: Clock,
  onTrouble: (trouble: CopyTrouble) => void,
  keyring = keysOfProcess(),
): Promise<ObjectStore> {
  let failure: unknown;
  const leaveOut = (store: ObjectStore, error: unknown) => {
    if (!(error instanceof ThinkbackError)) throw error;
    failure ??= error;
    onTrouble({ location: store.location, object: undefined, what: messageOf(error) });
  };
  const described: Opened[] = [];
  const outcomes = await Promise.allSettled(stores.map(describedIn));
  for (const [i, outcome] of outcomes.entries()) {
    if (outcome.status === "rejected") leaveOut(stores[i]!, outcome.reason);
    else described.push({ store: stores[i]!, description: outcome.value });
  }
  const candidates = withoutUnsealed(described, keyring, leaveOut);
  if (candidates.length === 0) throw failure;
  const check = await trustedCheck(
    candidates[0]!.description,
    candidates.map(({ store }) => store),
    keyring.trusted,
  );
  let opened: Opened[] = [];
  for (const next of candidates) {
    const { store } = next;
    const [first] = opened;
    try {
      if (first) await refuseOther(first, next, check);
      opened.push(next);
    } catch (error) {
      if (failureOf(error) === undefined) throw error;
      // One of the two fails; the one that answers is kept.
      const isThere = await describedIn(first!.store).then(
        () => true,
        () => false,
      );
      leaveOut(isThere ? store : first!.store, error);
      if (!isThere) opened = [next];
    }
  }
  const copies = opened.map(({ store }) => store);
  return new FallbackStore(copies, check, clock, onTrouble);
}

interface Opened {
  store: ObjectStore;
  description: RepositoryDescription;
}

/** Without the copies that say that they are not sealed, if another one is and keys are given: they were exchanged. */
function withoutUnsealed(
  described: Opened[],
  { identities }: Keyring,
  leaveOut: (store: ObjectStore, error: unknown) => void,
): Opened[] {
  const sealed = described.filter(({ description }) => description.sealed);
  if (sealed.length === 0 || identities.length === 0) return described;
  for (const { store, description } of described) {
    if (description.sealed) continue;
    const message = "it says that it is not sealed, and another copy is";
    leaveOut(store, new ThinkbackError("repository", message));
  }
  return sealed;
}

async function refuseOther(first: Opened, next: Opened, check: StoredCheck): Promise<void> {
  const [{ id }, { id: other }] = [first.description, next.description];
  if (other === id) {
    await refuseParted(first.store, next.store, check);
    return;
  }
  throw new ThinkbackError(
    "repository",
    `${next.store.location} holds another repository, ${other}; ${first.store.location} holds ${id}`,
    { hint: "give several copies of the same repository, or one" },
  );
}
