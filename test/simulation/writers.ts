/** The processes that capture: started, killed, frozen, replaced, as machines and operators do. */

import type { Spool } from "../../src/capture/shipper.js";
import { ThinkbackError } from "../../src/errors.js";
import type { RepositoryDescription } from "../../src/format/description.js";
import { parseManifestName } from "../../src/format/names.js";
import { ConnectionLost, ReqlError } from "../../src/rethinkdb/response.js";
import { ForeignCluster, type Source } from "../../src/rethinkdb/source.js";
import type { Role } from "../../src/sealing/key-set.js";
import { MemoryStore } from "../../src/storage/memory-store.js";
import { failureOf, type ObjectStore } from "../../src/storage/object-store.js";
import { impatient, type Patience, RetryingStore } from "../../src/storage/retrying-store.js";
import { HostileStore } from "../storage/hostile-store.js";
import type { Faults, FaultyWorld } from "./faults.js";
import { overriding } from "./overriding.js";
import { ProcessLife, SimulatedClock, WallClock } from "./process-life.js";
import { WriterProcess } from "./writer-process.js";

interface Machine {
  host: string;
  wall: WallClock;
  /** Survives the processes of its machine. */
  spool: Spool | undefined;
}

/** How a process may end: what is nobody's fault but the world's. */
export type EndKind = "in order" | "fenced" | "source" | "stranger" | "store" | "wrong";

const slowCopyShare = 0.3;
/** How many processes are connected through a proxy. */
const proxyShare = 0.2;
const slowCopyMsMax = 40_000;

/** By then a writer has claimed its epoch and written what state its tables are in. */
const feetMs = 15_000;

export interface WritersSetup {
  world: FaultyWorld;
  faults: Faults;
  store: ObjectStore;
  /** The store as somebody with a key of that role sees it. */
  seal: (store: ObjectStore, role: Role) => ObjectStore;
  description: RepositoryDescription;
  wrapSource: (source: Source) => Source;
  /** Some copies go on for a while when parts of them are stored, as those of large tables do. */
  slowCopies: boolean;
  /** Told of an end that nothing explains. */
  onWrong: (what: string) => void;
}

export class Writers {
  readonly machines: Machine[];
  readonly ends = new Map<EndKind, number>();
  private readonly all: WriterProcess[] = [];
  private started = 0;
  private restartDue = false;
  private takeOverNext = false;
  private resting = false;

  constructor(private readonly setup: WritersSetup) {
    const { time } = setup.world;
    this.machines = ["alpha", "beta"].map((host) => ({
      host,
      wall: new WallClock(time),
      spool: host === "alpha" ? { store: new MemoryStore(), bytesMax: 1024 * 1024 } : undefined,
    }));
    setup.world.walls.push(...this.machines.map(({ wall }) => wall));
  }

  /** Takes note of processes that ended, and sees to it that one runs soon. */
  supervise(): void {
    for (const writer of this.all.filter(({ running }) => !running)) {
      this.all.splice(this.all.indexOf(writer), 1);
      if (writer.outcome !== undefined) this.noteEnd(writer);
    }
    const wanted = !this.all.some((writer) => !writer.life.frozen && !writer.stopping);
    if (!wanted || this.restartDue || this.resting) return;
    this.restartDue = true;
    const { time, random } = this.setup.world;
    time.after(200 + random.next() * 4000, () => {
      this.restartDue = false;
      if (this.resting) return;
      this.start(this.takeOverNext);
      this.takeOverNext = false;
    });
  }

  kill(): void {
    const writer = this.any();
    if (!writer) return;
    this.setup.faults.note(`kill writer ${writer.number}`);
    writer.life.kill();
  }

  stop(): void {
    const writer = this.any();
    if (!writer || writer.stopping) return;
    this.setup.faults.note(`stop writer ${writer.number}`);
    writer.stopInOrder();
  }

  /** A second writer takes over from one that runs. */
  takeOver(): void {
    this.setup.faults.note("take over");
    this.start(true);
  }

  /** A writer stands still while another takes its place; then it goes on as if nothing were. */
  freeze(): void {
    const writer = this.any();
    const { world, faults } = this.setup;
    if (!writer || writer.life.frozen) return;
    const forMs = 1000 + world.random.next() * [3000, 20_000, 59_000][world.random.below(3)]!;
    const replaced = world.random.next() < 0.4;
    let end: (atMs: number) => void = () => undefined;
    faults.hold(
      `freeze of writer ${writer.number}`,
      forMs,
      () => {
        writer.life.freeze();
        end = world.delivery.beginStall(world.time.nowMs);
        if (replaced) this.takeOverNext = true;
        else this.restartDue = true;
      },
      () => {
        end(world.time.nowMs);
        writer.life.thaw();
        if (!replaced) this.restartDue = false;
      },
    );
  }

