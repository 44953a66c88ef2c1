/** Epoch claims as they are stored, and which segments they disown. claim-epoch.ts makes one. docs/format.md §5.3. */
import * as v from "valibot";
import { damaged, isDamage } from "../../errors.js";
import {
  count,
  flag,
  instant,
  list,
  objectName,
  ordinal,
  reference,
  text,
} from "../../format/fields.js";
import { jsonKind, readStored, type Stored } from "../../format/json-object.js";
import { type Place, parseSegmentName, parseWriterName, writerName } from "../../format/names.js";
import type { Instant } from "../../instant.js";
import { readsAtOnce, severalAtOnce } from "../../several-at-once.js";
import type { ObjectStore } from "../../storage/object-store.js";
import { byPlaceInLog } from "./places.js";

/** The greatest epoch that a writer has claimed; 0 if none has. */
export async function latestEpoch(store: ObjectStore): Promise<number> {
  let latest = 0;
  for await (const { name } of store.list("writers/")) {
    latest = Math.max(latest, parseWriterName(name) ?? 0);
  }
  return latest;
}

/** The content of writers/<epoch>.json: which process claimed the epoch, and the end of the log that it continues. */
export const claimKind = jsonKind("writer", {
  epoch: ordinal,
  started: instant,
  /** Name of the machine, and the number of the process on it. */
  host: text,
  process: count,
  /** Within which that number tells processes apart. */
  space: text,
  /** Tells this claim from every other, so a writer recognises its own claim if the answer to its put was lost. */
  unique: text,
  /** The process's name among the members, see members.ts; absent for one that shares no lanes. */
  member: v.exactOptional(text),
  previous: v.nullable(reference),
  /**
   * Patterns of the tables that the writer was told to capture, and of those it was told not to. Absent if none was
   * given.
   */
  include: v.exactOptional(list(text)),
  exclude: v.exactOptional(list(text)),
  /** The writer's longest tick, in ms. It tells how long a writer that runs may be silent. */
  tickMs: v.exactOptional(count),
  /** How often the writer puts a segment when nothing changes, in ms; every ten seconds if absent. */
  idleMs: v.exactOptional(count),
  /** Set if the store may not refuse a second object under a name: the operator vouches that nobody else writes. */
  singleWriter: v.exactOptional(flag),
  /** Earlier epochs whose claims do not count, because they came too late and nothing was written in them. */
  withdraws: v.exactOptional(list(ordinal)),
  /**
   * Earlier epochs whose claims do not count, because the key that has signed them is not believed any more. They need
   * not be readable. Set by a reader, in a claim that ends the log before them; nobody writes in its epoch.
   */
  distrusts: v.exactOptional(list(ordinal)),
  /** Set if the end of the log was lost and the epoch continues from before it: the segment that was found missing. */
  lost: v.exactOptional(objectName),
});

export type EpochClaim = Stored<typeof claimKind>;

/** The `unique` of a claim that was lost and is rebuilt. */
export const rebuiltUnique = "repaired";

/**
 * All claims, by epoch from 1 on. None may be missing: the segments that it disowns would be believed again. One that
 * is distrusted, and cannot be read for that, is in the list as one that says nothing.
 */
export async function listClaims(store: ObjectStore): Promise<EpochClaim[]> {
  const claims: EpochClaim[] = [];
  await addClaimsUpTo(store, await latestEpoch(store), claims);
  return claims;
}

/** Adds the claims that a listing did not show, up to that of `epoch`. Throws, naming it, if one is missing. */
export async function addClaimsUpTo(
  store: ObjectStore,
  epoch: number,
  claims: EpochClaim[],
): Promise<void> {
  const names = writerNames(claims.length + 1, epoch);
  const unread = new Map<number, unknown>();
  const reading = severalAtOnce(names, readsAtOnce, async (name) => {
    try {
      return await readClaim(store, name);
    } catch (error) {
      if (!isDamage(error)) throw error;
      const silent = distrustedClaim(parseWriterName(name)!);
      unread.set(silent.epoch, error);
      return silent;
    }
  });
  for await (const claim of reading) claims.push(claim);
  for (const [number, error] of unread) if (!isDistrusted(number, claims)) throw error;
}

/** What stands for a claim that is distrusted: it says nothing. */
export function distrustedClaim(epoch: number): EpochClaim {
  const of = { host: "unknown", process: 0, space: "unknown", unique: "distrusted" };
  return { epoch, started: 0, ...of, previous: null };
}

/** True if a later claim says that the key which has signed that of `epoch` is not believed any more. */
export function isDistrusted(epoch: number, claims: readonly EpochClaim[]): boolean {
  return claims.some((claim) => claim.epoch > epoch && claim.distrusts?.includes(epoch));
}

function* writerNames(first: number, last: number): Generator<string> {
  for (let epoch = first; epoch <= last; epoch += 1) yield writerName(epoch);
}

export async function readClaim(store: ObjectStore, name: string): Promise<EpochClaim> {
  const claim = await readStored(store, name, claimKind);
  if (claim.epoch === parseWriterName(name)) return claim;
  throw damaged(name, "its name and its content differ");
}

/** True if a later claim does not continue this segment. Then neither it nor a folded one that ends with it counts. */
export function isDisowned(segment: Place, claims: EpochClaim[]): boolean {
  return claims.some(({ epoch, previous }) => {
    if (epoch <= segment.epoch) return false;
    const last = previous && parseSegmentName(previous.name);
    return (!last || byPlaceInLog(segment, last) > 0) && !isWithdrawn(epoch, claims);
  });
}

/** True if another claim withdraws that of `epoch`, which then does not count. */
function isWithdrawn(epoch: number, claims: EpochClaim[]): boolean {
  const isNamed = ({ withdraws }: EpochClaim) => withdraws?.includes(epoch);
  return claims.some(isNamed) || isDistrusted(epoch, claims);
}

/** True if a segment counts, as far as its name tells. */
export function isBelieved(segment: Place, claims: EpochClaim[]): boolean {
  return !isDisowned(segment, claims) && !isDistrusted(segment.epoch, claims);
}

/** True if a later claim does not continue the log of `epoch` up to `instant`. */
export function isDisownedInstant(epoch: number, instant: Instant, claims: EpochClaim[]): boolean {
  return claims.some((claim) => {
    if (claim.epoch <= epoch) return false;
    const last = claim.previous && parseSegmentName(claim.previous.name);
    const isShort = !last || last.epoch < epoch || (last.epoch === epoch && last.to < instant);
    return isShort && !isWithdrawn(claim.epoch, claims);
  });
}
