/**
 * Which tables a lane's capture watches. When a table belongs to another lane now, that lane's capture copies it, and
 * this one stays with it until the copy is complete and more is proven there.
 *
 * Invariant: a table leaves a lane only when the other lane has it live, proven from an instant on that is proven here
 * too. Break it and each change of the number of lanes leaves a gap.
 */
import type { Clock } from "../clock.js";
import { isDamage } from "../errors.js";
import type { Repository } from "../format/description.js";
import type { Instant } from "../instant.js";
import { isWhole, type TableCoverage } from "../repository/coverage/coverage.js";
import { laneIn, laneOfTable } from "../repository/lanes.js";
import { idlePaceMs } from "../repository/registers/idle-pace.js";
import { RepositoryView } from "../repository/repository-view.js";
import { failureOf } from "../storage/object-store.js";
import type { CapturedTables } from "./captured-tables.js";

/** How often it is looked whether tables have arrived in their lanes, while some are on their way. */
const lookEveryMs = 5000;
/** A capture that runs has stored a proof that is at most so much older than the pace of its segments. */
const provenWithinMs = 20_000;
/**
 * A table is proven in its lane for so long before it leaves another one: a claim may disown what came within the last
 * half minute before it (claim-epoch.ts).
 */
const settledMs = 30_000;

/** A table that another lane has. */
export interface Arrival {
  lane: number;
  /** From when on it is known there without a gap. */
  since: Instant;
}

export class LaneTables {
  /** The lanes of tables, for so many lanes. */
  private readonly known = new Map<string, number>();
  private knownFor = 0;

  /** @param lanes gives the number of lanes in which tables are captured now */
  constructor(
    private readonly root: Repository,
    readonly number: number,
    private readonly lanes: () => number,
  ) {}

  belongs(table: string): boolean {
    return this.laneOf(table) === this.number;
  }

  /** The lane that a table belongs to. Each reading of the catalog asks this of every table, and hashing takes time. */
  private laneOf(table: string): number {
    const lanes = this.lanes();
    if (lanes !== this.knownFor) this.known.clear();
    this.knownFor = lanes;
    const known = this.known.get(table) ?? laneOfTable(table, lanes);
    this.known.set(table, known);
    return known;
  }

  /** True if no table belongs to the lane any more. */
  get isRetired(): boolean {
    return this.number >= this.lanes();
  }

  /**
   * Those of the tables that the lane they belong to has, and where more is proven of them now.
   * @param now the time of the own log
   */
  async arrivals(tables: readonly string[], now: Instant): Promise<Map<string, Arrival>> {
    const arrivals = new Map<string, Arrival>();
    const lanes = new Set(tables.map((table) => this.laneOf(table)));
    for (const number of lanes) {
      const lane = number === this.number ? undefined : await laneIn(this.root, number);
      if (!lane) continue;
      const coverage = await (await RepositoryView.read(lane)).coverage();
      for (const table of tables) {
        const stretch = liveStretch(coverage.tables.get(table));
        if (!stretch || this.laneOf(table) !== number) continue;
        const { since, frontier } = stretch;
        const isOld = frontier + idlePaceMs(lane.store) + provenWithinMs < now;
        if (frontier - since < settledMs || isOld) continue;
        arrivals.set(table, { lane: number, since });
      }
    }
    return arrivals;
  }

  /**
   * Lets tables go that have arrived in another lane, until the signal aborts.
   * @returns true if the lane is retired and has no table left
   */
  async follow(
    tables: CapturedTables,
    logTime: () => Instant,
    clock: Clock,
    signal: AbortSignal,
  ): Promise<boolean> {
    while (!signal.aborted) {
      const leaving = tables.ids.filter((id) => !this.belongs(id));
      if (leaving.length > 0) await this.letGo(tables, leaving, logTime).catch(ifNotNow);
      else if (this.isRetired && tables.isAtRest) return true;
      await clock.sleep(lookEveryMs, signal).catch(() => undefined);
    }
    return false;
  }

  private async letGo(
    tables: CapturedTables,
    leaving: string[],
    logTime: () => Instant,
  ): Promise<void> {
    for (const [id, { lane, since }] of await this.arrivals(leaving, logTime())) {
      const provenTo = tables.provenTo(id);
      if (provenTo !== undefined && provenTo >= since) await tables.move(id, lane, provenTo);
    }
  }
}

/** A store that fails now is asked again, and so is a lane of which an object is damaged: its tables stay here. */
export function ifNotNow(error: unknown): undefined {
  if (!isDamage(error) && failureOf(error) !== "unavailable") throw error;
}

/** The stretch in which a live table is known up to its frontier. */
function liveStretch(
  coverage: TableCoverage | undefined,
): { since: Instant; frontier: Instant } | undefined {
  const last = coverage?.intervals.at(-1);
  if (!coverage || coverage.state !== "live" || !coverage.watched || !isWhole(last))
    return undefined;
  return { since: last!.from, frontier: last!.to };
}
