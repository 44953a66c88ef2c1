/** Processes that tell each other of their lanes, in virtual time. */
import { lifetimeMs, RedisCoordinator } from "../../src/coordination/redis-coordinator.js";
import {
  type Coordinator,
  type Member,
  memberRenewMs,
  StoredMembers,
} from "../../src/repository/registers/members.js";
import { MemoryStore } from "../../src/storage/memory-store.js";
import { Random } from "../simulated/random.js";
import { ProcessLife, SimulatedClock, WallClock } from "../simulation/process-life.js";
import { SimulatedRedis } from "../simulation/simulated-redis.js";
import { VirtualTime } from "../simulation/virtual-time.js";
import { HostileStore, StoreWeather } from "../storage/hostile-store.js";

export const kinds = {
  "by objects": { lifetimeMs: 3 * memberRenewMs },
  "by Redis": { lifetimeMs },
} as const;
export type Kind = keyof typeof kinds;

export class Peers {
  readonly time = new VirtualTime();
  readonly redis = new SimulatedRedis(this.time);
  readonly weather = new StoreWeather();
  /** When Redis last answered each, in virtual time. */
  readonly answered = new Map<string, number>();
  readonly news: string[] = [];
  private readonly store = new MemoryStore();
  private readonly random = new Random(1);
  private count = 0;

  constructor(private readonly kind: Kind) {}

  join(lanes: number[] = []): Peer {
    this.count += 1;
    const unique = `peer${this.count}`;
    const life = new ProcessLife(this.time);
    const clock = new SimulatedClock(life, new WallClock(this.time));
    // Nobody can tell whether a process of another space runs.
    const owner = { host: "alpha", process: 1, space: unique, isAlive: () => true };
    const store = new HostileStore(this.store, life, this.weather, this.random);
    const stored = new StoredMembers(store, clock, owner, unique);
    const observer = {
      redisAnswers: () => void this.answered.set(unique, this.time.nowMs),
      redisFails: () => void this.news.push(`${unique} has lost Redis`),
      redisIsBack: () => void this.news.push(`${unique} has Redis again`),
    };
    const coordinator: Coordinator =
      this.kind === "by objects"
        ? stored
        : new RedisCoordinator(stored, this.redis.channelOf(life), clock, owner, observer);
    return new Peer(coordinator, life, clock, lanes);
  }

  async pass(ms: number): Promise<void> {
    await this.time.runUntil(this.time.nowMs + ms);
  }

  /** Passes time in small steps until it is so; returns how long that took. */
  async until(isSo: () => boolean, msMax: number): Promise<number> {
    const began = this.time.nowMs;
    while (!isSo()) {
      if (this.time.nowMs - began > msMax) throw new Error(`it was not so after ${msMax} ms`);
      await this.pass(50);
    }
    return this.time.nowMs - began;
  }
}

export class Peer {
  others: Member[] = [];
  /** Of calls to renew. */
  failures = 0;
  private hasEnded = false;

  constructor(
    readonly coordinator: Coordinator,
    readonly life: ProcessLife,
    private readonly clock: SimulatedClock,
    public lanes: number[],
  ) {
    void this.renewAgain();
  }

  get unique(): string {
    return this.coordinator.unique;
  }

  hasGone({ unique }: Peer): boolean {
    return this.coordinator.hasGone(unique);
  }

  /** The lanes of the other one, as this one has heard; undefined if it is not there. */
  lanesOf({ unique }: Peer): readonly number[] | undefined {
    return this.others.find((other) => other.unique === unique)?.lanes;
  }

  async leave(): Promise<void> {
    this.hasEnded = true;
    await this.coordinator.leave();
  }

  private async renewAgain(): Promise<void> {
    while (!this.hasEnded) {
      try {
        this.others = await this.coordinator.renew(this.lanes, []);
      } catch {
        this.failures += 1;
      }
      await this.clock.sleep(this.coordinator.renewMs);
    }
  }
}
