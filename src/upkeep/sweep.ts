/**
 * Deletes what nothing refers to any more. An object is deleted only if whatever replaced or expired it was published
 * at least a grace time ago, and every restore under way began after that publication. Of expiries and bundles, the
 * last few are kept.
 */

import type { Repository } from "../format/description.js";
import {
  expiryPrefix,
  foldedManifestName,
  isOperationEnd,
  parseFoldedName,
  parseHandoverName,
  parseManifestName,
  parseNumberedName,
  parseOperationName,
  parseSegmentName,
  type SegmentName,
} from "../format/names.js";
import type { Instant } from "../instant.js";
import { bundlesKept, listBundles } from "../repository/bundle.js";
import { contains, type LogView } from "../repository/log/log-view.js";
import type { FoldedPiece } from "../repository/log/pieces.js";
import { byPlaceInLog } from "../repository/log/places.js";
import { endedAudit } from "../repository/records/audit.js";
import { expiriesKept } from "../repository/registers/expiry.js";
import type { RepositoryView } from "../repository/repository-view.js";
import { deleteAll, type ObjectStore, type StoredObject } from "../storage/object-store.js";
import { type IsPast, Leftovers } from "./leftovers.js";
import { sweepBases } from "./sweep-bases.js";
import { sweepOperations } from "./sweep-operations.js";
import { sweepRecoveries } from "./sweep-recoveries.js";

export interface SweepOptions {
  now: Instant;
  /** The instant from which ages are counted back; see LogAge. */
  aged: Instant;
  /** How long an object must have been replaced or expired before it is deleted. */
  graceMs: number;
  /** When each live hold began. */
  holdsBegan: Instant[];
  /** Name of this process's own fold, if it has ended without publishing all that it wrote. */
  ended?: string | undefined;
}

/** At most how far the clocks of a restore and of the sweep may differ. */
const clockAllowanceMs = 5 * 60_000;

/** What can be deleted: each manifest before the objects that it refers to, so that none is ever there without them. */
export async function planSweep(
  look: RepositoryView,
  options: SweepOptions,
): Promise<StoredObject[]> {
  const { common, log: view, store } = look;
  const isPast = (at: Instant) =>
    at + options.graceMs <= options.now &&
    options.holdsBegan.every((began) => began > at + clockAllowanceMs);
  const cut = Math.max(
    -1,
    ...(view.expiry?.cuts ?? []).filter(({ at }) => isPast(at)).map(({ to }) => to),
  );
  const leftovers = new Leftovers(
    view,
    common,
    () => look.end(),
    isPast,
    options.now,
    options.ended,
  );
  return [
    ...(await sweepSegments(store, view, cut, isPast)),
    ...(await sweepFolded(store, view, cut, isPast, leftovers)),
    ...(await sweepBases(store, view, isPast, leftovers)),
    ...(await sweepExpiries(store, view)),
    ...(await sweepHandovers(store, view, isPast)),
    ...(await listBundles(store)).slice(0, -bundlesKept),
    // Operations, recoveries and the audit are common to all lanes.
    ...(look.lane === 0 ? await sweepOperations(common, options.aged, isPast) : []),
    ...(look.lane === 0 ? await sweepRecoveries(common, options.aged, isPast) : []),
    ...(look.lane === 0 ? await endedAudit(common, options.aged) : []),
  ];
}

/**
 * Deletes the planned objects. All manifests are deleted first: a deletion of many objects that is cut short may leave
 * any of them. The next plan finds what is left. What became of an operation is deleted before its manifest: without
 * that, it would seem that the manifest was lost.
 */
export async function sweep(
  { store }: Repository,
  objects: StoredObject[],
  signal?: Pick<AbortSignal, "throwIfAborted">,
): Promise<void> {
  const names = objects.map(({ name }) => name);
  const check = () => signal?.throwIfAborted();
  for (const turn of [0, 1, 2]) {
    const those = names.filter((name) => turnOf(name) === turn);
    await deleteAll(store, those, check);
  }
}

function turnOf(name: string): number {
  if (isOperationEnd(name)) return 0;
  const isManifest = [parseFoldedName, parseManifestName, parseOperationName].some(
    (parse) => parse(name) !== undefined,
  );
  return isManifest ? 1 : 2;
}

