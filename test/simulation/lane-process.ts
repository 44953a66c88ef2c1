/** One process that shares the lanes of a repository with others: the real LaneKeeper, on a simulated machine. */
import { LaneKeeper } from "../../src/capture/lane-keeper.js";
import { recorderDefaults } from "../../src/capture/recorder.js";
import { tellingAll } from "../../src/cli/lane-observers.js";
import type { Clock } from "../../src/clock.js";
import { messageOf } from "../../src/errors.js";
import { Facts } from "../../src/health/facts.js";
import type { Owner } from "../../src/owner.js";
import { idlePaceMs } from "../../src/repository/registers/idle-pace.js";
import { type Coordinator, StoredMembers } from "../../src/repository/registers/members.js";
import { openRepository } from "../../src/repository/repository.js";
import { RethinkSource } from "../../src/rethinkdb/rethink-source.js";
import type { ObjectStore } from "../../src/storage/object-store.js";
import type { Cluster } from "../simulated/cluster.js";
import type { Random } from "../simulated/random.js";
import { ProcessLife, SimulatedClock, type WallClock } from "./process-life.js";
import type { VirtualTime } from "./virtual-time.js";
import { chunked, dial, observer } from "./writer-process.js";

/** What a coordinator is made of. */
export interface Coordinated {
  life: ProcessLife;
  clock: Clock;
  owner: Owner;
}

export interface LaneProcessSetup {
  number: number;
  time: VirtualTime;
  wall: WallClock;
  cluster: Pick<Cluster, "open">;
  /** The store as the process sees it. */
  store: (life: ProcessLife) => ObjectStore;
  takeOver?: boolean;
  standby?: boolean;
  /** True for a table to be captured; all are, if absent. */
  selects?: (db: string, table: string) => boolean;
  random: Random;
  /** True if a process with this number runs; all seem to, if absent: they are on other machines. */
  isAlive?: (process: number) => boolean;
  wrapCoordinator?: (coordinator: StoredMembers, of: Coordinated) => Coordinator;
  onTrace?: (line: string) => void;
}

export class LaneProcess {
  readonly life: ProcessLife;
  readonly number: number;
  /** Why it ended; null if in order; undefined while it runs. */
  outcome: Error | null | undefined;
  keeper: LaneKeeper | undefined;
  /** What it knows of its own work. */
  readonly facts: Facts;
  private readonly stop = new AbortController();

  constructor(setup: LaneProcessSetup) {
    this.number = setup.number;
    this.life = new ProcessLife(setup.time);
    this.facts = new Facts(new SimulatedClock(this.life, setup.wall));
    void this.run(setup);
  }

  get running(): boolean {
    return !this.life.dead && this.outcome === undefined;
  }

  /** True while it captures the lane, or tries to. */
  has(lane: number): boolean {
    const known = this.facts.lanes.get(lane);
    return known !== undefined && known.beginsLater === undefined;
  }

  /** Like SIGTERM. */
  stopInOrder(): void {
    this.life.happen(() => this.stop.abort(new Error("received SIGTERM")));
  }

  private async run(setup: LaneProcessSetup): Promise<void> {
    const { life } = this;
    const { number, cluster, random, takeOver = false, standby = false } = setup;
    const clock = new SimulatedClock(life, setup.wall);
    const store = setup.store(life);
    const trace = (what: string) => setup.onTrace?.(`process ${number}: ${what}`);
    // Each process is in a space of its own, as in a container: nobody can tell whether it lives.
    const owner = {
      host: "alpha",
      process: 1,
      space: `space-${number}`,
      isAlive: setup.isAlive ?? (() => true),
    };
    try {
      const repository = await openRepository(store);
      const members = new StoredMembers(store, clock, owner, `p${number}`);
      const coordinator = setup.wrapCoordinator?.(members, { life, clock, owner }) ?? members;
      this.keeper = new LaneKeeper(repository, clock, coordinator, {
        openSource: () =>
          chunked(new RethinkSource("simulated", () => dial(cluster, life), clock), 10),
        observer: (lane) => {
          const traced = observer({
            onState: (table, state) => trace(`lane ${lane}: ${table} is ${state}`),
            onStopped: (table, error) => {
              throw new Error(`a defect stopped ${table}: ${messageOf(error)}`);
            },
          });
          return tellingAll([traced, this.facts.observer(lane)]);
        },
        capture: () => ({
          ...recorderDefaults,
          idleSegmentMs: idlePaceMs(store),
          selects: setup.selects ?? (() => true),
          once: false,
          copiesAtOnce: 2,
          bothEndsFrom: 1000,
          acceptCluster: false,
          forgetServers: [],
          takeOver,
          standby,
          trustClock: true,
          owner,
          spool: undefined,
          random: () => random.next(),
          reopen: () => openRepository(store),
        }),
        reopen: () => openRepository(store),
      });
      await this.keeper.run(this.stop.signal);
      this.outcome = null;
    } catch (error) {
      this.outcome = error instanceof Error ? error : new Error(messageOf(error));
    }
    trace(`ends: ${this.outcome?.message ?? "in order"}`);
    life.kill();
  }
}
