/** Computes coverage from stored objects alone, never from memory. */
import { damaged } from "../../errors.js";
import { coverageRecord, isSystemTable, systemTables } from "../../format/coverage-record.js";
import { checked } from "../../format/fields.js";
import { parseStored, type Version } from "../../format/lines.js";
import { basePrefix, parseSegmentName } from "../../format/names.js";
import type { SegmentFooter } from "../../format/segment.js";
import type { Instant } from "../../instant.js";
import { readsAtOnce, severalAtOnce } from "../../several-at-once.js";
import type { BaseInventory } from "../bases/base.js";
import { type EpochClaim } from "../log/claims.js";
import type { FoldedOpening } from "../log/folded.js";
import { recordsInFolded } from "../log/folded-reader.js";
import { openSegment, segmentVersions } from "../log/log.js";
import type { LogHole, LogView } from "../log/log-view.js";
import { lostCatalogs } from "../log/lost-catalogs.js";
import type { FoldedPiece, LogPiece, SegmentPiece } from "../log/pieces.js";
import { byPlaceInLog } from "../log/places.js";
import { holdersInRun } from "../log/stream-records.js";
import { type Evidence, listEvidence } from "../records/evidence.js";
import type { Expiry } from "../registers/expiry.js";
import { isPartly, relabel, type TableCoverage, thinned, within, withLate } from "./coverage.js";
import { CoverageBuilder } from "./coverage-builder.js";

/** The coverage of everything that is watched. */
export interface Coverage {
  /** By table id: the coverage of every table that was ever watched. */
  tables: Map<string, TableCoverage>;
  /** Undefined if the catalog was never read. */
  catalog: TableCoverage | undefined;
  /** The coverage of users and grants; undefined if they were never read. */
  access: TableCoverage | undefined;
}

export async function readCoverage(view: LogView, bases: BaseInventory): Promise<Coverage> {
  const { tables: builders, watched, expected } = await readHistory(view);
  const evidence = await listEvidence(view.store);
  const holes = view.holes();
  const lost = await lostCatalogSpans(view, holes);
  const tables = new Map<string, TableCoverage>();
  for (const [id, table] of builders) {
    const copies = copiesOf(table, view);
    const openGap = table.current(Number.MAX_SAFE_INTEGER).gap;
    const said = { watched: watched.has(id), isExpected: expected.has(id), openGap, copies };
    const stretches = { ...table.stretches(), ...said };
    const narrowed = narrowByEvidence(stretches, evidence);
    const intervals = withLate(narrowed.intervals, table.late);
    const partlyLate = table.late.filter(isPartly);
    const built = { ...narrowed, intervals, ...(partlyLate.length > 0 ? { partlyLate } : {}) };
    if (isSystemTable(id)) tables.set(id, clipped(markLost(built, lost), view.expiry));
    else {
      const marked = markLostCopies(markHoles(built, holes, bases), copies, bases);
      tables.set(id, markThinned(clipped(marked, view.expiry), view));
    }
  }
  const [catalog, access] = [tables.get("catalog"), tables.get("access")];
  for (const id of systemTables) tables.delete(id);
  return { tables, catalog, access };
}

/** A span of time whose catalog cannot be read: a hole in the log, or a span that depends on records lost in a hole. */
type LostSpan = Pick<LogHole, "from" | "to" | "reason">;

async function lostCatalogSpans(view: LogView, holes: LogHole[]): Promise<LostSpan[]> {
  const missing: LostSpan[] = holes.filter(({ table }) => table === undefined);
  const isNamed = view.pieces.some((piece) => piece.kind === "folded" && piece.manifest.lost[0]);
  if (missing.length === 0 && !isNamed) return [];
  for await (const { object, span } of lostCatalogs(view)) {
    missing.push({ ...span, reason: `object ${object} is missing` });
  }
  return missing;
}

function markLost(coverage: TableCoverage, lost: LostSpan[]): TableCoverage {
  return lost.reduce(
    (marked, { from, to, reason }) => relabel(marked, from, to, "damaged", reason),
    coverage,
  );
}

/** Reads a log from its start on, and gives the coverage of the tables right before ever later segments. */
export class OpeningReader {
  private readonly reader: HistoryReader;
  private at = 0;

  constructor(private readonly view: LogView) {
    this.reader = new HistoryReader(view);
  }

