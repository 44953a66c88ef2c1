/**
 * The processes that maintain, beside those that capture: killed at any moment, frozen for longer than their lease lasts,
 * several at once, and with listings that are behind. And the operator, who declares and pins.
 */

import { messageOf, ThinkbackError } from "../../src/errors.js";
import type { Repository, RepositoryDescription } from "../../src/format/description.js";
import type { Owner } from "../../src/owner.js";
import { withLease } from "../../src/repository/registers/lease.js";
import { removePin } from "../../src/repository/registers/pins.js";
import { declareKeep } from "../../src/repository/registers/settings.js";
import { pinInstant } from "../../src/restore/pin.js";
import type { Role } from "../../src/sealing/key-set.js";
import { failureOf, type ObjectStore } from "../../src/storage/object-store.js";
import type { Maintained, MaintenanceOptions, maintain } from "../../src/upkeep/maintain.js";
import { type Declarations, declarations } from "./declarations.js";
import type { FaultyWorld } from "./faults.js";
import { Killed, untilDeath } from "./mortal-store.js";
import { overriding } from "./overriding.js";
import { type ProcessLife, SimulatedClock, WallClock } from "./process-life.js";
import { laggingView } from "./stale-view.js";

/** Longer than a listing is behind, and than those need who read without saying so. */
export const graceMs = 60_000;
const settleMs = 60_000;
/** A few documents to a part, by turns fewer and more: so that bases have parts of several bases before them. */
const partBytesTargets = [150, 400];
/** How far the clocks of two machines that maintain differ; the lease bears a minute. */
const clocksDifferMs = 20_000;
const clockBehindMs = 11_000;
const pinsMax = 3;
/** How often an instant is pinned at the age from which on it may be thinned, while a round is under way. */
const edgeShare = 0.3;
const dayMs = 86_400_000;
const lagMsMax = 10_000;
/** What was on its way when a process died has come by then. */
const lateMs = 5000;

export interface MaintainersSetup {
  world: FaultyWorld;
  /** A process, and the store as it sees it. */
  process: () => { life: ProcessLife; store: ObjectStore };
  /** The store as somebody with a key of that role sees it. */
  seal: (store: ObjectStore, role: Role) => ObjectStore;
  store: ObjectStore;
  putMs: ReadonlyMap<string, number>;
  description: RepositoryDescription;
  declared: Declarations;
  maintain: typeof maintain;
  onMaintained: (maintained: Maintained) => void;
  /** Told of an end that nothing explains. */
  onWrong: (what: string) => void;
}

interface MaintainingProcess {
  life: ProcessLife;
  repository: Repository;
  clock: SimulatedClock;
  owner: Owner;
  /** True if it does not see all that is there. */
  isBehind: boolean;
}

export class Maintainers {
  private readonly walls: [host: string, wall: WallClock][];
  /** Those that run, by number. */
  private readonly running = new Map<number, ProcessLife>();
  private started = 0;
  /** A machine whose clock is behind: what it takes to be younger than a day may be older. */
  private readonly slow: [host: string, wall: WallClock];

  constructor(private readonly setup: MaintainersSetup) {
    const { time } = setup.world;
    this.walls = ["gamma", "delta"].map((host) => [host, new WallClock(time)]);
    this.walls[1]![1].jump(clocksDifferMs);
    this.slow = ["epsilon", new WallClock(time)];
    this.slow[1].jump(-clockBehindMs);
  }

  /** One round of maintenance, which may be killed, or stand still for a while. */
  begin(): void {
    const { world, declared } = this.setup;
    const { random } = world;
    const { life, repository, clock, owner, isBehind } = this.start();
    const unique = `m${String(owner.process).padStart(4, "0")}`;
    const permit = declared.permit();
    const options: MaintenanceOptions = {
      clock: overriding(clock, { now: () => permit.sees(clock.now()) }),
      owner,
      unique,
      partial: random.next() < 0.5,
      settleMs,
      expires: random.next() < 0.9,
      graceMs: random.next() < 0.9 ? graceMs : undefined,
    };
    if (random.next() < 0.6) {
      const bases = this.bases(clock);
      options.bases = () => bases;
    }
    world.trace(`${unique} maintains on ${owner.host}${isBehind ? ", with old listings" : ""}`);
    this.disturb(life, unique);
    life.onKilled(() => (permit.endMs = world.time.nowMs + lateMs));
    const phase = (name: string) => world.trace(`  ${unique}: ${name}`);
    this.end(
      unique,
      life,
      isBehind,
      this.setup
        .maintain(repository, options, { phase, onRows: () => undefined })
        .then((maintained) => this.setup.onMaintained(maintained)),
    );
  }

