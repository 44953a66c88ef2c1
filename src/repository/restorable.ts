/**
 * Finds instants that can really be restored: those at which everything that a restore uses is exact, or of a class
 * that will do. A restore uses its tables, the catalog and, for a whole cluster, access. All code that names or chooses
 * an instant uses this.
 */
import { isDamage } from "../errors.js";
import { type CoverageClass, hasLeft } from "../format/coverage-record.js";
import type { Instant } from "../instant.js";
import { catalogInScope } from "./catalog-in-scope.js";
import { catalogFor } from "./coverage/catalog-for.js";
import {
  type CoverageInterval,
  firstExactIn,
  lastExactIn,
  type TableCoverage,
} from "./coverage/coverage.js";
import type { Coverage } from "./coverage/coverage-reader.js";
import type { RepositoryView } from "./repository-view.js";

/** What a restore is to contain: all tables if neither tables nor databases are named. */
export interface Scope {
  /** Names as they were at the instant, each "db.table". */
  tables: string[];
  databases: string[];
  /** True to include users and grants. */
  access: boolean;
}

type Intervals = Pick<TableCoverage, "intervals">;
type Classes = readonly CoverageClass[];

/** The classes that will do by default. */
const exactOnly: Classes = ["exact"];

/** How many instants one search checks at most, because each check reads the catalog. */
const looksMax = 200;

export class Restorable {
  private readonly isNamed: boolean;
  /** True if the catalog, or access, need not have been read ever. */
  private readonly isLenient: boolean;

  /** @param classes the classes that will do at an instant, for everything that the restore uses */
  constructor(
    private readonly view: RepositoryView,
    private readonly coverage: Coverage,
    private readonly scope: Scope,
    private readonly classes: Classes = exactOnly,
  ) {
    this.isNamed = scope.tables.length > 0;
    this.isLenient = classes.some((one) => one !== "exact");
  }

  /** The nearest restorable instant at or before `instant`, and the nearest at or after it, as far as there are any. */
  async nearest(instant: Instant): Promise<Instant[]> {
    const found = [await this.atOrBefore(instant), await this.atOrAfter(instant)];
    return found.filter((one) => one !== undefined);
  }

  /**
   * The newest restorable instant at or before `instant` at which no table is left out that a restore to `instant`
   * would use. Undefined if none is found.
   */
  async atOrBefore(instant: Instant): Promise<Instant | undefined> {
    const chosen = await this.chosenAt(instant);
    const tables = this.capturedOf(chosen ?? [], instant) ?? [];
    let at: Instant | undefined = instant;
    for (let looks = 0; at !== undefined && looks < looksMax; looks += 1) {
      const used = await this.usedAt(at, chosen?.length !== 0);
      const last: Common | undefined = used && lastCommon(used.all, at, this.classes);
      if (last?.isCommon && last.at === at) {
        const isWhole = this.isNamed || tables.every((of) => capturedAt(of, last.at));
        return isWhole ? at : undefined;
      }
      if (last && last.at < at) at = last.at;
      else if (used && !this.isNamed) return undefined;
      else at = this.endBefore(at);
    }
    return undefined;
  }

  /** The first restorable instant at or after `instant`; undefined if none is found. */
  async atOrAfter(instant: Instant): Promise<Instant | undefined> {
    const chosen = await this.chosenAt(instant);
    let at: Instant | undefined = instant;
    for (let looks = 0; at !== undefined && looks < looksMax; looks += 1) {
      const used = await this.usedAt(at, chosen?.length !== 0);
      const first: Common | undefined = used && firstCommon(used.all, at, this.classes);
      if (first?.isCommon && first.at === at) return at;
      if (first && first.at > at) at = first.at;
      else at = used ? this.afterLacking(used, at) : this.beginAfter(at);
    }
    return undefined;
  }

  /**
   * What a restore to `instant` uses; undefined if there can be no such restore.
   * @param needsTables false if the scope has no table, because only databases are to be restored
   */
  private async usedAt(instant: Instant, needsTables: boolean): Promise<Used | undefined> {
    const { access } = this.coverage;
    const catalog = await catalogInScope(this.view, this.coverage, this.scope, instant);
    const system = this.scope.access ? [catalog, access] : [catalog];
    if (system.includes(undefined) && !this.isLenient) return undefined;
    const chosen = await this.chosenAt(instant);
    const tables = chosen && this.capturedOf(chosen, instant);
    if (!tables || (tables.length === 0 && needsTables)) return undefined;
    return { tables, all: [...tables, ...system.filter((of) => of !== undefined)] };
  }

  /**
   * The tables, of those in `chosen`, that a restore takes; undefined if the scope names one that was never captured.
   */
  private capturedOf(chosen: string[], instant: Instant): TableCoverage[] | undefined {
    const found = chosen.map((id) => this.coverage.tables.get(id)).filter((of) => of !== undefined);
    if (!this.isNamed) return found.filter((of) => capturedAt(of, instant));
    return found.length < chosen.length ? undefined : found;
  }