  /** The coverage of all tables right before `segment`, for a folded segment that begins with it. */
  async before(segment: SegmentPiece): Promise<Record<string, FoldedOpening>> {
    const { pieces } = this.view;
    for (; this.at < pieces.length && pieces[this.at] !== segment; this.at += 1) {
      const piece = pieces[this.at]!;
      await this.reader.read(piece, await recordsOf(this.view, piece));
    }
    return this.reader.opening(segment);
  }
}

/**
 * When each copy that counts was complete. From then on, only the base that was made there, or a later one, will do.
 */
function copiesOf(table: CoverageBuilder, { expiry }: LogView): Instant[] {
  const horizon = expiry?.horizons[table.table];
  if (!horizon) return table.copies;
  return [horizon.base, ...table.copies.filter((copy) => copy > horizon.base)];
}

/** The coverage without what was expired. */
export function clipped(coverage: TableCoverage, expiry: Expiry | undefined): TableCoverage {
  const from = Math.max(expiry?.horizons[coverage.table]?.from ?? 0, (expiry?.logTo ?? -1) + 1);
  return { ...coverage, intervals: coverage.intervals.flatMap((one) => within(one, from, one.to)) };
}

/**
 * The coverage with those spans marked in which folding has thinned the history, so that only some instants are left.
 */
function markThinned(coverage: TableCoverage, view: LogView): TableCoverage {
  let marked = coverage;
  for (const piece of view.pieces) {
    if (piece.kind !== "folded" || piece.manifest.resolutionMs === 1) continue;
    const { resolutionMs, kept } = piece.manifest;
    const from = Math.max(piece.from, piece.after + 1);
    marked = thinned(marked, from, piece.to, resolutionMs, kept);
  }
  return marked;
}

/**
 * Takes evidence of missed changes off coverage without lateness. A broken version chain proves that changes were
 * missed since the version before the break. So from there to the end of the stretch the table is not exact; after the
 * next resync it is again.
 */
function narrowByEvidence(coverage: TableCoverage, evidence: Evidence[]): TableCoverage {
  let narrowed = coverage;
  for (const { table, before, at, key } of evidence) {
    if (table !== coverage.table) continue;
    const stretch = coverage.intervals.find(
      (i) => i.class === "exact" && i.from <= at && at <= i.to,
    );
    if (!stretch) continue;
    const isLast = stretch === coverage.intervals.filter((i) => i.class === "exact").at(-1);
    const reason = `broken version chain at key ${key}`;
    narrowed = relabel(narrowed, before + 1, stretch.to, isLast ? "unwatched" : "gap", reason);
  }
  if (narrowed === coverage) return coverage;
  const lastExact = narrowed.intervals.filter((i) => i.class === "exact").at(-1)?.to;
  return { ...narrowed, frontier: lastExact };
}

/** Marks holes as damaged, up to the next usable base that needs nothing from the hole. */
function markHoles(coverage: TableCoverage, holes: LogHole[], bases: BaseInventory): TableCoverage {
  const usable = bases.usable.get(coverage.table) ?? [];
  let marked = coverage;
  const until = (instant: Instant) =>
    (usable.find((base) => base.logFrom >= instant)?.instant ?? Number.MAX_SAFE_INTEGER) - 1;
  for (const { from, to, table, reason } of holes) {
    if (table !== undefined && table !== coverage.table) continue;
    marked = relabel(marked, from, until(to), "damaged", reason);
  }
  return marked;
}

/**
 * Marks as damaged, from each copy on, the instants that have no usable base between the copy and them. An older base
 * does not do, because what changed in the gap before the copy is in the copy's base alone.
 */
function markLostCopies(
  coverage: TableCoverage,
  copies: Instant[],
  bases: BaseInventory,
): TableCoverage {
  const { table } = coverage;
  let marked = coverage;
  for (const [i, copy] of copies.entries()) {
    const usable = bases.usable.get(table)?.find(({ instant }) => instant >= copy);
    const next = copies[i + 1] ?? Number.MAX_SAFE_INTEGER;
    const until = Math.min(usable?.instant ?? Number.MAX_SAFE_INTEGER, next) - 1;
    if (until < copy) continue;
    const lost = bases.damaged.find(({ base }) => base.table === table && base.instant >= copy);
    const missing = `${basePrefix(table, copy, "…")}manifest.json`;
    const reason = lost?.error.message ?? `object ${missing} is missing`;
    marked = relabel(marked, copy, until, "damaged", reason);
  }
  return marked;
}

