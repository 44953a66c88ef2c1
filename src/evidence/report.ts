/** What is known of a period: how much of it can be restored, who has checked that, and what was done. */
import { isDamage, messageOf, type ThinkbackError } from "../errors.js";
import type { Repository } from "../format/description.js";
import { parseDrillName, parseVerificationName, verificationsPrefix } from "../format/names.js";
import { formatInstant, type Instant } from "../instant.js";
import { type CoverageInterval, isWhole } from "../repository/coverage/coverage.js";
import type { Acknowledgement } from "../repository/records/acknowledgement.js";
import { type Drill, listDrills, readDrill } from "../repository/records/drills.js";
import { readVerification, type Verification } from "../repository/records/verifications.js";
import { lookAt } from "../repository/repository-view.js";
import { behindNoteMs, readStatus, type TableStatus } from "../repository/status.js";
import { readsAtOnce, severalAtOnce } from "../several-at-once.js";
import type { ObjectStore } from "../storage/object-store.js";
import { readAny, type StoredRecord } from "./any-object.js";

export interface Period {
  from: Instant;
  to: Instant;
}

/** A part of the period, and what can be restored of it. */
export interface Span extends Period {
  class: CoverageInterval["class"];
  reason?: string;
  /** By how many ms at most versions are labelled too late. */
  lateMs?: number;
  /** Only the last version in every span of this many ms is left. */
  resolutionMs?: number;
}

export interface TableEvidence {
  id: string;
  /** "db.table" */
  name: string;
  state: TableStatus["state"];
  /** How much of the period is exact, of the time from the table's first instant in it on. */
  exactMs: number;
  ofMs: number;
  spans: Span[];
}

export interface GapEvidence extends Period {
  table: string;
  class: Span["class"];
  reason: string | null;
  /** Who looks at the report sees whether somebody knew of the gap. */
  acknowledged: { note: string; at: Instant } | null;
}

export interface EvidenceReport extends Period {
  repository: string;
  made: Instant;
  /** The version of the program that made it. */
  version: string;
  sealed: boolean;
  /** Up to when everything can be restored now. */
  restorableUntil: Instant | null;
  /** How long history is kept; null for ever. */
  keep: string | null;
  tables: TableEvidence[];
  gaps: GapEvidence[];
  drills: Drill[];
  verifications: Verification[];
  /** Those of the period that are still stored, of which the newest repeats all before it. */
  expiries: { number: number; at: Instant; logTo: Instant | null }[];
  /** Changes of live tables that somebody asked for. */
  operations: StoredRecord[];
  /** Events of requests to recover, and the audit trail, as they are stored. */
  recoveries: StoredRecord[];
  audit: StoredRecord[];
  /** What should be in the report, and cannot be read. */
  unreadable: { object: string; what: string }[];
}

export async function evidenceOf(
  repository: Repository,
  period: Period,
  made: Instant,
  version: string,
): Promise<EvidenceReport> {
  const { store, description } = repository;
  const status = await lookAt(repository, (view) => readStatus(view, made));
  const reading = new Reading(store, period);
  const tables = status.tables.flatMap((table) => tableEvidence(table, period, made) ?? []);
  const spansOf = [...tables, ...systemTables(status, period, made)];
  return {
    repository: description.id,
    ...period,
    made,
    version,
    sealed: description.sealed === true,
    restorableUntil: status.restorableUntil ?? null,
    keep: status.keep,
    tables,
    gaps: spansOf.flatMap((table) => gapsOf(table, status.acknowledgements)),
    drills: await reading.each(
      await listDrills(store),
      readDrill,
      (name) => parseDrillName(name)?.ended,
    ),
    verifications: await reading.under(
      verificationsPrefix,
      readVerification,
      (name) => parseVerificationName(name)?.ended,
    ),
    expiries: (await reading.any("expiries/")).map(({ number, at, logTo }) => ({
      number: Number(number),
      at: at!,
      logTo: Number(logTo) >= 0 ? Number(logTo) : null,
    })),
    operations: await reading.any("operations/", /manifest\.json$/, "made"),
    recoveries: await reading.any("recoveries/"),
    audit: await reading.any("audit/"),
    unreadable: reading.unreadable,
  };
}

/** The catalog, and users and grants, are needed to restore everything: their gaps are gaps too. */
function systemTables(
  { catalog, access }: Awaited<ReturnType<typeof readStatus>>,
  period: Period,
  made: Instant,
): TableEvidence[] {
  const named = [
    { of: catalog, id: "catalog", name: "(catalog)" },
    { of: access, id: "access", name: "(users and grants)" },
  ];
  return named.flatMap(
    ({ of, id, name }) => (of && tableEvidence({ ...of, id, name }, period, made)) ?? [],
  );
}

type Covered = Pick<TableStatus, "id" | "name" | "state" | "openGap" | "intervals">;

/** Undefined if the table was not there in the period. */
function tableEvidence(table: Covered, period: Period, made: Instant): TableEvidence | undefined {
  const { id, name, state } = table;
  if (state === "not captured") return { id, name, state, exactMs: 0, ofMs: 0, spans: [] };
  const to = Math.min(period.to, made);
  const spans = [...table.intervals, ...afterIntervals(table, to)]
    .filter((one) => one.from <= to && one.to >= period.from)
    .map((one) => spanOf(one, { from: period.from, to }));
  const [first, last] = [spans[0], spans.at(-1)];
  if (!first || !last) return undefined;
  const exact = spans.filter((span) => span.class === "exact");
  return {
    id,
    name,
    state,
    exactMs: exact.reduce((sum, span) => sum + lengthOf(span), 0),
    ofMs: lengthOf({ from: first.from, to: last.to }),
    spans,
  };
}

