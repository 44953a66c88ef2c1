/**
 * Deletes at a copy what its source has deleted.
 *
 * Invariant: nothing is deleted that the source may have lost. So only what maintenance deletes is deleted; only while
 * the source is whole, which the caller has verified; and never at a target whose log goes on after that of the source.
 * Break it and a damaged source damages its copies.
 */
import { ThinkbackError } from "../errors.js";
import {
  bundlePrefix,
  expiryPrefix,
  type Place,
  parseFoldedName,
  parseManifestName,
} from "../format/names.js";
import { byPlaceInLog } from "../repository/log/places.js";
import { deleteAll, type ObjectStore, type StoredObject } from "../storage/object-store.js";
import { inLane, piecePlaces } from "./copy-order.js";

/**
 * What maintenance deletes, but for operations: nothing proves that a source has not lost one, and a copy may have the
 * last record of it. All else stays for ever, also at a copy.
 */
const deleted = ["log/", "folded/", "bases/", expiryPrefix, bundlePrefix];

const mayBeDeleted = (name: string) =>
  deleted.some((prefix) => inLane(name).own.startsWith(prefix));

/** The last place in the log of each lane, as the names of objects tell. */
export function headsIn(names: Iterable<string>): Map<number, Place> {
  const heads = new Map<number, Place>();
  for (const name of names) {
    const { lane, own } = inLane(name);
    const last = piecePlaces(own)?.last;
    const before = heads.get(lane);
    if (last && (!before || byPlaceInLog(before, last) < 0)) heads.set(lane, last);
  }
  return heads;
}

/**
 * What can be deleted at the target.
 * @param source as it was listed after the target
 * @throws code "repository" if the source has less of the log than the target, or nothing of it
 */
export function planMirror(
  source: ReadonlyMap<string, number>,
  target: ReadonlyMap<string, number>,
): StoredObject[] {
  const heads = headsIn(source.keys());
  for (const [lane, last] of headsIn(target.keys())) {
    const head = heads.get(lane);
    if (head && byPlaceInLog(head, last) >= 0) continue;
    const of = lane === 0 ? "" : ` of lane ${lane}`;
    throw new ThinkbackError(
      "repository",
      `nothing is deleted: the log${of} goes on at the target after its end at the source`,
      {
        hint: "is the source an older copy? Then copy the other way round; if the source has just been written, try again",
      },
    );
  }
  return [...target]
    .filter(([name]) => !source.has(name) && mayBeDeleted(name))
    .map(([name, size]) => ({ name, size }));
}

/** Deletes objects, all manifests before all others: none is ever there without its parts. */
export async function deleteMirrored(target: ObjectStore, objects: StoredObject[]): Promise<void> {
  const isManifest = (name: string) => {
    const { own } = inLane(name);
    return parseManifestName(own) !== undefined || parseFoldedName(own) !== undefined;
  };
  const names = objects.map(({ name }) => name);
  await deleteAll(target, names.filter(isManifest));
  await deleteAll(
    target,
    names.filter((name) => !isManifest(name)),
  );
}