interface ReadHistory {
  tables: Map<string, CoverageBuilder>;
  watched: Set<string>;
  expected: Set<string>;
}

/** Applies all coverage records and the ends of the epochs, in the order of the log. */
async function readHistory(view: LogView): Promise<ReadHistory> {
  const reader = new HistoryReader(view);
  const reading = severalAtOnce(view.pieces, readsAtOnce, async (piece) => {
    return { piece, records: await recordsOf(view, piece) };
  });
  for await (const { piece, records } of reading) await reader.read(piece, records);
  return reader.end();
}

/** The coverage records of a folded segment. None for a segment, which is read later together with its neighbours. */
async function recordsOf({ store }: LogView, piece: LogPiece): Promise<Version[]> {
  const records: Version[] = [];
  if (piece.kind === "segment") return records;
  const { coverage } = piece.manifest;
  for await (const version of recordsInFolded(store, coverage)) records.push(version);
  return records;
}

/** The facts of an epoch's last segment that coverage needs. */
type EpochFacts = Pick<SegmentFooter, "epoch" | "to" | "frontier" | "lagging">;

class HistoryReader {
  private readonly tables = new Map<string, CoverageBuilder>();
  /** The tables with a coverage record in the current epoch. */
  private watched = new Set<string>();
  /** Tables that this epoch has said nothing of, though its writer was told to capture them as the one before did. */
  private expected = new Set<string>();
  private epoch: number | undefined;
  private facts: EpochFacts | undefined;
  /** Neighbouring segments that are not read yet and will be read together. */
  private run: SegmentPiece[] = [];
  private last: LogPiece | undefined;

  private readonly holes: LogHole[];

  constructor(private readonly view: LogView) {
    this.holes = view.holes().filter(({ table }) => table === undefined);
  }

  /** @param records the coverage records of the piece, see recordsOf */
  async read(piece: LogPiece, records: Version[]): Promise<void> {
    if (piece.kind === "folded") {
      await this.readFolded(piece, records);
      return;
    }
    if (this.holeBefore(piece)) await this.readRun();
    this.run.push(piece);
  }

  /** The coverage of the tables after what was read, for a folded segment that begins with `next`. */
  async opening(next: SegmentPiece): Promise<Record<string, FoldedOpening>> {
    await this.readRun();
    const { lost } = await holdersInRun(this.view, "coverage", [next]);
    if (lost !== undefined) this.lose(next, lost);
    this.enter(next.last.epoch);
    return Object.fromEntries(
      [...this.tables].map(([id, table]) => {
        const expected = this.expected.has(id) ? { expected: true } : {};
        return [id, { ...table.current(next.from), watched: this.watched.has(id), ...expected }];
      }),
    );
  }

  private async readFolded(piece: FoldedPiece, records: Version[]): Promise<void> {
    await this.readRun();
    const hole = this.holeBefore(piece);
    if (!this.last || hole) this.adopt(piece, hole);
    const { epochs } = piece.manifest;
    let from = piece.after;
    for (const epoch of epochs) {
      if (epoch.to <= piece.after) continue;
      const isOfEpoch = ({ time }: Version) => time > from && time <= epoch.to;
      this.enter(epoch.epoch);
      for (const version of records.filter(isOfEpoch)) this.apply(version, piece.name);
      this.facts = epoch;
      from = epoch.to;
    }
    this.last = piece;
  }

  async end(): Promise<ReadHistory> {
    await this.readRun();
    for (const table of this.tables.values()) {
      if (this.facts) table.reach(frontierOf(table, this.facts));
    }
    return { tables: this.tables, watched: this.watched, expected: this.expected };
  }

  private async readRun(): Promise<void> {
    const { run, view } = this;
    this.run = [];
    if (run.length === 0) return;
    const { holders, lost } = await holdersInRun(view, "coverage", run);
    if (lost !== undefined) this.lose(run[0]!, lost);
    const lastOfEpoch = new Map(run.map((piece) => [piece.last.epoch, piece]));
    for (const [epoch, piece] of lastOfEpoch) {
      this.enter(epoch);
      for (const holder of holders.filter((one) => one.index.footer.epoch === epoch).reverse()) {
        for await (const version of segmentVersions(holder, "coverage")) {
          this.apply(version, holder.name);
        }
      }
      this.facts = (await openSegment(view.store, piece.name)).index.footer;
    }
    this.last = run.at(-1);
  }

