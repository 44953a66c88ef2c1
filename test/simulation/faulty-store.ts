/** A store as a process sees it over a bad network. Behind it stands one MemoryStore that all processes share. */
import {
  type ObjectStore,
  type StoredObject,
  StoreUnavailable,
  type Tail,
} from "../../src/storage/object-store.js";
import type { Random } from "../simulated/random.js";
import type { ProcessLife } from "./process-life.js";

/** How the network to the store is, for everybody. */
export class StoreWeather {
  /** Every operation fails until this virtual time. */
  failsUntilMs = 0;
  /** Shares of operations. */
  failing = 0;
  losingReplies = 0;
  /** The most that an operation takes. */
  delayMsMax = 3;
}

/** The network failed; whether the store did what it was asked is not known. */
export class StoreUnreachable extends StoreUnavailable {
  constructor(operation: string, name: string) {
    super(`simulated network failure at ${operation} ${name}`);
  }
}

interface PutOnItsWay {
  apply: () => void;
  applied: boolean;
}

export class FaultyStore implements ObjectStore {
  private readonly puts = new Set<PutOnItsWay>();

  constructor(
    private readonly store: ObjectStore,
    private readonly life: ProcessLife,
    private readonly weather: StoreWeather,
    private readonly random: Random,
  ) {
    life.onKilled(() => this.abandon());
  }

  get location(): string {
    return this.store.location;
  }

  put(name: string, bytes: Uint8Array): Promise<void> {
    const copy = Buffer.from(bytes);
    const fate = this.fate();
    return new Promise((resolve, reject) => {
      let outcome: Promise<void> = Promise.resolve();
      const put: PutOnItsWay = {
        applied: false,
        apply: () => {
          if (put.applied) return;
          put.applied = true;
          outcome = this.store.put(name, copy);
          outcome.catch(() => undefined);
        },
      };
      this.puts.add(put);
      const { time } = this.life;
      time.after(fate.requestMs, () => {
        if (!this.puts.has(put)) return;
        if (fate.kind !== "fails") put.apply();
        time.after(fate.replyMs, () => {
          this.puts.delete(put);
          this.life.happen(() => {
            if (fate.kind === "ok") outcome.then(resolve, reject);
            else reject(new StoreUnreachable("put", name));
          });
        });
      });
    });
  }

  get(name: string, range?: { start: number; end: number }): Promise<Buffer> {
    return this.ask("get", name, () => this.store.get(name, range));
  }

  tail(name: string, bytes: number): Promise<Tail> {
    return this.ask("tail", name, () => this.store.tail(name, bytes));
  }

  size(name: string): Promise<number | undefined> {
    return this.ask("size", name, () => this.store.size(name));
  }

  delete(name: string): Promise<void> {
    return this.ask("delete", name, () => this.store.delete(name));
  }

  async *list(prefix: string): AsyncGenerator<StoredObject> {
    yield* await this.ask("list", prefix, async () => {
      const found: StoredObject[] = [];
      for await (const object of this.store.list(prefix)) found.push(object);
      return found;
    });
  }

  /** What was on its way when the process died arrives, or does not; some of it late. */
  private abandon(): void {
    for (const put of this.puts) {
      const chance = this.random.next();
      if (chance < 0.4) put.apply();
      else if (chance < 0.6) this.life.time.after(this.random.next() * 4000, () => put.apply());
    }
    this.puts.clear();
  }

  private ask<T>(operation: string, name: string, work: () => Promise<T>): Promise<T> {
    const fate = this.fate();
    return new Promise((resolve, reject) => {
      this.life.time.after(fate.requestMs, () => {
        const answer = fate.kind === "fails" ? undefined : work();
        answer?.catch(() => undefined);
        this.life.after(fate.replyMs, () => {
          if (answer && fate.kind === "ok") answer.then(resolve, reject);
          else reject(new StoreUnreachable(operation, name));
        });
      });
    });
  }

  private fate(): { kind: "ok" | "fails" | "replyLost"; requestMs: number; replyMs: number } {
    const { random, weather, life } = this;
    const requestMs = random.next() * weather.delayMsMax;
    const replyMs = random.next() * weather.delayMsMax;
    const chance = random.next();
    const outage = life.time.nowMs < weather.failsUntilMs;
    if (outage || chance < weather.failing) return { kind: "fails", requestMs, replyMs };
    const lost = chance < weather.failing + weather.losingReplies;
    return { kind: lost ? "replyLost" : "ok", requestMs, replyMs };
  }
}
