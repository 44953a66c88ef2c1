/** Processes that raise alarms on one store, one after another, in simulated time; and the receivers that they tell. */
import type { Channel } from "../../src/alarms/channel.js";
import type { AlarmKind } from "../../src/alarms/kinds.js";
import type { Letter } from "../../src/alarms/letter.js";
import type { Symptom } from "../../src/alarms/symptom.js";
import { AlarmWatch, slackOf, type WatchOptions } from "../../src/alarms/watch.js";
import type { Clock } from "../../src/clock.js";
import { MemoryStore } from "../../src/storage/memory-store.js";
import { type ObjectStore, StoreUnavailable } from "../../src/storage/object-store.js";
import type { Random } from "../simulated/random.js";
import { overriding } from "../simulation/overriding.js";

const began = Date.parse("2026-11-28T08:00:00Z");

/** Goes on when it is told to; what waits on it waits until then. */
export class SteppedClock implements Clock {
  ms = 0;
  now = () => began + this.ms;
  monotonicMs = () => this.ms;
  sleep = (_: number, signal?: AbortSignal) =>
    new Promise<void>((__, reject) => {
      signal?.addEventListener("abort", () => reject(signal.reason as Error), { once: true });
    });
}

export class World {
  readonly clock = new SteppedClock();
  readonly store = new MemoryStore();
  /** By key. */
  readonly symptoms = new Map<string, Symptom>();
  readonly unjudged = new Set<AlarmKind>();
  isStoreAway = false;
  /** By channel: what it has got, in order, and whether it takes anything now. */
  readonly got = new Map<string, Letter[]>();
  readonly refusing = new Set<string>();
  private alive: { isDead: boolean } = { isDead: false };
  private watch: AlarmWatch;
  private channels: Channel[] = [];
  /** After so many requests and deliveries the process is killed; undefined while it is not. */
  killAfter: number | undefined;
  private killed: () => void = () => undefined;
  private readonly names = ["webhook", "slack"] as const;

  constructor(
    readonly random: Random,
    private readonly more: Partial<WatchOptions> = {},
  ) {
    for (const name of this.names) this.got.set(name, []);
    this.watch = this.begin();
  }

  /** A process begins, in the place of the one before. */
  begin(): AlarmWatch {
    const life = { isDead: false };
    this.alive = life;
    const guarded = async <T>(work: () => Promise<T>): Promise<T> => {
      if (life.isDead) return never();
      const isLast = this.killAfter !== undefined && (this.killAfter -= 1) <= 0;
      const isBefore = this.random.below(2) === 0;
      if (isLast && isBefore) return this.kill(life);
      const result = await work();
      if (isLast) return this.kill(life);
      return result;
    };
    this.channels = this.names.map((name) => ({
      name,
      deliver: (letter) =>
        guarded(async () => {
          if (this.refusing.has(name)) throw new Error("answers 503");
          this.got.get(name)!.push(letter);
        }),
    }));
    this.watch = new AlarmWatch(
      {
        store: this.guardedStore(guarded),
        repository: "r",
        clock: this.clock,
        random: () => 0,
        channels: this.channels,
        isFirst: () => true,
        look: () => ({ found: [...this.symptoms.values()], unjudged: this.unjudged }),
        afterMs: slackOf(new Map()),
        digests: undefined,
        digestText: () => "digest",
        ...this.more,
      },
      {
        raised: () => undefined,
        ended: () => undefined,
        cannotKeep: () => undefined,
        taken: () => undefined,
        refused: () => undefined,
      },
    );
    return this.watch;
  }

  private guardedStore(guarded: <T>(work: () => Promise<T>) => Promise<T>): ObjectStore {
    const { store } = this;
    const there = async <T>(work: () => Promise<T>) => {
      // A receiver may answer before the store does.
      for (let turns = this.random.below(20); turns > 0; turns -= 1) await Promise.resolve();
      return guarded(() => {
        if (this.isStoreAway) throw new StoreUnavailable("the store is away");
        return work();
      });
    };
    return overriding(store, {
      put: (...args) => there(() => store.put(...args)),
      get: (...args) => there(() => store.get(...args)),
      size: (...args) => there(() => store.size(...args)),
      delete: (...args) => there(() => store.delete(...args)),
      list: async function* (prefix) {
        await there(() => Promise.resolve());
        yield* store.list(prefix);
      },
    });
  }

  private kill(life: { isDead: boolean }): Promise<never> {
    life.isDead = true;
    this.killAfter = undefined;
    this.killed();
    return never();
  }

  /** The process ends; if not in order, by a failure. */
  end(failure?: string): Promise<void> {
    return this.watch.end(failure);
  }

  /** Time goes by, and the process looks and delivers once. If it is killed meanwhile, another one begins. */
  async step(ms: number): Promise<void> {
    this.clock.ms += ms;
    const life = this.alive;
    const death = new Promise<void>((resolve) => (this.killed = resolve));
    // Looks and deliveries do not wait for each other.
    const deliver = () => Promise.all(this.channels.map((channel) => this.watch.deliver(channel)));
    const work = async () => {
      const looking = this.watch.step();
      for (let i = 0; i < 5; i += 1) await deliver();
      await looking;
      await deliver();
    };
    await Promise.race([work(), death]);
    if (life.isDead) this.begin();
  }

  toggle(symptom: Omit<Symptom, "since">): void {
    const key = `${symptom.kind} ${symptom.of}`;
    if (!this.symptoms.delete(key)) {
      this.symptoms.set(key, { ...symptom, since: this.clock.now() });
    }
  }

  /** What a channel has got, each letter once, as texts such as "raised store-away-1a2b3c4d". */
  toldTo(name: string): string[] {
    const told = this.got.get(name)!.map(({ type, alarm }) => `${type} ${alarm?.id ?? ""}`);
    return [...new Set(told)];
  }
}

const never = () => new Promise<never>(() => undefined);
