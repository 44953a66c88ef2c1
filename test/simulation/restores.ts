/**
 * Restores that take their time while maintenance goes on: they plan, note that they read, read the log, and at last the
 * base. Some only read within the grace time, and say nothing of it.
 */

import { messageOf, ThinkbackError } from "../../src/errors.js";
import type { RepositoryDescription } from "../../src/format/description.js";
import { mergeLatest } from "../../src/format/merge.js";
import { baseCursor } from "../../src/repository/bases/base-reader.js";
import { LogView } from "../../src/repository/log/log-view.js";
import { type PlacedHold, placeHold } from "../../src/repository/registers/holds.js";
import { failureOf, type ObjectStore } from "../../src/storage/object-store.js";
import { collect, planRestore } from "../repository/looks.js";
import { decodeWtf8 } from "../simulated/wtf8.js";
import type { FaultyWorld } from "./faults.js";
import { graceMs } from "./maintainers.js";
import { type ProcessLife, SimulatedClock, WallClock } from "./process-life.js";

/** What one restore is asked for: a table that is exact then, by its name then, and what it holds. */
export interface Asked {
  table: string;
  name: string;
  instant: number;
  state: Map<string, string>;
}

export interface RestoresSetup {
  world: FaultyWorld;
  process: () => { life: ProcessLife; store: ObjectStore };
  description: RepositoryDescription;
  /** False if a maintenance since then was permitted to let the instant go. */
  keeps: (instant: number, sinceMs: number) => boolean;
  onRestored: (asked: Asked, state: Map<string, string>) => void;
  /** Told of a failure that nothing explains. */
  onWrong: (what: string) => void;
}

export class Restores {
  /** How many came to their end, with a hold and without. */
  readonly ended = { held: 0, quiet: 0 };
  private readonly wall: WallClock;
  private started = 0;

  constructor(private readonly setup: RestoresSetup) {
    this.wall = new WallClock(setup.world.time);
  }

  begin(asked: Asked): void {
    const { world, keeps, onRestored, onWrong } = this.setup;
    const askedMs = world.time.nowMs;
    this.started += 1;
    const unique = `r${this.started}`;
    const isHeld = world.random.next() < 0.6;
    const { life, store } = this.setup.process();
    world.trace(`${unique} restores ${asked.name} at ${asked.instant}${isHeld ? ", held" : ""}`);
    let isExcused = false;
    const clock = new SimulatedClock(life, this.wall);
    const place = () => placeHold(store, clock, unique, asked.instant, () => (isExcused = true));
    this.restore(asked, store, clock, isHeld ? place : undefined)
      .then((state) => {
        world.trace(`${unique} ended`);
        this.ended[isHeld ? "held" : "quiet"] += 1;
        onRestored(asked, state);
      })
      .catch((error: unknown) => {
        world.trace(`${unique} failed: ${messageOf(error)}`);
        if (isExcused || failureOf(error) === "unavailable") return;
        // It was thinned, or expired, before the restore had planned.
        if (isRefused(error) && !keeps(asked.instant, askedMs)) return;
        onWrong(`${unique} failed: ${(error as Error).stack}`);
      })
      .finally(() => life.kill());
  }

  /** As `thinkback restore` does it, but for the target. */
  private async restore(
    { table, name, instant }: Asked,
    store: ObjectStore,
    clock: SimulatedClock,
    place: (() => Promise<PlacedHold>) | undefined,
  ): Promise<Map<string, string>> {
    const repository = { store, description: this.setup.description };
    const request = { at: instant, tables: [name], databases: [], renames: new Map() };
    const plan = await planRestore(repository, {
      ...request,
      allowInexact: false,
      nearest: false,
    });
    const hold = await place?.();
    try {
      const { base } = plan.tables[0]!;
      await clock.sleep(this.pauseMs(place !== undefined));
      const log = await collect(
        new LogView(store, plan.logs.get(0)!),
        [{ table, after: base.logFrom }],
        instant,
      );
      try {
        await clock.sleep(this.pauseMs(place !== undefined));
        const state = new Map<string, string>();
        for await (const winners of mergeLatest([baseCursor(store, base), ...log.cursors(table)])) {
          for (const { version } of winners) {
            if (version.document) state.set(decodeWtf8(version.key), decodeWtf8(version.document));
          }
        }
        return state;
      } finally {
        await log.dispose();
      }
    } finally {
      await hold?.end();
    }
  }

  /** A restore without a hold must be done before anything is deleted that was there when it planned. */
  private pauseMs(isHeld: boolean): number {
    const { random } = this.setup.world;
    if (!isHeld) return random.next() * (graceMs / 4);
    return random.next() * (random.next() < 0.5 ? 60_000 : 100_000_000);
  }
}

function isRefused(error: unknown): boolean {
  return error instanceof ThinkbackError && error.code === "instant";
}
