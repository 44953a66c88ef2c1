/**
 * Finds out whether a place refuses to overwrite. Some servers accept the condition of a put and ignore it; others
 * check it, and then store what several callers have put at the same time.
 */
import { randomUUID } from "node:crypto";
import { failureOf, type ObjectStore, StoreUnsupported } from "./object-store.js";

type Probed = Pick<ObjectStore, "location" | "put" | "get" | "delete">;

/** The names of the objects of a probe begin with this. A probe that was cut off leaves some. */
export const probePrefix = "probe-";

/** How many puts of one name are made at once. */
const writers = 16;
/** How many names are put so. */
const rounds = 20;
/** In so many rounds at least somebody must win, or nothing is known. */
const decidedMin = 10;

/**
 * Throws StoreUnsupported if a put replaces an object, or if of several puts of one name at once more than one
 * succeeds. Makes some 400 requests, with objects of its own, and deletes them.
 */
export async function refuseOverwriting(store: Probed, signal?: AbortSignal): Promise<void> {
  const prefix = `${probePrefix}${randomUUID()}`;
  // One after another first: that costs less to find out.
  await withName(store, `${prefix}-0`, signal, (name) => refuseReplacing(store, name, signal));
  let decided = 0;
  for (let round = 1; round <= rounds; round += 1) {
    await withName(store, `${prefix}-${round}`, signal, async (name) => {
      const undecided = await refuseTwoWinners(store, name, signal);
      if (!undecided) decided += 1;
      else if (round - decided > rounds - decidedMin) throw undecided;
    });
  }
}

async function withName(
  store: Probed,
  name: string,
  signal: AbortSignal | undefined,
  work: (name: string) => Promise<void>,
): Promise<void> {
  signal?.throwIfAborted();
  try {
    await work(name);
  } finally {
    await store.delete(name, signal);
  }
}

async function refuseReplacing(store: Probed, name: string, signal?: AbortSignal): Promise<void> {
  await store.put(name, Buffer.from("first"), signal);
  try {
    await store.put(name, Buffer.from("second"), signal);
  } catch (error) {
    if (failureOf(error) === "exists") return;
    throw error;
  }
  throw overwrites(store, "a put replaces an object that is there");
}

/** The failure that left the race undecided; undefined if exactly one has won it. */
async function refuseTwoWinners(store: Probed, name: string, signal?: AbortSignal) {
  const puts = Array.from({ length: writers }, (_, i) => Buffer.from(`writer ${i}`));
  const outcomes = await Promise.allSettled(puts.map((bytes) => store.put(name, bytes, signal)));
  const won: Buffer[] = [];
  let undecided: unknown;
  for (const [i, outcome] of outcomes.entries()) {
    if (outcome.status === "fulfilled") won.push(puts[i]!);
    else if (failureOf(outcome.reason) === "unavailable") undecided = outcome.reason;
    else if (failureOf(outcome.reason) !== "exists") throw outcome.reason;
  }
  const [winner] = won;
  if (!winner) return undecided;
  if (won.length > 1) {
    throw overwrites(store, `${won.length} of ${writers} puts of one name at once succeed`);
  }
  // Who is told that it lost may still have replaced what the winner has put.
  if (!(await store.get(name, undefined, signal)).equals(winner)) {
    throw overwrites(store, "a put that is refused replaces an object");
  }
  return undefined;
}

function overwrites(store: Probed, what: string): StoreUnsupported {
  return new StoreUnsupported(
    `${store.location} cannot hold a repository: ${what}`,
    "use a store that creates an object only if there is none, see docs/stores.md: without that, two captures would overwrite each other's objects",
  );
}
