import type { Clock } from "../clock.js";
import { messageOf, ThinkbackError } from "../errors.js";
import type { RepositoryDescription } from "../format/description.js";
import { type CopyTrouble, FallbackStore } from "../storage/fallback-store.js";
import { failureOf, type ObjectStore } from "../storage/object-store.js";
import type { Patience } from "../storage/retrying-store.js";
import { storeAt } from "../storage/store-at.js";
import { describedIn, refuseParted } from "./same-repository.js";
import { storedCheck } from "./stored-check.js";

/** Where another copy can answer, one that is unavailable is not waited for. */
const ofSeveral: Patience = { patienceMs: 2000 };

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
 * @throws code "repository" if none can be opened, or two are not of the same repository and history
 */
export async function openCopies(
  stores: readonly ObjectStore[],
  clock: Clock,
  onTrouble: (trouble: CopyTrouble) => void,
): Promise<ObjectStore> {
  let failure: unknown;
  const leaveOut = (store: ObjectStore, error: unknown) => {
    if (!(error instanceof ThinkbackError)) throw error;
    failure ??= error;
    onTrouble({ location: store.location, object: undefined, what: messageOf(error) });
  };
  let opened: Opened[] = [];
  const outcomes = await Promise.allSettled(stores.map(describedIn));
  for (const [i, outcome] of outcomes.entries()) {
    const store = stores[i]!;
    if (outcome.status === "rejected") {
      leaveOut(store, outcome.reason);
      continue;
    }
    const next = { store, description: outcome.value };
    const [first] = opened;
    try {
      if (first) await refuseOther(first, next);
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
  const [first] = opened;
  if (!first) throw failure;
  const copies = opened.map(({ store }) => store);
  return new FallbackStore(copies, storedCheck(first.description), clock, onTrouble);
}

interface Opened {
  store: ObjectStore;
  description: RepositoryDescription;
}

async function refuseOther(first: Opened, next: Opened): Promise<void> {
  const [{ id }, { id: other }] = [first.description, next.description];
  if (other === id) {
    await refuseParted(first.store, next.store, storedCheck(first.description));
    return;
  }
  throw new ThinkbackError(
    "repository",
    `${next.store.location} holds another repository, ${other}; ${first.store.location} holds ${id}`,
    { hint: "give several copies of the same repository, or one" },
  );
}
