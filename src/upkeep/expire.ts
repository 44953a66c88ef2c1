/**
 * Letting history go as declared. What stays restorable afterwards is computed before anything is published, from the
 * store as it would be then; and what is published is acted on by sweep.ts alone, a grace time later.
 *
 * Invariant: nothing is expired that the tiers, a pin or a table's first base needs.
 */
import { isDeepStrictEqual } from "node:util";
import { ThinkbackError } from "../errors.js";
import type { Repository } from "../format/description.js";
import { parseFoldedName, parseSegmentName } from "../format/names.js";
import { formatInstant, type Instant } from "../instant.js";
import type { BaseManifest, BaseName } from "../repository/bases/base.js";
import {
  type CoverageInterval,
  intervalAt,
  isExactAt,
  type TableCoverage,
} from "../repository/coverage/coverage.js";
import { clipped } from "../repository/coverage/coverage-reader.js";
import type { LogHole, LogView } from "../repository/log/log-view.js";
import {
  type Expiry,
  latestExpiry,
  nextExpiry,
  putExpiry,
} from "../repository/registers/expiry.js";
import { type KeepTier, startOfKept } from "../repository/registers/keep-policy.js";
import type { Pin } from "../repository/registers/pins.js";
import { RepositoryView } from "../repository/repository-view.js";
import type { ObjectStore } from "../storage/object-store.js";

/** A capture has said by then of every table that it watches what state it is in. */
const saysWithinMs = 86_400_000;

export interface ExpiryOptions {
  now: Instant;
  /** When the history is as old as its tiers count; see LogAge. */
  aged: Instant;
  /** Undefined if every change is kept for ever; then only bases that nothing needs are expired. */
  tiers: KeepTier[] | undefined;
  pins: Pin[];
}

/** What will be of one table. */
export interface ExpiringTable {
  table: string;
  /** The first instant that is claimed now, and then. */
  from: Instant | undefined;
  fromThen: Instant | undefined;
  /** Manifests of the bases that are expired. */
  bases: string[];
  basesKept: number;
}

export interface ExpiryPlan {
  tables: ExpiringTable[];
  /** To be published; undefined if there is nothing to expire. */
  expiry: Expiry | undefined;
  /** What was expired before. */
  before: Expiry | undefined;
  /** Tables that nobody watches any more, and of which nothing is kept. */
  givenUp: string[];
  /** Of every table, as it was found. */
  coverage: Map<string, TableCoverage>;
}

/** The first instant that has to stay restorable; undefined if all of them have. */
export function firstWanted({
  aged,
  tiers,
  pins,
}: Omit<ExpiryOptions, "now">): Instant | undefined {
  const kept = tiers && startOfKept(tiers, aged);
  if (kept === undefined) return undefined;
  return Math.min(kept, ...pins.map(({ at }) => at));
}

/** Plans what to expire, and proves that it costs nothing that has to stay. Throws if it would. */
export async function planExpiry(
  look: RepositoryView,
  options: ExpiryOptions,
): Promise<ExpiryPlan> {
  const { log: view, store } = look;
  const { tables: coverage } = await look.coverage();
  const bases = await look.bases();
  const first = firstWanted(options);
  const next: Expiry = await withoutDone(nextExpiry(view.expiry, options.now), store);
  const tables: ExpiringTable[] = [];
  const begins: BaseManifest[] = [];
  const givenUp: string[] = [];
  const holes = view.holes();
  let isMoving = false;
  for (const [table, of] of coverage) {
    const usable = bases.usable.get(table) ?? [];
    const isOver = first !== undefined && of.intervals.every(({ to }) => to < first);
    const isGone = isOver && (of.state === "dropped" || isLeftOut(of, view, options.aged));
    if (of.state === "copying" || of.state === "resyncing") isMoving = true;
    // What was expired is not claimed again, also if tiers or pins want more by now than they did.
    const wanted = first === undefined ? undefined : Math.max(first, horizonOf(view, table));
    const begin = wanted === undefined ? undefined : beginOf(usable, wanted);
    if (isGone) givenUp.push(table);
    if (isGone) next.horizons[table] = { from: wanted!, base: wanted! };
    else if (begin && isDamagedBefore(of, wanted!, begin.instant)) isMoving = true;
    else if (begin) {
      begins.push(begin);
      const from = Math.max(wanted!, begin.instant);
      next.horizons[table] = { from, base: begin.instant };
    } else if (first !== undefined) isMoving = true;
    const holesHere = holes.filter((hole) => hole.table === undefined || hole.table === table);
    const kept = isGone ? [] : keptBases(usable, begin, holesHere, options.aged);
    const retired = usable.filter((base) => !kept.includes(base)).map(manifestName(bases.names));
    for (const name of retired) next.bases[name] = options.now;
    tables.push({
      table,
      from: of.intervals.at(0)?.from,
      fromThen: undefined,
      bases: retired,
      basesKept: kept.length,
    });
  }
  // While a table is being copied or resynced, what its next base will need of the log is not known yet.
  if (first !== undefined && !isMoving) cutLog(next, view, first, begins, options.now);
  const { tables: then } = await (await look.under(next)).coverage();
  for (const table of tables) table.fromThen = then.get(table.table)?.intervals.at(0)?.from;
  refuseLosses(coverage, then, next, options.pins);
  const expiry = isNew(next, view.expiry, tables) ? next : undefined;
  return { tables, expiry, before: view.expiry, givenUp, coverage };
}

