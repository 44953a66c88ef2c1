/**
 * Deleting what nothing refers to any more. Whatever goes was replaced, or let go, by something published at least a
 * grace time ago; and nobody who began to read before that still reads.
 */
import type { Instant } from "../instant.js";
import { readManifest } from "../repository/base.js";
import { byPlaceInLog, listClaims } from "../repository/log.js";
import { type FoldedPiece, holds, LogView } from "../repository/log-view.js";
import {
  foldedManifestName,
  parseBasePrefix,
  parseFoldedName,
  parseManifestName,
  parseSegmentName,
  type SegmentName,
} from "../repository/names.js";
import type { Repository } from "../repository/repository.js";
import type { ObjectStore, StoredObject } from "../storage/object-store.js";

export interface SweepOptions {
  now: Instant;
  /** How long something must have been replaced before it goes. */
  graceMs: number;
  /** When those who read at the moment began. */
  readersBegan: Instant[];
}

/** How far the clocks of a reader and of the one who sweeps may differ. */
const clockAllowanceMs = 5 * 60_000;

/** What can go: manifests before what they refer to, so that nothing is ever there in part. */
export async function planSweep(
  { store }: Repository,
  options: SweepOptions,
): Promise<StoredObject[]> {
  const view = await LogView.read(store);
  const isPast = (at: Instant) =>
    at + options.graceMs <= options.now &&
    options.readersBegan.every((began) => began > at + clockAllowanceMs);
  const cut = Math.max(
    -1,
    ...(view.expiry?.cuts ?? []).filter(({ at }) => isPast(at)).map(({ to }) => to),
  );
  return [
    ...(await sweepSegments(store, view, cut, isPast)),
    ...(await sweepFolded(store, view, cut, isPast)),
    ...(await sweepBases(store, view, isPast)),
  ];
}

/** Deletes in the order of the plan. Whatever is left when it is cut short, the next plan finds. */
export async function sweep(
  { store }: Repository,
  objects: StoredObject[],
  signal?: AbortSignal,
): Promise<void> {
  for (const { name } of objects) {
    signal?.throwIfAborted();
    await store.delete(name);
  }
}

type IsPast = (at: Instant) => boolean;

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
    return at < replacing.length && holds(replacing[at]!, segment);
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
): Promise<StoredObject[]> {
  const byPrefix = new Map<string, StoredObject[]>();
  for await (const object of store.list("folded/")) {
    const prefix = object.name.slice(0, object.name.lastIndexOf("/") + 1);
    byPrefix.set(prefix, [...(byPrefix.get(prefix) ?? []), object]);
  }
  const used = new Set(view.pieces.map(({ name }) => name));
  const broken = new Set(view.damaged.map(({ name }) => name.name));
  const gaps = view.gaps();
  const swept: StoredObject[] = [];
  for (const [prefix, objects] of byPrefix) {
    const manifest = objects.find(({ name }) => parseFoldedName(name));
    if (!manifest) {
      // What a fold had written that was cut short; unless its manifest is lost, and nothing else holds the same.
      const cutShort = parseFoldedName(foldedManifestName(prefix));
      const isLost = gaps.some(
        ({ from, to }) => cutShort && from <= cutShort.to && to >= cutShort.from,
      );
      if (!isLost) swept.push(...objects);
      continue;
    }
    const said = parseFoldedName(manifest.name)!;
    const isReplaced =
      !used.has(said.name) &&
      !broken.has(said.name) &&
      foldedPieces(view).some(
        (piece) =>
          isWhole(piece) &&
          isPast(piece.manifest.published) &&
          holds(piece, said.first) &&
          holds(piece, said.last),
      );
    const retired = view.expiry?.folded[said.name];
    const isRetired = retired !== undefined && isPast(retired);
    if (said.to > cut && !isReplaced && !isRetired) continue;
    swept.push(manifest, ...objects.filter((object) => object !== manifest));
  }
  return swept;
}

async function sweepBases(
  store: ObjectStore,
  view: LogView,
  isPast: IsPast,
): Promise<StoredObject[]> {
  const writing = (await listClaims(store)).at(-1)?.epoch.toString(36);
  const retired = view.expiry?.bases ?? {};
  const manifests: StoredObject[] = [];
  const parts: StoredObject[] = [];
  const referenced = new Set<string>();
  /** Tables with a manifest that cannot be read: what it refers to is not known. */
  const unknown = new Set<string>();
  for await (const object of store.list("bases/")) {
    const said = parseManifestName(object.name);
    if (!said) {
      parts.push(object);
    } else if (Object.hasOwn(retired, object.name) && isPast(retired[object.name]!)) {
      manifests.push(object);
    } else {
      try {
        const { parts: of } = await readManifest(store, object.name);
        for (const { name, keys } of of) referenced.add(name).add(keys.name);
      } catch (error) {
        if ((error as { code?: string }).code !== "damaged") throw error;
        unknown.add(said.table);
      }
    }
  }
  const unreferenced = parts.filter(({ name }) => {
    const prefix = parseBasePrefix(name);
    // A copy that is under way has no manifest yet.
    const isUnderWay = prefix?.unique === writing;
    return prefix && !isUnderWay && !unknown.has(prefix.table) && !referenced.has(name);
  });
  return [...manifests, ...unreferenced];
}
