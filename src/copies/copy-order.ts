/**
 * The order in which a copy puts objects, and what a listing has to show first.
 *
 * Invariant: what an object refers to is at the target before the object is. So the target is a valid repository after
 * each put: an older state of the source. Break it and a reader of the target meets damage where there is none.
 *
 * A listing is no snapshot: a manifest may be listed whose parts were put after their place in the listing had passed.
 * But what it refers to was put before it, so a listing that begins later shows it. So parts are copied when a listing
 * shows them, manifests of bases when an earlier listing has shown them too, and the log, which refers to bases, when
 * two earlier listings have.
 */
import {
  bundlePrefix,
  expiryPrefix,
  keysPrefix,
  lanePrefix,
  lanesPrefix,
  numberedName,
  type Place,
  parseFoldedName,
  parseLaneName,
  parseManifestName,
  parseNumberedName,
  parseOperationName,
  parseSegmentName,
  parseWriterName,
  repositoryName,
  settingsPrefix,
} from "../format/names.js";
import { byPlaceInLog } from "../repository/log/places.js";
import type { StoredObject } from "../storage/object-store.js";

/**
 * What processes that work on a repository tell each other. It is of no use in a copy, and is not copied. A recovery
 * that was requested of the repository MUST NOT be carried out of a copy of it once more.
 */
const signals = /^(?:alarms|leases|members|holds|handovers|recoveries)\//;

export const isSignal = (name: string) => signals.test(inLane(name).own);

/** True for objects that are the same in all copies of one history: two that differ never belong into one place. */
export function isDecisive(name: string): boolean {
  const { own } = inLane(name);
  return (
    own === repositoryName || name.startsWith(keysPrefix) || parseWriterName(own) !== undefined
  );
}

/** True for what says how to read what is put after it, and is put by other processes than those that capture. */
export function saysHowToRead(name: string): boolean {
  const { lane, own } = inLane(name);
  if (lane > 0) return own === repositoryName;
  return name.startsWith(keysPrefix) || name.startsWith(settingsPrefix);
}

/** What has to be there before what says how to read: up to the first that was never put. */
export function* namesBefore(name: string): Generator<string> {
  const number = parseNumberedName(keysPrefix, name) ?? 1;
  if (number > 1) yield numberedName(keysPrefix, number - 1);
  if (!name.startsWith(settingsPrefix)) return;
  // The settings tell of lanes, which are made one after another.
  for (let lane = 1; ; lane += 1) yield `${lanePrefix(lane)}${repositoryName}`;
}

/** The lane that an object is of, and its name in that lane. */
export function inLane(name: string): { lane: number; own: string } {
  const lane = parseLaneName(name);
  if (lane === undefined) return { lane: 0, own: name };
  return { lane, own: name.slice(name.indexOf("/", lanesPrefix.length) + 1) };
}

/** In how many listings an object must have been seen before it is copied. */
export function listingsNeeded(name: string): 1 | 2 | 3 {
  const { own } = inLane(name);
  if (isManifest(own)) return 2;
  return isOfLog(own) || isOfState(own) ? 3 : 1;
}

/** Of what has parts that stand outside the log; settings tell of lanes, whose descriptions are put before them. */
const isManifest = (own: string) =>
  parseManifestName(own) !== undefined ||
  parseOperationName(own) !== undefined ||
  own.startsWith(settingsPrefix);

const isOfLog = (own: string) =>
  parseWriterName(own) !== undefined || piecePlaces(own) !== undefined;

/** Of what says how to read the rest. */
const isOfState = (own: string) => own.startsWith(expiryPrefix) || own.startsWith(bundlePrefix);

export interface OrderedObjects {
  /** One after another, before all others. */
  first: StoredObject[];
  /** Parts, and what nothing refers to. */
  referred: StoredObject[];
  manifests: StoredObject[];
  lanes: OrderedLane[];
}

/** Of one lane: one after another, and `state` after all of the log. */
export interface OrderedLane {
  log: StoredObject[];
  state: StoredObject[];
}

/** Puts objects in the order in which they are copied. */
export function ordered(objects: Iterable<StoredObject>): OrderedObjects {
  const first: StoredObject[] = [];
  const referred: StoredObject[] = [];
  const manifests: StoredObject[] = [];
  const lanes = new Map<number, OrderedLane>();
  for (const object of objects) {
    const { lane, own } = inLane(object.name);
    if (object.name === repositoryName) first.unshift(object);
    else if (own === repositoryName || object.name.startsWith(keysPrefix)) first.push(object);
    else if (isManifest(own)) manifests.push(object);
    else if (isOfLog(own) || isOfState(own)) {
      const of = lanes.get(lane) ?? { log: [], state: [] };
      lanes.set(lane, of);
      (isOfLog(own) ? of.log : of.state).push(object);
    } else referred.push(object);
  }
  for (const of of lanes.values()) {
    of.log = inLogOrder(of.log);
    // A bundle repeats the last expiry.
    of.state.sort((a, b) => stateRank(a.name) - stateRank(b.name) || (a.name < b.name ? -1 : 1));
  }
  return { first, referred, manifests, lanes: [...lanes.values()] };
}

const stateRank = (name: string) => (inLane(name).own.startsWith(expiryPrefix) ? 0 : 1);

/**
 * Claims first: without the claim that shuts them out, segments would be believed that do not count, and a reader stops
 * at a log without a claim of its epochs. Then segments and folded segments, by the places where they begin.
 */
function inLogOrder(objects: StoredObject[]): StoredObject[] {
  const claims: StoredObject[] = [];
  const pieces: { object: StoredObject; first: Place; last: Place }[] = [];
  for (const object of objects) {
    const { own } = inLane(object.name);
    const piece = piecePlaces(own);
    if (piece) pieces.push({ object, ...piece });
    else claims.push(object);
  }
  claims.sort((a, b) => (a.name < b.name ? -1 : 1));
  // Of two, the one that reaches farther comes first: what follows continues it.
  pieces.sort((a, b) => byPlaceInLog(a.first, b.first) || byPlaceInLog(b.last, a.last));
  return [...claims, ...pieces.map(({ object }) => object)];
}

/** The first and the last place of the log that a segment or a folded segment stands for; undefined for other names. */
export function piecePlaces(own: string): { first: Place; last: Place } | undefined {
  const segment = parseSegmentName(own);
  return segment ? { first: segment, last: segment } : parseFoldedName(own);
}
