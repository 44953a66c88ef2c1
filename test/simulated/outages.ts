/** What of the cluster is out of order at the moment, as faults set it. */
import type { Reach } from "./reach.js";
import { NotYet } from "./reql-error.js";
import type { Timers } from "./timers.js";

/** How often a query that waits looks whether it may go on. */
export const LOOK_AGAIN_MS = 50;

/** The system tables that are put together from the answers of all members. */
const gatheredTables = ["table_config", "table_status", "stats", "jobs"];

/** What of these asks every replica of a table, also for one row. */
const askingReplicas = ["table_status", "info", "index_status"];

export class Outages {
  /** System tables that nobody may read. */
  readonly refusedReadings = new Set<string>();
  /** How long a reading of a system table takes, by its name. */
  readonly slowReadings = new Map<string, number>();
  /** How long the others wait for a member that is frozen; 0: none is. */
  frozenMemberMs = 0;
  readonly #timers: Timers;
  readonly #alone: () => boolean;

  /** @param alone whether the server is cut off from others and has not noticed */
  constructor(timers: Timers, alone: () => boolean) {
    this.#timers = timers;
    this.#alone = alone;
  }

  /** @throws {NotYet} while a query that was sent then has to wait for what it reads */
  checkReadings({ readings }: Reach, sentMs: number): void {
    const asksOthers = readings.some(
      ({ table, whole }) =>
        askingReplicas.includes(table) || (["stats", "jobs"].includes(table) && whole),
    );
    if (asksOthers && this.#alone()) throw new NotYet(LOOK_AGAIN_MS);
    const delays = readings.map(({ table, whole }) => {
      const slowMs = this.slowReadings.get(table) ?? 0;
      return whole && gatheredTables.includes(table)
        ? Math.max(slowMs, this.frozenMemberMs)
        : slowMs;
    });
    const leftMs = sentMs + Math.max(0, ...delays) - this.#timers.now();
    if (leftMs > 0) throw new NotYet(Math.min(leftMs, LOOK_AGAIN_MS));
  }
}
