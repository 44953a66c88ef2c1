/** Rebuilds damaged folded segments from the segments and smaller folded segments that hold the same. */
import { foldLog } from "../fold/fold-log.js";
import type { Repository } from "../format/description.js";
import type { FoldedName } from "../format/names.js";
import type { Instant } from "../instant.js";
import { LogView } from "../repository/log/log-view.js";
import type { LogPiece } from "../repository/log/pieces.js";
import { byPlaceInLog } from "../repository/log/places.js";
import { WithoutStore } from "../storage/without-store.js";
import type { Policy } from "../upkeep/maintain.js";
import { directoryOf } from "./object-kinds.js";
import type { Verified } from "./verify.js";

/** A damaged folded segment, and the pieces that stand in for it. */
export interface DamagedFolded {
  parsed: FoldedName;
  /** Undefined unless other pieces hold all of it. */
  standIns: LogPiece[] | undefined;
}

/**
 * The folded segments that count and of which any object is damaged.
 * @param damaged names of what cannot be restored from
 * @param named all that is damaged, if only in its keys
 */
export async function damagedFolded(
  { manifests, listed }: Verified,
  damaged: ReadonlySet<string>,
  named: readonly string[],
): Promise<DamagedFolded[]> {
  const directories = new Set(named.map(directoryOf));
  const all = [...manifests.folded.values()]
    .map(({ parsed }) => parsed)
    .filter(({ name }) => directories.has(directoryOf(name)));
  if (all.length === 0) return [];
  const without = new Set([...damaged, ...all.map(({ name }) => name)]);
  const view = await LogView.read(new WithoutStore(listed, without));
  return all.map((parsed) => ({ parsed, standIns: standInsOf(view, parsed) }));
}

/** The pieces that together hold all that a folded segment holds; undefined if something of it is nowhere else. */
function standInsOf(view: LogView, parsed: FoldedName): LogPiece[] | undefined {
  const pieces = view.pieces.filter(
    ({ first, last }) =>
      byPlaceInLog(last, parsed.first) >= 0 && byPlaceInLog(first, parsed.last) <= 0,
  );
  const [first, last] = [pieces.at(0), pieces.at(-1)];
  const isHeld =
    first !== undefined &&
    last !== undefined &&
    byPlaceInLog(first.first, parsed.first) <= 0 &&
    byPlaceInLog(last.last, parsed.last) >= 0 &&
    view.holes().every(({ from, to }) => to < parsed.from || from > parsed.to);
  return isHeld ? pieces : undefined;
}

/** Names of all objects of the pieces. */
export function objectsOf(pieces: LogPiece[]): Set<string> {
  const names = new Set<string>();
  for (const piece of pieces) {
    names.add(piece.name);
    if (piece.kind === "segment") continue;
    const { tables, catalog, coverage } = piece.manifest;
    for (const { name } of tables.flatMap((of) => of.parts)) names.add(name);
    for (const records of [catalog, coverage]) if (records) names.add(records.name);
  }
  return names;
}

/** Folds what stands in for damaged folded segments, which `repository` MUST not show. Returns the new ones. */
export async function foldAnew(
  repository: Repository,
  damaged: DamagedFolded[],
  options: {
    now: Instant;
    publishedAt: () => Instant;
    settleMs: number;
    unique: string;
    policy: Policy;
    signal: Pick<AbortSignal, "throwIfAborted">;
  },
): Promise<FoldedName[]> {
  const { policy, ...rest } = options;
  const log = await LogView.read(repository.store);
  const before = new Set(log.believed.folded.map(({ name }) => name));
  await foldLog(repository, log, {
    ...rest,
    partial: true,
    // Nothing is thinned here: the next fold does that.
    resolutionOf: () => 1,
    spanMaxMs: (span) => policy.spanMaxMs(span),
    pinned: policy.pinned,
    within: (piece) =>
      damaged.some(({ parsed }) => parsed.from <= piece.to && piece.from <= parsed.to),
  });
  const { folded } = (await LogView.read(repository.store)).believed;
  return folded.filter(({ name }) => !before.has(name));
}
