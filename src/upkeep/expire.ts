/**
 * Expires the history that the declared tiers do not keep. Before anything is published, the plan computes what stays
 * restorable, from the store as it would be then. Only sweep.ts acts on what is published, a grace time later.
 *
 * Invariant: nothing is expired that the tiers, a pin or a table's first base needs.
 */

import { isDeepStrictEqual } from "node:util";
import { ThinkbackError } from "../errors.js";
import { hasLeft } from "../format/coverage-record.js";
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
import { firstOf, type Pin } from "../repository/registers/pins.js";
import { RepositoryView } from "../repository/repository-view.js";
import type { ObjectStore } from "../storage/object-store.js";

/** How long a capture takes at most until it has recorded the state of every table that it watches. */
const saysWithinMs = 86_400_000;

export interface ExpiryOptions {
  now: Instant;
  /** The instant from which ages are counted back; see LogAge. */
  aged: Instant;
  /** Undefined if every change is kept for ever; then only bases that nothing needs are expired. */
  tiers: KeepTier[] | undefined;
  pins: Pin[];
}

/** What the expiry does to one table. */
export interface ExpiringTable {
  table: string;
  /** The first instant that is covered now, and the first that will be covered; undefined if none is. */
  from: Instant | undefined;
  fromThen: Instant | undefined;
  /** Manifests of the bases that are expired. */
  bases: string[];
  basesKept: number;
}

export interface ExpiryPlan {
  tables: ExpiringTable[];
  /** What is read no more, and was read before: segments, and manifests of folded segments and bases. */
  names: string[];
  /** To be published; undefined if there is nothing to expire. */
  expiry: Expiry | undefined;
  /** The expiry that counts so far; undefined if nothing was ever expired. */
  before: Expiry | undefined;
  /** Tables that no capture watches any more, and of which nothing is kept. */
  givenUp: string[];
  /** Coverage of every table, as the plan found it. */
  coverage: Map<string, TableCoverage>;
}

/** The first instant that has to stay restorable; undefined if every instant has to. */
export function firstWanted({
  aged,
  tiers,
  pins,
}: Omit<ExpiryOptions, "now">): Instant | undefined {
  const kept = tiers && startOfKept(tiers, aged);
  if (kept === undefined) return undefined;
  return Math.min(kept, ...pins.map(firstOf));
}

/** Plans what to expire, and proves that nothing is lost that has to stay. Throws if something would be. */
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
  for (const [table, found] of coverage) {
    const usable = bases.usable.get(table) ?? [];
    const isOver = first !== undefined && found.intervals.every(({ to }) => to < first);
    const isGone = isOver && (hasLeft(found.state) || isLeftOut(found, view, options.aged));
    if (found.state === "copying" || found.state === "resyncing") isMoving = true;
    // What was expired is never covered again, even if tiers or pins now want more than they did.
    const wanted = first === undefined ? undefined : Math.max(first, horizonOf(view, table));
    const begin = wanted === undefined ? undefined : beginOf(usable, wanted);
    if (isGone) givenUp.push(table);
    if (isGone) next.horizons[table] = { from: wanted!, base: wanted! };
    else if (begin && isDamagedBefore(found, wanted!, begin.instant)) isMoving = true;
    else if (begin) {
      begins.push(begin);
      const from = Math.max(wanted!, begin.instant);
      next.horizons[table] = { from, base: begin.instant };
    } else if (first !== undefined) isMoving = true;
    const holesHere = holes.filter((hole) => hole.table === undefined || hole.table === table);
    const kept = isGone ? [] : keptBases(usable, begin, holesHere, options.aged);
    const expired = usable.filter((base) => !kept.includes(base)).map(manifestName(bases.names));
    for (const name of expired) next.bases[name] = options.now;
    tables.push({
      table,
      from: found.intervals.at(0)?.from,
      fromThen: undefined,
      bases: expired,
      basesKept: kept.length,
    });
  }
  // While a table is copied or resynced, it is not known yet what its next base will need of the log.
  if (first !== undefined && !isMoving) cutLog(next, view, first, begins, options.now);
  const { tables: then } = await (await look.under(next)).coverage();
  for (const table of tables) table.fromThen = then.get(table.table)?.intervals.at(0)?.from;
  refuseLosses(coverage, then, next, options.pins);
  const expiry = isNew(next, view.expiry, tables) ? next : undefined;
  const cut = view.pieces.filter(({ to }) => to <= next.logTo).map(({ name }) => name);
  const names = expiry ? [...cut, ...tables.flatMap((table) => table.bases)] : [];
  return { tables, names, expiry, before: view.expiry, givenUp, coverage };
}

/** True if a wanted instant before `begin` is damaged: what is missing may still be put back or repaired. */
function isDamagedBefore({ intervals }: TableCoverage, wanted: Instant, begin: Instant): boolean {
  const isWanted = (one: CoverageInterval) => one.to >= wanted && one.from < begin;
  return intervals.some((one) => one.class === "damaged" && isWanted(one));
}

/**
 * Publishes the planned expiry, and returns the plan as it was carried out. If a capture has meanwhile opened a table
 * that the plan gives up, the whole expiry is taken back; nothing was deleted because of it yet. A capture that resyncs
 * a table first records that, and then looks whether the base that it begins with was expired. Here the expiry is
 * published first, and then the coverage is read: so one of the two always sees the other.
 * @param at when it is published
 */