  /** Begins an epoch, and so ends the one before. */
  private enter(epoch: number): void {
    const { facts } = this;
    if (this.epoch === epoch) return;
    this.epoch = epoch;
    if (facts) {
      const lost = this.view.claims.find((claim) => claim.epoch === epoch)?.lost;
      for (const table of this.tables.values()) table.end(frontierOf(table, facts), facts.to, lost);
    }
    const hasMoved = (table: string) => this.tables.get(table)?.hasMoved === true;
    const stillExpected = [...this.expected, ...this.watched].filter((table) => !hasMoved(table));
    this.expected = new Set(this.selectsAsBefore(epoch) ? stillExpected : []);
    this.watched = new Set();
    this.facts = undefined;
  }

  /**
   * True if the writer of an epoch was told to capture the same tables as the one before. Then a table that it has not
   * opened yet is one that should be watched, and is not.
   */
  private selectsAsBefore(epoch: number): boolean {
    const [claim, before] = [epoch, epoch - 1].map((one) =>
      this.view.claims.find((other) => other.epoch === one),
    );
    const patterns = (of: EpochClaim) => JSON.stringify([of.include ?? [], of.exclude ?? []]);
    return claim !== undefined && before !== undefined && patterns(claim) === patterns(before);
  }

  private apply({ key, document }: Version, object: string): void {
    if (document === null) return;
    const table = parseStored(key, object);
    if (typeof table !== "string") throw damaged(object, "a coverage record in it names no table");
    const whose = `in its coverage record of ${table} the`;
    const record = checked(coverageRecord, parseStored(document, object), object, whose);
    // A late record may also concern a table that is left out now, so it does not make the table watched.
    if (record.state !== "late") this.watched.add(table);
    this.builder(table).apply(record);
  }

  private builder(table: string): CoverageBuilder {
    let found = this.tables.get(table);
    if (!found) this.tables.set(table, (found = new CoverageBuilder(table)));
    return found;
  }

  private holeBefore(piece: LogPiece): LogHole | undefined {
    const last = this.run.at(-1) ?? this.last;
    if (!last) return undefined;
    return this.holes.find(({ from, to }) => from > last.to && to < piece.from);
  }

  /** Continues from the opening of a folded segment, which says what is known of everything before it. */
  private adopt({ manifest }: FoldedPiece, hole: LogHole | undefined): void {
    const lost = hole && this.isKnown(manifest.coverageLink) ? undefined : hole;
    this.epoch = manifest.first.epoch;
    this.watched = new Set();
    this.expected = new Set();
    for (const [table, state] of Object.entries(manifest.opening)) {
      const known = this.tables.get(table);
      if (known && hole) known.resume(state, this.provenBefore(known, hole.from), lost);
      else this.tables.set(table, new CoverageBuilder(table, state));
      if (state.watched) this.watched.add(table);
      if (state.expected) this.expected.add(table);
    }
    this.facts = undefined;
  }

  /**
   * True if no coverage records are lost in a hole: the latest segment with some, before the piece after it, is known.
   */
  private isKnown(coverageLink: string | null): boolean {
    const holder = coverageLink === null ? undefined : parseSegmentName(coverageLink);
    return !holder || (this.last !== undefined && byPlaceInLog(holder, this.last.last) <= 0);
  }

  /** Takes in that records before `piece` are lost: whether a table was watched is unknown until its next record. */
  private lose(piece: LogPiece, object: string): void {
    const since = (this.last?.to ?? piece.from - 1) + 1;
    const reason = `object ${object} is missing, and with it coverage records`;
    for (const table of this.tables.values()) table.lose(this.provenBefore(table, since), reason);
  }

  /**
   * Up to where `table` is proven by what comes before a hole. Records in the hole may say that it was not watched
   * after.
   */
  private provenBefore(table: CoverageBuilder, hole: Instant): Instant {
    return this.facts ? Math.min(frontierOf(table, this.facts), hole - 1) : hole - 1;
  }
}

function frontierOf({ table }: CoverageBuilder, facts: EpochFacts): Instant {
  return facts.lagging[table] ?? facts.frontier;
}
