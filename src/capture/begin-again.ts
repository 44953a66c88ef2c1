/**
 * Lets a capture whose log was lost begin again in the same process. It goes on behind what is there, as soon as the
 * repository is at rest. An older copy may still be on its way into its place; an epoch claim that came too soon would
 * shut out the rest of that copy.
 */
import { createHash } from "node:crypto";
import type { Clock } from "../clock.js";
import { isFenced } from "../errors.js";
import type { Repository } from "../format/description.js";
import { expiryPrefix } from "../format/names.js";
import type { ObjectStore } from "../storage/object-store.js";

/** How long nothing may have come or gone for the repository to be at rest. */
const restMs = 15_000;
/** After so many looks that found changes, the observer is told what is waited for. */
const looksMax = 4;
const retryFirstMs = 5000;
const retryLastMs = 60_000;

export interface BeginAgain<C> {
  /** Opens the repository anew; rejects while there is none, or another one. */
  open: () => Promise<Repository>;
  begin: (repository: Repository) => Promise<C>;
  /** Called with the reason why it cannot begin yet. */
  waits: (error: Error) => void;
}

/** Resolves with what `begin` gives, as soon as it can. Rejects if the signal aborts, or with the code "fenced". */
export async function beginAgain<C>(
  { open, begin, waits }: BeginAgain<C>,
  clock: Clock,
  signal: AbortSignal,
): Promise<C> {
  for (let pauseMs = retryFirstMs; ; pauseMs = Math.min(2 * pauseMs, retryLastMs)) {
    try {
      const repository = await open();
      await untilAtRest(repository.store, clock, signal);
      return await begin(repository);
    } catch (error) {
      signal.throwIfAborted();
      if (isFenced(error)) throw error;
      waits(error as Error);
    }
    await clock.sleep(pauseMs, signal);
  }
}

/** Resolves when no object that an epoch claim depends on has come or gone for a while; rejects if they still do. */
async function untilAtRest(store: ObjectStore, clock: Clock, signal: AbortSignal): Promise<void> {
  let before = await contentOf(store);
  for (let looks = 0; looks < looksMax; looks += 1) {
    await clock.sleep(restMs, signal);
    const now = await contentOf(store);
    if (now === before) return;
    before = now;
  }
  throw new Error(`objects still come or go at ${store.location}`);
}

/** A digest that changes with every object of the log and of bases that comes, goes or grows. */
async function contentOf(store: ObjectStore): Promise<string> {
  const hash = createHash("sha256");
  for (const prefix of ["writers/", "log/", "folded/", expiryPrefix, "bases/"]) {
    for await (const { name, size } of store.list(prefix)) hash.update(`${name} ${size}\n`);
  }
  return hash.digest("hex");
}