/** True if something that is wanted lies in a damaged stretch before `begin`: it may be put back, or made anew. */
function isDamagedBefore({ intervals }: TableCoverage, wanted: Instant, begin: Instant): boolean {
  const isWanted = (one: CoverageInterval) => one.to >= wanted && one.from < begin;
  return intervals.some((one) => one.class === "damaged" && isWanted(one));
}

/**
 * Publishes what is expired, and returns what came of the plan. It is taken back as a whole if a table that was given up
 * has been opened meanwhile: a capture that resyncs a table says so first, and looks afterwards whether the base that it
 * goes by was expired; so one of the two sees the other. Nothing was deleted for it yet.
 */
export async function publishExpiry(repository: Repository, plan: ExpiryPlan): Promise<ExpiryPlan> {
  const { store } = repository;
  if (!plan.expiry) return plan;
  await publish(store, plan.expiry);
  if (plan.givenUp.length === 0) return plan;
  const { tables: now } = await (await RepositoryView.read(repository)).coverage();
  const isOpened = (table: string) => {
    const of = now.get(table);
    return of !== undefined && of.watched && of.state !== "dropped";
  };
  if (!plan.givenUp.some(isOpened)) return plan;
  const { at, number } = plan.expiry;
  await publish(store, { ...nextExpiry(plan.before, at), number: number + 1 });
  const tables = plan.tables.map(({ bases, basesKept, ...table }) => ({
    ...table,
    fromThen: table.from,
    bases: [],
    basesKept: basesKept + bases.length,
  }));
  return { ...plan, tables, expiry: undefined };
}

async function publish(store: ObjectStore, expiry: Expiry): Promise<void> {
  const isPut = await putExpiry(store, expiry);
  // Old numbers are deleted, so this one might have been free because it was past.
  if (isPut && (await latestExpiry(store))?.number === expiry.number) return;
  throw new ThinkbackError("fenced", "another process has let something go meanwhile", {
    hint: "run the command again: it plans anew",
  });
}

/** The expiry without what was deleted meanwhile: it would grow for ever. */
async function withoutDone(expiry: Expiry, store: ObjectStore): Promise<Expiry> {
  const stored = new Set<string>();
  let oldest = Number.POSITIVE_INFINITY;
  for (const prefix of ["bases/", "folded/", "log/"]) {
    for await (const { name } of store.list(prefix)) {
      stored.add(name);
      const { to } = parseSegmentName(name) ?? parseFoldedName(name) ?? {};
      oldest = Math.min(oldest, to ?? oldest);
    }
  }
  const left = (manifests: Record<string, Instant>) =>
    Object.fromEntries(Object.entries(manifests).filter(([name]) => stored.has(name)));
  return {
    ...expiry,
    cuts: expiry.cuts.filter(({ to }) => to >= oldest),
    bases: left(expiry.bases),
    folded: left(expiry.folded),
  };
}

