/** Reads the logs that a plan needs, of each lane that one of its tables is restored from. */
import { clearAfter } from "../errors.js";
import type { Repository } from "../format/description.js";
import type { VersionCursor } from "../format/merge.js";
import { baseCursor } from "../repository/bases/base-reader.js";
import { knownKeys } from "../repository/bases/known-state.js";
import { laneStore, nameInWhole } from "../repository/lanes.js";
import { LogView } from "../repository/log/log-view.js";
import { type CollectOptions, LogCollection } from "../repository/log/runs.js";
import type { ObjectStore } from "../storage/object-store.js";
import { type PlannedTable, type RestorePlan, wantedOf } from "./plan.js";

/** The logs of a plan. Dispose of it after use. */
export class PlannedLog {
  private readonly logs = new Map<number, LogCollection>();

  private constructor(
    private readonly root: ObjectStore,
    private readonly options: CollectOptions,
  ) {}

  static async read(
    { store }: Repository,
    plan: RestorePlan,
    options: CollectOptions,
  ): Promise<PlannedLog> {
    const planned = new PlannedLog(store, options);
    try {
      for (const [lane, read] of plan.logs) {
        const view = new LogView(laneStore(store, lane), read);
        const reading = LogCollection.read(view, wantedOf(plan, lane), plan.instant, options);
        const log = await reading.catch((error: unknown) => {
          throw nameInWhole(error, lane);
        });
        planned.logs.set(lane, log);
      }
      return planned;
    } catch (error) {
      await clearAfter(error, () => planned.dispose());
      throw error;
    }
  }

  /** Cursors over the base and the log of a table; over the wanted keys, if the log was read for these. */
  cursors({ lane, base, config }: PlannedTable): VersionCursor[] {
    const log = this.logs.get(lane)!;
    const filter = this.options.filterOf?.(config.id);
    return [baseCursor(laneStore(this.root, lane), base, filter), ...log.cursors(config.id)];
  }

  /** The keys of the table's documents and their digests; see knownKeys. */
  keys({ lane, base }: PlannedTable): ReturnType<typeof knownKeys> {
    return knownKeys(laneStore(this.root, lane), base, this.logs.get(lane)!);
  }

  async dispose(): Promise<void> {
    for (const log of this.logs.values()) await log.dispose();
  }
}
