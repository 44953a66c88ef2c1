/** The store of a repository to which a capture writes: tried when the capture begins. */
import { systemClock } from "../clock.js";
import type { Repository } from "../format/description.js";
import { repositoryName } from "../format/names.js";
import { listClaims, refuseImported } from "../repository/log/claims.js";
import { openOrCreateRepository } from "../repository/repository.js";
import { keysOfProcess } from "../sealing/keyring.js";
import type { ObjectStore } from "../storage/object-store.js";
import { probeAtStart, refuseUnconditional } from "../storage/probe.js";
import { impatient, patienceDefault } from "../storage/retrying-store.js";
import { storeAt } from "../storage/store-at.js";
import type { RequestListener, StoreUse } from "../storage/store-use.js";
import type { Log } from "./log.js";

export interface TriedArguments {
  repo: string;
  singleWriter?: boolean;
}

/** Makes a new store at the place of the repository. It counts in `use`, and tells of each request. */
export function storeOf(
  { repo, singleWriter = false }: TriedArguments,
  use: StoreUse,
  onRequest?: RequestListener,
): ObjectStore {
  return storeAt(repo, impatient, { use, onRequest, singleWriter });
}

/**
 * Opens or makes the repository, after its store was tried: it has to refuse a second object under a taken name, also
 * when many create it at once. Throws if it does not, unless the operator vouches for being the only writer.
 * @param openStore makes the store that the repository is opened in
 */
export async function openTried(
  args: TriedArguments,
  use: StoreUse,
  log: Log,
  openStore = () => storeOf(args, use),
): Promise<Repository> {
  await tryStore(args, use, log);
  const toProbe = () =>
    storeAt(args.repo, patienceDefault, { use, singleWriter: args.singleWriter === true });
  const now = systemClock.now();
  const repository = await openOrCreateRepository(openStore(), now, keysOfProcess(), toProbe);
  const claims = await listClaims(repository.store);
  refuseImported(repository.store, claims);
  const last = claims.at(-1);
  if (last?.singleWriter && !args.singleWriter) {
    const { host, process } = last;
    log.warn(
      { host, process },
      "the last capture was the only writer of this repository by its operator's word; make sure that it has ended",
    );
  }
  return repository;
}

async function tryStore(args: TriedArguments, use: StoreUse, log: Log): Promise<void> {
  // Without the layer of a single writer, which would answer in the place of the store.
  // It may put off callers that race, so they ask again; but a store that is away is told at once.
  await storeAt(args.repo, impatient, { use }).size(repositoryName);
  const another = () => storeAt(args.repo, patienceDefault, { use });
  const found = await probeAtStart(another, systemClock);
  if (!found) log.warn("the store is full, so what it can do was not tried");
  else if (!args.singleWriter) refuseUnconditional(another().location, found);
  else if (found.isConditional) {
    log.warn(
      "--single-writer is not needed: this store refuses a second object under a taken name",
    );
  } else {
    log.warn(
      { checks: found.checks.filter(({ outcome }) => outcome === "failed") },
      "one writer, by your word: nothing keeps a second process from destroying what this one stores",
    );
  }
}