  private bases(clock: SimulatedClock) {
    const { random } = this.setup.world;
    const until = clock.now() - random.below(60_000);
    const partBytesTarget = partBytesTargets[random.below(partBytesTargets.length)]!;
    return { until, partBytesTarget, skipUnchanged: random.next() < 0.5 };
  }

  declare(): void {
    const { world, declared, store } = this.setup;
    const declaration = declarations[world.random.below(declarations.length)]!;
    world.trace(`declare ${declaration.keep}`);
    declared.declare(declaration);
    void declareKeep(store, declaration.keep, Math.floor(world.time.trueMs));
  }

  /** Pins an instant, which need not be exact for every table; in place of another one, if there are many. */
  async pin(asked: number): Promise<void> {
    const { world, declared, store } = this.setup;
    const isAtEdge = world.random.next() < edgeShare;
    if (isAtEdge) this.begin();
    const at = isAtEdge ? this.edge() : asked;
    const names = [...declared.pins.keys()];
    if (names.length >= pinsMax) {
      const old = names[world.random.below(names.length)]!;
      world.trace(`unpin ${old}`);
      declared.unpin(old);
      await removePin(store, old, Math.floor(world.time.trueMs));
    }
    const { life, repository, clock, owner, isBehind } = this.start(
      isAtEdge ? this.slow : undefined,
    );
    const name = `p${owner.process}`;
    const underLease = <T>(work: () => Promise<T>) =>
      withLease(repository.store, clock, owner, name, work);
    world.trace(`pin ${name} at ${at}`);
    const pinning = pinInstant(
      repository,
      { name, at, allowInexact: true },
      clock.now(),
      underLease,
    ).then(({ pin }) => declared.pin(name, pin.at));
    this.end(name, life, isBehind, pinning);
  }

  /** An instant that has just been a day old, or will be soon: what is older may be thinned away. */
  private edge(): number {
    const { random, time } = this.setup.world;
    return Math.floor(time.trueMs) - dayMs + random.below(60_000) - 30_000;
  }

  /** Nothing of them goes on. */
  killAll(): void {
    for (const life of this.running.values()) life.kill();
  }

  private start(on?: [host: string, wall: WallClock]): MaintainingProcess {
    const { world, putMs, description, process } = this.setup;
    const { random, time } = world;
    const { life, store: faulty } = process();
    const [host, wall] = on ?? this.walls[random.below(this.walls.length)]!;
    this.started += 1;
    const number = this.started;
    this.running.set(number, life);
    life.onKilled(() => this.running.delete(number));
    const isBehind = random.next() < 0.2;
    const mortal = untilDeath(faulty, life);
    const lagMs = random.next() * lagMsMax;
    const store = isBehind ? laggingView(mortal, putMs, () => time.nowMs - lagMs) : mortal;
    const isAlive = (other: number) => this.running.has(other);
    const owner: Owner = { host, process: number, isAlive };
    const clock = new SimulatedClock(life, wall);
    const repository = { store: this.setup.seal(store, "reader"), description };
    return { life, repository, clock, owner, isBehind };
  }

  private disturb(life: ProcessLife, name: string): void {
    const { random, time, trace } = this.setup.world;
    const chance = random.next();
    if (chance < 0.3) {
      time.after(random.next() * 3000, () => {
        if (!life.dead) trace(`kill ${name}`);
        life.kill();
      });
    } else if (chance < 0.5) {
      const forMs = random.next() * (random.next() < 0.5 ? 20_000 : 1_200_000);
      time.after(random.next() * 2000, () => {
        if (life.dead) return;
        trace(`freeze ${name} for ${Math.round(forMs)} ms`);
        life.freeze();
        time.after(forMs, () => life.thaw());
      });
    }
  }

  private end(name: string, life: ProcessLife, isBehind: boolean, work: Promise<void>): void {
    const { trace } = this.setup.world;
    const onWrong = (error: unknown) => {
      if (error instanceof Killed) return;
      trace(`${name} failed: ${messageOf(error)}`);
      if (!isExplained(error, isBehind)) {
        this.setup.onWrong(`${name} failed: ${(error as Error).stack}`);
      }
    };
    void work.then(() => trace(`${name} ended`), onWrong).finally(() => life.kill());
  }
}

function isExplained(error: unknown, isBehind: boolean): boolean {
  if (failureOf(error) === "unavailable") return true;
  if (!(error instanceof ThinkbackError) || failureOf(error) !== undefined) return false;
  if (error.code === "fenced" || error.code === "instant") return true;
  // What is missing in a listing may be taken for lost: nothing is done then.
  return isBehind && (error.code === "damaged" || error.code === "repository");
}
