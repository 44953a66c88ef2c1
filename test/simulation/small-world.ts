/** A cluster and processes in virtual time without chance: for tests of one thing. */
import { messageOf } from "../../src/errors.js";
import { MemoryStore } from "../../src/storage/memory-store.js";
import type { ObjectStore } from "../../src/storage/object-store.js";
import { Cluster } from "../simulated/cluster.js";
import { Random } from "../simulated/random.js";
import { ProcessLife, SimulatedClock, WallClock } from "./process-life.js";
import { VirtualTime } from "./virtual-time.js";
import { WriterProcess, type WriterSetup } from "./writer-process.js";

export class SmallWorld {
  readonly time = new VirtualTime();
  readonly wall = new WallClock(this.time);
  readonly cluster = new Cluster({ timers: this.time.timers, otherServers: ["simulated_2"] });
  readonly store: ObjectStore = new MemoryStore();
  /** What a writer's tables went through, as "name is state". */
  readonly states: string[] = [];
  /** The defects that have stopped tables, as "name: message". */
  readonly stopped: string[] = [];
  private writers = 0;

  /** A process, and its clock. */
  process(): { life: ProcessLife; clock: SimulatedClock } {
    const life = new ProcessLife(this.time);
    return { life, clock: new SimulatedClock(life, this.wall) };
  }

  startWriter(setup: Partial<WriterSetup> = {}): WriterProcess {
    this.writers += 1;
    return new WriterProcess({
      number: this.writers,
      host: "alpha",
      life: new ProcessLife(this.time),
      wall: this.wall,
      cluster: this.cluster,
      store: this.store,
      spool: undefined,
      description: { id: "small-world", created: 0 },
      takeOver: false,
      random: new Random(1),
      isAlive: () => false,
      chunkDocuments: 10,
      wrapSource: (source) => source,
      onState: (table, state) => this.states.push(`${table} is ${state}`),
      onStopped: (table, error) => this.stopped.push(`${table}: ${messageOf(error)}`),
      ...setup,
    });
  }

  async pass(ms: number): Promise<void> {
    await this.time.runUntil(this.time.nowMs + ms);
  }
}
