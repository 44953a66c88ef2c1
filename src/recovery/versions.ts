/** Every version of one document that is kept, of all lanes, and what the history lacks. */
import type { CoverageClass } from "../format/coverage-record.js";
import { parseLines, type Version } from "../format/lines.js";
import { FilteredCursor } from "../format/merge.js";
import type { Instant } from "../instant.js";
import { isSameText } from "../json-bytes.js";
import { type KeyFilter, theseKeys } from "../key-filter.js";
import { type OrderCode, orderCode } from "../key-order.js";
import { type BaseManifest, newestBase } from "../repository/bases/base.js";
import { findInBase } from "../repository/bases/base-reader.js";
import { isWhole, type TableCoverage } from "../repository/coverage/coverage.js";
import { foldedCursor } from "../repository/log/folded-reader.js";
import { LogView, passing } from "../repository/log/log-view.js";
import type { RepositoryView } from "../repository/repository-view.js";

/** What a version did. "known" is the first one that is kept of a document that may be older. */
export type VersionKind = "known" | "inserted" | "changed" | "deleted" | "inserted again";

export interface KeptVersion {
  /** When it was captured. */
  time: Instant;
  kind: VersionKind;
  /** JSON texts of the document and of the kept version before it; null where there is none. */
  document: Buffer | null;
  before: Buffer | null;
}

/** A stretch of which not every version is kept. */
export interface Lacking {
  from: Instant;
  to: Instant;
  class: CoverageClass;
  reason?: string;
  /** Set if it is thinned: of each span of so many ms the last version is kept. */
  resolutionMs?: number;
}

export interface DocumentHistory {
  /** In the order of capture. */
  versions: KeptVersion[];
  /** The version that stood when the stretch began, if it is older. */
  earlier: KeptVersion | undefined;
  lacking: Lacking[];
  /** What of the stretch the capture is proven of; undefined if nothing of it is. */
  proven: Proven | undefined;
}

/** A stretch in which the capture is proven: every version in it is known, but for what the history lacks. */
export interface Proven {
  from: Instant;
  to: Instant;
  /** True if the history lacks nothing in it. */
  isComplete: boolean;
}

/** A version as it was read. */
interface Found {
  time: Instant;
  sequence: number;
  document: Buffer | null;
  /** True if the log says that there was no document before. */
  isInsert: boolean;
}

/**
 * The versions of a document captured from `from` up to and including `to`; consecutive equal ones count once.
 * @param key JSON text of the primary key
 */
export async function historyOf(
  view: RepositoryView,
  table: string,
  key: Buffer,
  from: Instant | undefined,
  to: Instant,
): Promise<DocumentHistory> {
  const code = orderCode(key);
  const found: Found[] = [];
  for (const lane of await view.eachLane()) {
    const of = lane.coverage.tables.get(table);
    if (!of) continue;
    for (const one of await foundIn(lane.view, of, code, from, to)) {
      const home = one.isFromLog ? (await view.laneOf(table, one.time)).lane : lane.view.lane;
      if (home === lane.view.lane) found.push(one);
    }
  }
  found.sort((a, b) => a.time - b.time || a.sequence - b.sequence);
  const all = kept(found);
  const coverage = (await view.coverage()).tables.get(table);
  const begin = from ?? coverage?.intervals[0]?.from ?? to;
  const isEarlier = ({ time }: KeptVersion) => from !== undefined && time < from;
  const lacking = lackingIn(coverage, begin, to);
  return {
    versions: all.filter((version) => !isEarlier(version)),
    earlier: all.findLast(isEarlier),
    lacking,
    proven: provenIn(coverage, begin, to, lacking),
  };
}

function provenIn(
  coverage: TableCoverage | undefined,
  begin: Instant,
  end: Instant,
  lacking: readonly Lacking[],
): Proven | undefined {
  const first = coverage?.intervals[0]?.from;
  if (first === undefined || coverage?.frontier === undefined) return undefined;
  const [from, to] = [Math.max(begin, first), Math.min(end, coverage.frontier)];
  if (from > to) return undefined;
  return { from, to, isComplete: !lacking.some((one) => one.from <= to && one.to >= from) };
}