async function sweepExpiries(store: ObjectStore, { expiry }: LogView): Promise<StoredObject[]> {
  const swept: StoredObject[] = [];
  for await (const object of store.list(expiryPrefix)) {
    const number = parseNumberedName(expiryPrefix, object.name);
    if (number !== undefined && expiry && number <= expiry.number - expiriesKept) {
      swept.push(object);
    }
  }
  return swept;
}

/** Wishes and answers are of no use once the next epoch is claimed. */
async function sweepHandovers(
  store: ObjectStore,
  { claims }: LogView,
  isPast: IsPast,
): Promise<StoredObject[]> {
  const swept: StoredObject[] = [];
  for await (const object of store.list("handovers/")) {
    const handover = parseHandoverName(object.name);
    const next = claims.find(({ epoch }) => handover && epoch > handover.epoch);
    if (next && isPast(next.started)) swept.push(object);
  }
  return swept;
}

const isWhole = (piece: FoldedPiece) => piece.damage.size === 0;

function foldedPieces(view: LogView): FoldedPiece[] {
  return view.pieces.filter((piece) => piece.kind === "folded");
}

async function sweepSegments(
  store: ObjectStore,
  view: LogView,
  cut: Instant,
  isPast: IsPast,
): Promise<StoredObject[]> {
  const replacing = foldedPieces(view).filter(
    (piece) => isWhole(piece) && isPast(piece.manifest.published),
  );
  const believed = new Set(view.believed.segments.map(({ name }) => name));
  // The newest segment stays: the next writer continues it.
  const newest = view.believed.segments.at(-1)?.name;
  const swept: StoredObject[] = [];
  let at = 0;
  const isReplaced = (segment: SegmentName) => {
    while (at < replacing.length && byPlaceInLog(replacing[at]!.last, segment) < 0) at += 1;
    return at < replacing.length && contains(replacing[at]!, segment);
  };
  for await (const object of store.list("log/")) {
    const segment = parseSegmentName(object.name);
    if (!segment || segment.name === newest) continue;
    if (segment.to <= cut || (believed.has(segment.name) && isReplaced(segment)))
      swept.push(object);
  }
  return swept;
}

async function sweepFolded(
  store: ObjectStore,
  view: LogView,
  cut: Instant,
  isPast: IsPast,
  leftovers: Leftovers,
): Promise<StoredObject[]> {
  const byPrefix = new Map<string, StoredObject[]>();
  for await (const object of store.list("folded/")) {
    const prefix = object.name.slice(0, object.name.lastIndexOf("/") + 1);
    byPrefix.set(prefix, [...(byPrefix.get(prefix) ?? []), object]);
  }
  const used = new Set(view.pieces.map(({ name }) => name));
  const broken = new Set(view.damaged.map(({ name }) => name.name));
  const holes = view.holes();
  const swept: StoredObject[] = [];
  for (const [prefix, objects] of byPrefix) {
    const manifest = objects.find(({ name }) => parseFoldedName(name));
    if (!manifest) {
      // A fold was cut short and left them; or their manifest is lost, if the log has a hole at their time.
      // Then they stay: nothing else holds the same.
      const cutShort = parseFoldedName(foldedManifestName(prefix));
      const isLost = holes.some(
        ({ from, to }) => cutShort && from <= cutShort.to && to >= cutShort.from,
      );
      if (!isLost && !(await leftovers.mayBePublished(prefix))) swept.push(...objects);
      continue;
    }
    const parsed = parseFoldedName(manifest.name)!;
    const isReplaced =
      !used.has(parsed.name) &&
      !broken.has(parsed.name) &&
      foldedPieces(view).some(
        (piece) =>
          isWhole(piece) &&
          isPast(piece.manifest.published) &&
          contains(piece, parsed.first) &&
          contains(piece, parsed.last),
      );
    const expiredAt = view.expiry?.folded[parsed.name];
    const isExpired = expiredAt !== undefined && isPast(expiredAt);
    if (parsed.to > cut && !isReplaced && !isExpired) continue;
    swept.push(manifest, ...objects.filter((object) => object !== manifest));
  }
  return swept;
}
