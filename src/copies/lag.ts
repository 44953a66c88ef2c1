import { parseFoldedName, parseSegmentName, repositoryName } from "../format/names.js";
import type { Instant } from "../instant.js";
import type { ObjectStore } from "../storage/object-store.js";
import { type Amount, listed } from "./copy.js";
import { inLane } from "./copy-order.js";

/** How far one copy is behind all of them together, as the names of objects tell. */
export interface Lag {
  /**
   * How much of what the first one has it lacks; undefined if the first one is away. What it still has of what
   * was folded since does not count.
   */
  missing: Amount | undefined;
  /** What it has stored. */
  stored: Amount;
  /** The end of its log, in the lane that is farthest behind; undefined if nothing was captured. */
  logTo: Instant | undefined;
  /**
   * By how much its log ends before that of the copy that has most, in ms: in the lane that is farthest behind.
   * Undefined if the first one is away, which may have more than all others.
   */
  behindMs: number | undefined;
}

/** The lag of each copy, or why it cannot be told. */
export async function lagsOf(copies: readonly ObjectStore[]): Promise<(Lag | Error)[]> {
  const listings = await Promise.all(
    copies.map((copy) => listed(copy).catch((error: unknown) => error as Error)),
  );
  const known = listings.flatMap((one) => (one instanceof Error ? [] : [one]));
  const newest = new Map<number, Instant>();
  for (const names of known) {
    for (const [lane, to] of logEnds(names.keys())) {
      newest.set(lane, Math.max(to, newest.get(lane) ?? 0));
    }
  }
  const [given] = listings;
  // A disk that is not mounted may be listed, and has nothing.
  const first = given instanceof Map && given.has(repositoryName) ? given : undefined;
  return listings.map((of) => (of instanceof Error ? of : lagOf(of, first, newest)));
}

function lagOf(
  of: ReadonlyMap<string, number>,
  first: ReadonlyMap<string, number> | undefined,
  newest: ReadonlyMap<number, Instant>,
): Lag {
  const missing: Amount = { objects: 0, bytes: 0 };
  for (const [name, size] of first ?? []) {
    if (of.has(name)) continue;
    missing.objects += 1;
    missing.bytes += size;
  }
  const ends = logEnds(of.keys());
  let behindMs = 0;
  let logTo: Instant | undefined;
  for (const [lane, to] of newest) {
    const end = ends.get(lane);
    // What was never copied is behind by all of its time.
    const behind = to - (end ?? 0);
    if (logTo !== undefined && behind < behindMs) continue;
    behindMs = behind;
    logTo = end;
  }
  const bytes = [...of.values()].reduce((sum, size) => sum + size, 0);
  const stored = { objects: of.size, bytes };
  return first
    ? { missing, stored, logTo, behindMs }
    : { missing: undefined, stored, logTo, behindMs: undefined };
}

/** The end of the log of each lane. */
export function logEnds(names: Iterable<string>): Map<number, Instant> {
  const ends = new Map<number, Instant>();
  for (const name of names) {
    const { lane, own } = inLane(name);
    const to = (parseSegmentName(own) ?? parseFoldedName(own))?.to;
    if (to !== undefined) ends.set(lane, Math.max(to, ends.get(lane) ?? 0));
  }
  return ends;
}