async function foundIn(
  view: RepositoryView,
  coverage: TableCoverage,
  code: OrderCode,
  from: Instant | undefined,
  to: Instant,
): Promise<(Found & { isFromLog: boolean })[]> {
  const { table } = coverage;
  const bases = (await view.bases()).usable.get(table) ?? [];
  const start =
    (from === undefined ? undefined : newestBase(await view.bases(), table, from)) ?? bases[0];
  const inLog = await versionsInLog(view.log, table, code, start?.logFrom, to);
  const inBases: Found[] = [];
  const isKnownAbsent = start !== undefined && (await addFromBase(view, start, code, inBases));
  // What changed while nothing was watched is in no log: only the copy made afterwards has it.
  for (const copied of coverage.copies) {
    const base = bases.find(({ instant }) => instant >= copied);
    if (!start || !base || base.instant <= start.instant || base.instant > to) continue;
    const isGone = await addFromBase(view, base, code, inBases);
    const isInLog = inLog.some(({ time }) => time > base.logFrom && time <= base.instant);
    if (!isGone || isInLog) continue;
    inBases.push({ time: base.instant, sequence: 0, document: null, isInsert: false });
  }
  if (isKnownAbsent && inLog[0] && !inLog[0].isInsert) inLog[0].isInsert = true;
  return [
    ...inBases.map((one) => ({ ...one, isFromLog: false })),
    ...inLog.map((one) => ({ ...one, isFromLog: true })),
  ];
}

/** Adds the base's version of the key. Returns true if the base has none. */
async function addFromBase(
  { store }: RepositoryView,
  base: BaseManifest,
  code: OrderCode,
  into: Found[],
): Promise<boolean> {
  const version = await findInBase(store, base, code);
  if (version) into.push(copyOf(version));
  return version === undefined;
}

async function versionsInLog(
  log: LogView,
  table: string,
  code: OrderCode,
  after: Instant | undefined,
  until: Instant,
): Promise<Found[]> {
  const filter = theseKeys([code]);
  const window = { after: Math.max(after ?? -1, log.expiry?.logTo ?? -1), until };
  // A stretch that is lost is told of with the coverage.
  const view = new LogView(log.store, passing(log.read, log.holes()));
  const found: Found[] = [];
  for await (const piece of view.chain(window.after, window.until)) {
    if ("manifest" in piece) {
      const own = { after: Math.max(window.after, piece.after), until };
      const all = foldedCursor(view.store, piece, table, own, { filter });
      const cursor = new FilteredCursor(all, filter);
      while (await cursor.advance()) found.push(copyOf(cursor.version));
      continue;
    }
    for (const frame of piece.index.frames) {
      if (frame.table !== table || frame.maxTime! <= window.after || frame.minTime! > until)
        continue;
      const lines = await piece.readFrame(frame);
      for (const version of parseLines(lines, piece.name)) {
        const isIn = version.time > window.after && version.time <= until;
        if (isIn && hasKey(filter, version)) found.push(copyOf(version));
      }
    }
  }
  return found;
}

const hasKey = (filter: KeyFilter, { key }: Version) => filter.has(orderCode(key));

function copyOf({ time, sequence, document, previous }: Version): Found {
  return {
    time,
    sequence,
    document: document && Buffer.from(document),
    isInsert: previous === null && document !== null,
  };
}

function kept(found: readonly Found[]): KeptVersion[] {
  const versions: KeptVersion[] = [];
  for (const { time, document, isInsert } of found) {
    const last = versions.at(-1);
    if (last && isSameText(last.document, document)) continue;
    const before = last?.document ?? null;
    versions.push({ time, document, before, kind: kindOf(last, document, isInsert) });
  }
  return versions;
}

function kindOf(
  last: KeptVersion | undefined,
  document: Buffer | null,
  isInsert: boolean,
): VersionKind {
  if (document === null) return "deleted";
  if (!last) return isInsert ? "inserted" : "known";
  return last.document === null ? "inserted again" : "changed";
}

function lackingIn(coverage: TableCoverage | undefined, from: Instant, to: Instant): Lacking[] {
  const open = coverage?.openGap;
  const isOpen = open !== undefined && open.since < to;
  const last: Lacking[] = isOpen
    ? [{ from: Math.max(from, open.since + 1), to, class: "gap", reason: open.reason }]
    : [];
  const closed = (coverage?.intervals ?? [])
    .filter((one) => one.to >= from && one.from <= to)
    .filter((one) => !isWhole(one) || one.resolutionMs !== undefined)
    .map(({ from: begin, to: end, class: of, reason, resolutionMs }) => ({
      from: Math.max(from, begin),
      to: Math.min(to, end),
      class: of,
      ...(reason === undefined ? {} : { reason }),
      ...(resolutionMs === undefined ? {} : { resolutionMs }),
    }));
  return [...closed, ...last];
}