/**
 * What comes after the last interval: a gap that has not ended, or nothing at all, because no capture has stored
 * anything since. What is behind by so little that the proof may be on its way is left out.
 */
function afterIntervals({ state, openGap, intervals }: Covered, to: Instant): CoverageInterval[] {
  const last = intervals.at(-1);
  if (!last || state === "dropped" || state === "moved" || last.to >= to) return [];
  const from = last.to + 1;
  if (openGap) return [{ from, to, class: "gap", reason: openGap.reason }];
  if (to - last.to <= behindNoteMs) return [];
  return [{ from, to, class: "unwatched", reason: "nothing is stored that proves anything since" }];
}

/** Both ends of a period belong to it. */
const lengthOf = ({ from, to }: Period) => to - from + 1;

function spanOf(interval: CoverageInterval, period: Period): Span {
  const { class: is, reason, lateMs, resolutionMs } = interval;
  return {
    from: Math.max(interval.from, period.from),
    to: Math.min(interval.to, period.to),
    class: is,
    ...(reason === undefined ? {} : { reason }),
    ...(lateMs === undefined ? {} : { lateMs }),
    ...(resolutionMs === undefined ? {} : { resolutionMs }),
  };
}

function gapsOf(
  { id, name, spans }: TableEvidence,
  notes: readonly Acknowledgement[],
): GapEvidence[] {
  return spans
    .filter((span) => !isWhole(span))
    .map(({ from, to, class: is, reason = null }) => {
      const note = notes.find((one) => one.table === id && one.from <= to && from <= one.to);
      const acknowledged = note ? { note: note.note, at: note.at } : null;
      return { table: name, from, to, class: is, reason, acknowledged };
    });
}

/** Reads the records of a period, and notes those that cannot be read. */
class Reading {
  readonly unreadable: EvidenceReport["unreadable"] = [];

  constructor(
    private readonly store: ObjectStore,
    private readonly period: Period,
  ) {}

  /** Records of which the name says when they were made. */
  async each<T>(
    names: readonly string[],
    read: (store: ObjectStore, name: string) => Promise<T>,
    at: (name: string) => Instant | undefined,
  ): Promise<T[]> {
    const wanted = names.filter((name) => this.has(at(name))).sort();
    const found: T[] = [];
    const reading = severalAtOnce(wanted, readsAtOnce, (name) =>
      this.ifReadable(name, () => read(this.store, name)),
    );
    for await (const one of reading) if (one !== undefined) found.push(one);
    return found;
  }

  async under<T>(
    prefix: string,
    read: (store: ObjectStore, name: string) => Promise<T>,
    at: (name: string) => Instant | undefined,
  ): Promise<T[]> {
    return this.each(await this.names(prefix), read, at);
  }

  /**
   * Records of any kind, of which a field says when they were made.
   * @param field that one; `at` of the answer is its value
   */
  async any(prefix: string, form = /\.json$/, field = "at"): Promise<StoredRecord[]> {
    const found: StoredRecord[] = [];
    const names = (await this.names(prefix)).filter(
      (name) => form.test(name) && this.mayHave(name),
    );
    const reading = severalAtOnce(names, readsAtOnce, (name) =>
      this.ifReadable(name, () => readAny(this.store, name)),
    );
    for await (const one of reading) {
      if (!one) continue;
      const at = one[field];
      if (typeof at !== "number") this.note(one.object, `it has no ${field}`);
      else if (this.has(at)) found.push({ ...one, at });
    }
    return found;
  }

  private async names(prefix: string): Promise<string[]> {
    const names: string[] = [];
    for await (const { name } of this.store.list(prefix)) names.push(name);
    return names;
  }

  private has(at: Instant | undefined): boolean {
    return at === undefined || (this.period.from <= at && at <= this.period.to);
  }

  /** False if the name begins with an instant that is not in the period. */
  private mayHave(name: string): boolean {
    const instant = /^[a-z]+\/(\d{15})-/.exec(name)?.[1];
    return this.has(instant === undefined ? undefined : Number(instant));
  }

  private async ifReadable<T>(name: string, read: () => Promise<T>): Promise<T | undefined> {
    try {
      return await read();
    } catch (error) {
      if (!isDamage(error)) throw error;
      this.note(name, whatOf(error));
      return undefined;
    }
  }

  private note(object: string, what: string): void {
    this.unreadable.push({ object, what });
  }
}

const whatOf = (error: ThinkbackError) =>
  "what" in error && typeof error.what === "string" ? error.what : messageOf(error);

/** The report as JSON: instants as texts, as the other commands print them. */
export function evidenceResult(report: EvidenceReport): object {
  return readable(report) as object;
}

/** Names of fields that hold instants. Those of other parts' records are among them. */
const instants = new Set(
  "from to made at begun ended instant begun until restorableUntil logTo createdAt expiresAt".split(
    " ",
  ),
);

/** Instants are later than 1973 in ms; a smaller number under such a name is something else. */
const instantMin = 100_000_000_000;

function readable(value: unknown, name = ""): unknown {
  if (
    typeof value === "number" &&
    instants.has(name) &&
    value >= instantMin &&
    Number.isSafeInteger(value)
  ) {
    return formatInstant(value);
  }
  if (Array.isArray(value)) return value.map((one) => readable(one, name));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, of]) => [key, readable(of, key)]));
}
