/**
 * Renews the locks of what the repository keeps. A store locks an object when it is put, for a time; and a base is made
 * of parts that were put long before it. Without this, what is still needed would be deletable again.
 */
import { commonStore, type Repository } from "../format/description.js";
import { keysPrefix, parseManifestName, repositoryName } from "../format/names.js";
import { formatInstant, type Instant } from "../instant.js";
import { declareLocked, readSettings } from "../repository/registers/settings.js";
import type { RepositoryView } from "../repository/repository-view.js";
import { severalAtOnce } from "../several-at-once.js";
import { failureOf, type ObjectStore } from "../storage/object-store.js";

/** Locks are looked at so often while one lasts, and renewed to last for all but one of these parts. */
const looksPerLock = 4;
const atOnce = 16;

/** Small objects that stay, by the beginnings of their names. */
const small = [
  "writers/",
  "settings/",
  "pins/",
  "expiries/",
  "evidence/",
  "acknowledged/",
  "drills/",
  "verifications/",
  "marks/",
  "operations/",
  "tokens/",
  "audit/",
];

/**
 * Locks everything that is kept for as long as a new object is locked, if it is time to. Returns how many objects were
 * looked at; 0 if the store locks nothing, or it is too early.
 * @param signal checked before each request
 */
export async function renewLocks(
  repository: Repository,
  view: RepositoryView,
  now: Instant,
  signal: Pick<AbortSignal, "throwIfAborted">,
): Promise<number> {
  const { store } = repository;
  const { lockMs } = store;
  if (!store.extendLock || lockMs === undefined) return 0;
  const common = commonStore(repository);
  const lane = repository.lane?.number ?? 0;
  const { locked = {} } = await readSettings(common);
  if (now - (locked[lane] ?? repository.description.created) < lockMs / looksPerLock) return 0;
  const names = await keptNames(store, view);
  await lockAll(store, names, now, signal);
  await declareLocked(common, lane, now);
  return names.size;
}

/** Locks objects for as long as a new one is locked, but for those whose lock lasts for most of that anyway. */
export async function lockAll(
  store: ObjectStore,
  names: Iterable<string>,
  now: Instant,
  signal?: Pick<AbortSignal, "throwIfAborted">,
): Promise<void> {
  const { lockMs } = store;
  if (!store.extendLock || lockMs === undefined) return;
  const until = now + (lockMs * (looksPerLock - 1)) / looksPerLock;
  const renewing = severalAtOnce(names, atOnce, async (name) => {
    signal?.throwIfAborted();
    await store.extendLock!(name, until).catch(unlessGone);
  });
  for await (const _ of renewing) signal?.throwIfAborted();
}

/** What there is to say if nobody renews the locks of a repository; undefined if there is nothing. */
export async function locksText(repository: Repository, now: Instant): Promise<string | undefined> {
  const { lockMs } = repository.store;
  const { locked } = await readSettings(commonStore(repository));
  const lane = repository.lane?.number ?? 0;
  if (lockMs === undefined) {
    if (locked === undefined) return undefined;
    return "the objects of this repository are locked, but its location is given without lock=, so no lock is renewed here: what is needed can be deleted when its lock ends";
  }
  const last = locked?.[lane];
  // Renewed by the first maintenance after a quarter of their time.
  if (now - (last ?? repository.description.created) < (2 * lockMs) / looksPerLock)
    return undefined;
  const since =
    last === undefined ? "were never renewed" : `were renewed last at ${formatInstant(last)}`;
  return `THE LOCKS ${since}: what is needed can be deleted when its lock ends. Give \`thinkback maintain\` the location with lock= too`;
}

/** What was deleted since it was listed needs no lock. */
function unlessGone(error: unknown): void {
  if (failureOf(error) !== "missing") throw error;
}

/** The names of all objects that are kept: neither expired, nor replaced by others. */
async function keptNames(store: ObjectStore, view: RepositoryView): Promise<Set<string>> {
  const names = new Set([repositoryName]);
  for (const piece of view.log.pieces) {
    names.add(piece.name);
    if (piece.kind === "segment") continue;
    const { tables, catalog, coverage } = piece.manifest;
    for (const part of [...tables.flatMap(({ parts }) => parts), catalog, coverage]) {
      if (part) names.add(part.name);
    }
  }
  const expired = view.log.expiry?.bases ?? {};
  for await (const { name } of store.list("bases/")) {
    if (parseManifestName(name) && !Object.hasOwn(expired, name)) names.add(name);
  }
  for (const manifests of (await view.bases()).usable.values()) {
    for (const { name, keys } of manifests.flatMap(({ parts }) => parts)) {
      names.add(name).add(keys.name);
    }
  }
  for (const prefix of small) for await (const { name } of store.list(prefix)) names.add(name);
  // The key sets are seen below the sealing.
  const below = store.sealing?.below;
  if (below) for await (const { name } of below.list(keysPrefix)) names.add(name);
  return names;
}