export async function publishExpiry(
  repository: Repository,
  plan: ExpiryPlan,
  at = plan.expiry?.at ?? 0,
): Promise<ExpiryPlan> {
  const { store } = repository;
  if (!plan.expiry) return plan;
  await publish(store, expiringAt(plan.expiry, at));
  if (plan.givenUp.length === 0) return plan;
  const { tables: now } = await (await RepositoryView.read(repository)).coverage();
  const isOpened = (table: string) => {
    const found = now.get(table);
    return found !== undefined && found.watched && !hasLeft(found.state);
  };
  if (!plan.givenUp.some(isOpened)) return plan;
  const { number } = plan.expiry;
  await publish(store, { ...nextExpiry(plan.before, at), number: number + 1 });
  const tables = plan.tables.map(({ bases, basesKept, ...table }) => ({
    ...table,
    fromThen: table.from,
    bases: [],
    basesKept: basesKept + bases.length,
  }));
  return { ...plan, tables, names: [], expiry: undefined };
}

/** The same expiry, but the grace time of what it adds begins at `at`: planning it may have taken long. */
function expiringAt(expiry: Expiry, at: Instant): Expiry {
  const added = (since: Instant) => (since === expiry.at ? at : since);
  const times = (names: Record<string, Instant>) =>
    Object.fromEntries(Object.entries(names).map(([name, since]) => [name, added(since)]));
  const { bases, folded } = expiry;
  const cuts = expiry.cuts.map(({ to, at: since }) => ({ to, at: added(since) }));
  return { ...expiry, at, cuts, bases: times(bases), folded: times(folded) };
}

async function publish(store: ObjectStore, expiry: Expiry): Promise<void> {
  const isPut = await putExpiry(store, expiry);
  // Old numbers are deleted, so this number may have been free because greater ones exist.
  if (isPut && (await latestExpiry(store))?.number === expiry.number) return;
  throw new ThinkbackError("fenced", "another process published an expiry meanwhile", {
    hint: "run the command again: it makes a new plan",
  });
}

/** The expiry without the entries whose objects are deleted by now; with them it would grow for ever. */
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

/** True if something is expired that `before` did not expire. */
function isNew(next: Expiry, before: Expiry | undefined, tables: ExpiringTable[]): boolean {
  return (
    next.logTo !== (before?.logTo ?? -1) ||
    tables.some(({ from, fromThen, bases }) => from !== fromThen || bases.length > 0)
  );
}

/**
 * True if the latest capture leaves the table out. A capture that has just begun proves nothing: it may not have
 * recorded yet that it resyncs the table, and it will resync it from the newest base.
 */
function isLeftOut({ watched }: TableCoverage, view: LogView, aged: Instant): boolean {
  const latest = view.claims.at(-1);
  if (watched || !latest) return !watched;
  // The claim's time may come from a wrong clock, and the log's time may jump where the epoch begins.
  const wroteBy = view.wroteBy(latest.epoch);
  return wroteBy !== undefined && wroteBy + saysWithinMs <= aged;
}

/** The first instant of a table that the last expiry left covered; 0 if it took nothing away. */
function horizonOf({ expiry }: LogView, table: string): Instant {
  return expiry?.horizons[table]?.from ?? 0;
}

/** The base that the kept history begins with: the newest at or before `first`, or else the oldest after it. */
function beginOf(usable: BaseManifest[], first: Instant): BaseManifest | undefined {
  return usable.findLast(({ instant }) => instant <= first) ?? usable[0];
}

/**
 * The bases of a table that stay: none before `begin`, but `begin` itself. A restore begins with the last base before
 * its instant; the older the instant, the farther away that base may be. So a base is expired if the next newer base
 * that stays is newer by less than a quarter of the base's age. Two kinds of bases stay nevertheless: a copied base,
 * because it alone holds what changed in the gap before it; and the first base after a hole in the log, because no
 * older base leads across the hole. Without `begin` the oldest base stays too.
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

/** Expires the log before what the first bases need; it ends right before a folded segment. */
function cutLog(
  next: Expiry,
  view: LogView,
  first: Instant,
  begins: BaseManifest[],
  now: Instant,
): void {
  const needed = Math.min(first - 1, ...begins.map(({ logFrom }) => logFrom));
  const kept = view.pieces.find(({ to }) => to > needed);
  // The first piece that stays must say what came before it: only a folded segment does.
  if (kept?.kind !== "folded") return;
  const to = kept.from - 1;
  if (to <= next.logTo || kept === view.pieces[0]) return;
  if (view.holes().some((hole) => hole.from <= to && hole.to > needed)) return;
  next.logTo = to;
  next.cuts = [...next.cuts, { to, at: now }];
}

/** Throws if a table would lose more than `expiry` says, or a pinned instant that is exact now. */
function refuseLosses(
  now: Map<string, TableCoverage>,
  then: Map<string, TableCoverage>,
  expiry: Expiry,
  pins: Pin[],
): void {
  for (const [table, found] of now) {
    const kept = then.get(table)?.intervals ?? [];
    if (!isDeepStrictEqual(kept, clipped(found, expiry).intervals))
      throw losing(table, "its tiers");
    const isLost = (at: Instant) =>
      isExactAt(intervalAt(found, at), at) && !isExactAt(intervalAt({ intervals: kept }, at), at);
    for (const { at, days, name } of pins) {
      const lost = [at, days?.from ?? at, days?.to ?? at].find(isLost);
      if (lost !== undefined) throw losing(table, `the pin ${name}, for ${formatInstant(lost)}`);
    }
  }
}

function losing(table: string, keeper: string): ThinkbackError {
  return new ThinkbackError(
    "repository",
    `nothing was expired: table ${table} would lose instants that ${keeper} must keep`,
    { hint: "run `thinkback verify`; if it finds no damage, please report this" },
  );
}
