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
import { RepositoryView } from "../repository/repository-view.js";
import { failureOf } from "../storage/object-store.js";
import type { CapturedTables } from "./captured-tables.js";

/** How often it is looked whether tables have arrived in their lanes, while some are on their way. */
const lookEveryMs = 5000;
/** A capture that runs proves something at least this often. */
const provenWithinMs = 30_000;
/**
 * A table is proven in its lane for so long before it leaves another one: a claim may disown what came within the last
 * half minute before it (claim-epoch.ts).
 */
const settledMs = 30_000;

/** A table that another lane has. */
export interface Arrival {
  lane: number;
  /** From when on it is known there without a gap, and up to when. */
  since: Instant;
  frontier: Instant;
}

export class LaneTables {
  /** @param lanes gives the number of lanes in which tables are captured now */
  constructor(
    private readonly root: Repository,
    readonly number: number,
    private readonly lanes: () => number,
  ) {}

  belongs(table: string): boolean {
    return laneOfTable(table, this.lanes()) === this.number;
  }

  /** True if no table belongs to the lane any more. */
  get isRetired(): boolean {
    return this.number >= this.lanes();
  }

  /** Those of the tables that the lane they belong to has. */
  async arrivals(tables: readonly string[]): Promise<Map<string, Arrival>> {
    const arrivals = new Map<string, Arrival>();
    const lanes = new Set(tables.map((table) => laneOfTable(table, this.lanes())));
    for (const number of lanes) {
      const lane = number === this.number ? undefined : await laneIn(this.root, number);
      if (!lane) continue;
      const coverage = await (await RepositoryView.read(lane)).coverage();
      for (const table of tables) {
        const since = liveSince(coverage.tables.get(table));
        if (since === undefined || laneOfTable(table, this.lanes()) !== number) continue;
        arrivals.set(table, { lane: number, ...since });
      }
    }
    return arrivals;
  }

  /**
   * Lets tables go that have arrived in another lane, until the signal aborts.
   * @returns true if the lane is retired and has no table left
   */
  async follow(tables: CapturedTables, clock: Clock, signal: AbortSignal): Promise<boolean> {
    while (!signal.aborted) {
      const leaving = tables.ids.filter((id) => !this.belongs(id));
      if (leaving.length > 0) await this.letGo(tables, leaving).catch(ifNotNow);
      else if (this.isRetired && tables.isComplete) return true;
      await clock.sleep(lookEveryMs, signal).catch(() => undefined);
    }
    return false;
  }

  private async letGo(tables: CapturedTables, leaving: string[]): Promise<void> {
    for (const [id, arrival] of await this.arrivals(leaving)) {
      const provenTo = tables.provenTo(id);
      if (provenTo === undefined || provenTo < arrival.since) continue;
      if (arrival.frontier - arrival.since < settledMs) continue;
      // Where it is captured nothing may be proven any more: then it stays here.
      if (arrival.frontier + provenWithinMs < provenTo) continue;
      await tables.move(id, arrival.lane, provenTo);
    }
  }
}

/** A store that fails now is asked again, and so is a lane of which an object is damaged: its tables stay here. */
export function ifNotNow(error: unknown): undefined {
  if (!isDamage(error) && failureOf(error) !== "unavailable") throw error;
}

/** The stretch in which a live table is known up to its frontier. */
function liveSince(
  coverage: TableCoverage | undefined,
): Pick<Arrival, "since" | "frontier"> | undefined {
  const last = coverage?.intervals.at(-1);
  if (!coverage || coverage.state !== "live" || !coverage.watched || !isWhole(last))
    return undefined;
  return { since: last!.from, frontier: last!.to };
}