/** True if something is expired that was not before. */
function isNew(next: Expiry, before: Expiry | undefined, tables: ExpiringTable[]): boolean {
  return (
    next.logTo !== (before?.logTo ?? -1) ||
    tables.some(({ from, fromThen, bases }) => from !== fromThen || bases.length > 0)
  );
}

/**
 * True if the capture leaves the table out. One that has just begun has not said yet that it resyncs the table, and then
 * it does so from the newest base.
 */
function isLeftOut({ watched }: TableCoverage, view: LogView, aged: Instant): boolean {
  const latest = view.claims.at(-1);
  if (watched || !latest) return !watched;
  // The clock by which it began may have been wrong; where its log begins, time may have jumped.
  const wroteBy = view.wroteBy(latest.epoch);
  return wroteBy !== undefined && wroteBy + saysWithinMs <= aged;
}

/** The first instant of a table that is claimed since the last expiry. */
function horizonOf({ expiry }: LogView, table: string): Instant {
  return expiry?.horizons[table]?.from ?? 0;
}

/** The base that the kept history begins with: the newest at or before its first instant, or the first after it. */
function beginOf(usable: BaseManifest[], first: Instant): BaseManifest | undefined {
  return usable.findLast(({ instant }) => instant <= first) ?? usable[0];
}

/**
 * Bases of a table that stay. A restore to an instant begins with the last base before it; the older the instant, the
 * farther that may be away: a base of some age is expired if the next newer one is no more than a quarter of that age
 * newer. A copied base stays: what it holds of the gap before it is nowhere else. And so does the first one after a hole
 * in the log: no older one leads there.
 */
function keptBases(
  usable: BaseManifest[],
  begin: BaseManifest | undefined,
  holes: LogHole[],
  now: Instant,
): BaseManifest[] {
  const kept: BaseManifest[] = [];
  for (const [i, base] of [...usable.entries()].reverse()) {
    const { instant, logFrom } = base;
    if (begin && instant < begin.instant) break;
    const newer = kept[0];
    const isFar = !newer || newer.instant - instant >= (now - instant) / 4;
    const isCopied = logFrom < instant;
    const isAfterHole = holes.some(
      ({ to }) => to <= logFrom && to > (usable[i - 1]?.logFrom ?? Number.POSITIVE_INFINITY),
    );
    if (isFar || isCopied || isAfterHole || base === begin || i === 0) kept.unshift(base);
  }
  return kept;
}

const manifestName =
  (names: Map<BaseManifest, BaseName>) =>
  (base: BaseManifest): string =>
    names.get(base)!.name;

/** Expires the log up to where the first bases begin; of whole folded segments only. */
function cutLog(
  next: Expiry,
  view: LogView,
  first: Instant,
  begins: BaseManifest[],
  now: Instant,
): void {
  const needed = Math.min(first - 1, ...begins.map(({ logFrom }) => logFrom));
  const kept = view.pieces.find(({ to }) => to > needed);
  // The first piece that stays must say what came before it.
  if (kept?.kind !== "folded") return;
  const to = kept.from - 1;
  if (to <= next.logTo || kept === view.pieces[0]) return;
  if (view.holes().some((hole) => hole.from <= to && hole.to > needed)) return;
  next.logTo = to;
  next.cuts = [...next.cuts, { to, at: now }];
}

/** Throws if more would go than what lies before the horizons. */
function refuseLosses(
  now: Map<string, TableCoverage>,
  then: Map<string, TableCoverage>,
  expiry: Expiry,
  pins: Pin[],
): void {
  for (const [table, of] of now) {
    const kept = then.get(table)?.intervals ?? [];
    if (!isDeepStrictEqual(kept, clipped(of, expiry).intervals)) throw losing(table, "its tiers");
    for (const { at, name } of pins) {
      const isLost =
        isExactAt(intervalAt(of, at), at) && !isExactAt(intervalAt({ intervals: kept }, at), at);
      if (isLost) throw losing(table, `the pin ${name} at ${formatInstant(at)}`);
    }
  }
}

function losing(table: string, what: string): ThinkbackError {
  return new ThinkbackError(
    "repository",
    `nothing was expired: it would cost table ${table} what ${what} keep`,
    { hint: "`thinkback verify` says whether something is damaged; please report this otherwise" },
  );
}