  /** Nobody captures for a while. */
  rest(forMs: number): void {
    const { world, faults } = this.setup;
    const end = () => {
      this.resting = false;
    };
    faults.hold("rest of all writers", forMs, () => (this.resting = true), end);
    for (const writer of this.all) {
      if (writer.life.frozen || world.random.next() < 0.5) writer.life.kill();
      else writer.stopInOrder();
    }
  }

  /** True if one writer runs, has found its feet, and nothing is about to change that. */
  get steady(): boolean {
    const [writer, ...others] = this.all;
    if (!writer?.running || writer.stopping || others.length > 0 || this.restartDue) return false;
    return this.setup.world.time.nowMs - writer.startedMs > feetMs;
  }

  /** After everything is healed one writer must run; a frozen or shut-out one may still have to learn it. */
  killAll(): void {
    for (const writer of this.all) writer.life.kill();
  }

  /** A process of its own; for something else than capture, unless it is told otherwise. */
  process(patience?: Patience): { life: ProcessLife; store: ObjectStore } {
    const { world, store } = this.setup;
    const life = new ProcessLife(world.time);
    const { weather, random } = world;
    const clock = new SimulatedClock(life, new WallClock(world.time));
    const hostile = new HostileStore(store, life, weather, random);
    return { life, store: new RetryingStore(hostile, clock, () => random.next(), patience) };
  }

  private any(): WriterProcess | undefined {
    const running = this.all.filter((writer) => writer.running);
    return running[this.setup.world.random.below(running.length || 1)];
  }

  private start(takeOver: boolean): void {
    const { world, wrapSource, description } = this.setup;
    const { random } = world;
    const machine = this.machines[random.next() < 0.75 ? 0 : 1]!;
    const { life, store } = this.process(impatient);
    this.started += 1;
    const number = this.started;
    const take = takeOver || machine.host === "beta" || random.next() < 0.2;
    world.trace(`start writer ${number} on ${machine.host}${take ? ", taking over" : ""}`);
    const writer = new WriterProcess({
      number,
      host: machine.host,
      life,
      wall: machine.wall,
      cluster: world.cluster,
      address: world.address,
      throughProxy: world.random.next() < proxyShare,
      store: this.setup.seal(
        this.setup.slowCopies ? this.withSlowCopies(store, life) : store,
        "writer",
      ),
      spool: machine.spool,
      description,
      takeOver: take,
      // The machines' clocks and the server's are set at random here; times are judged by the log's own.
      trustClock: true,
      random,
      isAlive: (process) => this.all.some((w) => w.number === process && w.running),
      chunkDocuments: 2 + random.below(8),
      wrapSource,
      onState: (table, state) => world.trace(`  writer ${number}: ${table} is ${state}`),
      onStopped: (table, error) => {
        const stack = error instanceof Error ? error.stack : String(error);
        this.setup.onWrong(`writer ${number}: a defect stopped ${table}\n${stack}`);
      },
    });
    this.all.push(writer);
  }

  /** What is read and stored of a copy after its first parts takes its time, and its manifest comes after that. */
  private withSlowCopies(store: ObjectStore, life: ProcessLife): ObjectStore {
    const { faults, world } = this.setup;
    const { random } = world;
    const pause = (name: string) =>
      new Promise<void>((resolve) => {
        const goOn = () => life.happen(resolve);
        faults.hold(`copy ${name}`, random.next() * slowCopyMsMax, () => undefined, goOn);
      });
    return overriding(store, {
      put: async (name, bytes) => {
        if (parseManifestName(name) && random.next() < slowCopyShare) await pause(name);
        return store.put(name, bytes);
      },
    });
  }

  private noteEnd(writer: WriterProcess): void {
    const { outcome, number, stopping, handedOver } = writer;
    const isInOrder = stopping || handedOver;
    const kind = outcome ? kindOf(outcome) : isInOrder ? "in order" : "wrong";
    this.ends.set(kind, (this.ends.get(kind) ?? 0) + 1);
    const what = `writer ${number} ended: ${kind}${outcome ? ` (${outcome.message})` : ""}`;
    this.setup.faults.note(what);
    if (kind === "wrong") this.setup.onWrong(`${what}\n${outcome?.stack ?? ""}`);
  }
}

function kindOf(error: Error): EndKind {
  if (failureOf(error) === "unavailable") return "store";
  if (error instanceof ConnectionLost || error instanceof ReqlError) return "source";
  if (error instanceof ThinkbackError && error.message === new ForeignCluster("simulated").message)
    return "stranger";
  if (!(error instanceof ThinkbackError)) return "wrong";
  if (error.code === "fenced") return "fenced";
  if (error.code === "source") return "source";
  if (error.code === "repository" && error.message.includes("did not take")) return "store";
  return "wrong";
}