  /**
   * Ids of the tables in the scope. Undefined if the scope names a table or database that did not exist then, or if the
   * catalog of then is not known.
   */
  private async chosenAt(instant: Instant): Promise<string[] | undefined> {
    const { tables: names, databases } = this.scope;
    try {
      const catalog = await this.view.catalog(instant);
      if (catalog.records.size === 0) return undefined;
      const tables = catalog.tables();
      if (this.isNamed) {
        const named = names.map((name) => tables.find((one) => `${one.db}.${one.name}` === name));
        return named.every((one) => one !== undefined) ? named.map(({ id }) => id) : undefined;
      }
      const there = new Set(catalog.databases().map(({ name }) => name));
      if (!databases.every((name) => there.has(name))) return undefined;
      const chosen = tables.filter(({ db }) => databases.length === 0 || databases.includes(db));
      return chosen.map(({ id }) => id);
    } catch (error) {
      if (isDamage(error)) return undefined;
      throw error;
    }
  }

  /** The next instant to try, at which the tables that have nothing at or after `at` may be gone; undefined if none. */
  private afterLacking({ tables, all }: Used, at: Instant): Instant | undefined {
    const lacking = all.filter((of) => firstIn(of, at, this.classes) === undefined);
    const isLeft = (of: TableCoverage) => of.watched && !hasLeft(of.state);
    if (lacking.some((of) => !tables.includes(of) || isLeft(of))) return undefined;
    const end = Math.max(...lacking.map(({ intervals }) => intervals.at(-1)?.to ?? at));
    return end > at ? end : this.view.log.pieces.find(({ to }) => to > at)?.to;
  }

  private endBefore(instant: Instant): Instant | undefined {
    const ends = this.good().map(({ to }) => to);
    return ends.reduce<Instant | undefined>(
      (last, to) => (to < instant && to > (last ?? -1) ? to : last),
      undefined,
    );
  }

  private beginAfter(instant: Instant): Instant | undefined {
    const begins = this.good().map(({ from }) => from);
    return begins.reduce<Instant | undefined>(
      (first, from) => (from > instant && from < (first ?? Infinity) ? from : first),
      undefined,
    );
  }

  private good(): CoverageInterval[] {
    const { tables } = this.coverage;
    const catalog = catalogFor(this.coverage);
    const all = [...tables.values(), ...(catalog ? [catalog] : [])];
    return all.flatMap(({ intervals }) => intervals.filter((one) => this.isGood(one)));
  }

  private isGood(interval: CoverageInterval): boolean {
    return this.classes.includes(interval.class);
  }
}

interface Used {
  tables: TableCoverage[];
  /** The tables, the catalog, and access if that is used. */
  all: TableCoverage[];
}

/**
 * False if a restore of everything leaves the table out at `instant`: its first copy was not complete yet, or the table
 * was no longer captured. True in a gap, because there the table should have been watched.
 */
export function capturedAt(coverage: TableCoverage | undefined, instant: Instant): boolean {
  const [first, last] = [coverage?.intervals.at(0), coverage?.intervals.at(-1)];
  if (!coverage || !first || !last || instant < first.from) return false;
  return coverage.watched || coverage.isExpected === true || instant <= last.to;
}

/** The result of a search in several coverages. */
interface Common {
  at: Instant;
  /** False if one of them has no good instant from `at` on; then `at` is only how far the search came. */
  isCommon: boolean;
}

/** The last instant at or before `instant` that is of a class that will do, and kept, in all coverages. */
export function lastCommon(
  of: Intervals[],
  instant: Instant,
  classes: Classes = exactOnly,
): Common {
  return settled(instant, (at) => of.map((one) => lastIn(one, at, classes)), Math.min);
}

/** The same for the first instant at or after `instant`. */
export function firstCommon(
  of: Intervals[],
  instant: Instant,
  classes: Classes = exactOnly,
): Common {
  return settled(instant, (at) => of.map((one) => firstIn(one, at, classes)), Math.max);
}

function settled(
  instant: Instant,
  look: (at: Instant) => (Instant | undefined)[],
  farthest: (...instants: Instant[]) => Instant,
): Common {
  for (let at = instant; ; ) {
    const found = look(at);
    if (found.includes(undefined)) return { at, isCommon: false };
    const next = farthest(at, ...(found as Instant[]));
    if (next === at) return { at, isCommon: true };
    at = next;
  }
}

function lastIn({ intervals }: Intervals, instant: Instant, classes: Classes): Instant | undefined {
  for (const interval of intervals.toReversed()) {
    if (interval.from > instant || !classes.includes(interval.class)) continue;
    const found = lastExactIn(interval, instant);
    if (found !== undefined) return found;
  }
  return undefined;
}

function firstIn(
  { intervals }: Intervals,
  instant: Instant,
  classes: Classes,
): Instant | undefined {
  for (const interval of intervals) {
    if (interval.to < instant || !classes.includes(interval.class)) continue;
    const found = firstExactIn(interval, instant);
    if (found !== undefined) return found;
  }
  return undefined;
}
