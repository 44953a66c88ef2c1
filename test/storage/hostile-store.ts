/**
 * A store as a process sees it over a bad network, and as buckets are that keep the contract badly. Behind it stands one
 * MemoryStore that all processes share. Seeded: what goes wrong is drawn.
 */
import {
  checkName,
  type ListOptions,
  type ObjectStore,
  type Range,
  type StoredObject,
  StoreUnavailable,
  type Tail,
} from "../../src/storage/object-store.js";
import type { Random } from "../simulated/random.js";

/** How the network to the store is, and the store itself, for everybody. */
export class StoreWeather {
  /** Every operation fails until this virtual time. */
  failsUntilMs = 0;
  /** Shares of operations. Of those that hang and of those whose reply is lost, the store may have done what was asked. */
  failing = 0;
  losingReplies = 0;
  hanging = 0;
  /** The share of listings that fail half-way. */
  breakingOff = 0;
  /** The share of reads that give a part of the bytes, and say nothing of it. */
  truncating = 0;
  /** The most that an operation takes. */
  delayMsMax = 3;
  /** Listings lack what was put for so long, and show what was deleted. */
  staleMs = 0;
  /** Puts replace what is there, as in a store that accepts a condition and ignores it. */
  ignoresConditions = false;
  /** What was put or deleted last under a name, and when. */
  readonly changes = new Map<string, { atMs: number; gone: StoredObject | undefined }>();
}

/** Through what a process reaches the store; a ProcessLife is one. */
export interface Way {
  readonly time: { readonly nowMs: number; after(ms: number, run: () => void): unknown };
  /** Lets a reply reach the process. */
  happen(run: () => void): void;
  onKilled(run: () => void): void;
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

interface Fate {
  kind: "ok" | "fails" | "replyLost" | "hangs" | "hangsUndone";
  requestMs: number;
  replyMs: number;
}

export class HostileStore implements ObjectStore {
  private readonly puts = new Set<PutOnItsWay>();

  constructor(
    private readonly store: ObjectStore,
    private readonly way: Way,
    private readonly weather: StoreWeather,
    private readonly random: Random,
  ) {
    way.onKilled(() => this.abandon());
  }

  get location(): string {
    return this.store.location;
  }

  async put(name: string, bytes: Uint8Array, signal?: AbortSignal): Promise<void> {
    checkName(name);
    signal?.throwIfAborted();
    const copy = Buffer.from(bytes);
    const fate = this.fate();
    let outcome: Promise<void> = Promise.resolve();
    const put: PutOnItsWay = {
      applied: false,
      apply: () => {
        if (put.applied) return;
        put.applied = true;
        outcome = this.putNow(name, copy);
        outcome.catch(() => undefined);
      },
    };
    this.puts.add(put);
    const arrive = () => {
      if (!this.puts.has(put)) return undefined;
      if (fate.kind !== "fails" && fate.kind !== "hangsUndone") put.apply();
      return () => {
        this.puts.delete(put);
        return outcome;
      };
    };
    return this.travel(fate, "put", name, arrive, signal);
  }

  async get(name: string, range?: Range, signal?: AbortSignal): Promise<Buffer> {
    const bytes = await this.ask("get", name, () => this.store.get(name, range), signal);
    return this.cutShort(bytes);
  }

  async tail(name: string, bytes: number, signal?: AbortSignal): Promise<Tail> {
    const tail = await this.ask("tail", name, () => this.store.tail(name, bytes), signal);
    return { ...tail, bytes: this.cutShort(tail.bytes) };
  }

  size(name: string, signal?: AbortSignal): Promise<number | undefined> {
    return this.ask("size", name, () => this.store.size(name), signal);
  }

  delete(name: string, signal?: AbortSignal): Promise<void> {
    return this.ask("delete", name, () => this.deleteNow(name), signal);
  }

  /** Where it fails, half of them may be gone. */
  async deleteMany(names: readonly string[], signal?: AbortSignal): Promise<void> {
    names.forEach(checkName);
    if (names.length === 0) return;
    const deleted = async () => {
      for (const name of names) await this.deleteNow(name);
    };
    const half = names.filter(() => this.random.next() < 0.5);
    const work = () => (half.length < names.length / 2 ? deleted() : Promise.reject(partly));
    const partly = new StoreUnreachable("delete", `${half.length} of ${names.length} objects`);
    await this.ask("delete", `${names.length} objects`, work, signal).catch(async (error) => {
      if (error === partly) for (const name of half) await this.deleteNow(name);
      throw error;
    });
  }

  /** A listing may break off on the way. */
  async *list(
    prefix: string,
    { after = "", signal }: ListOptions = {},
  ): AsyncGenerator<StoredObject> {
    const found = await this.ask("list", prefix, () => this.listed(prefix, after), signal);
    const { breakingOff } = this.weather;
    const breaksOff = breakingOff > 0 && this.random.next() < breakingOff;
    for (const [i, object] of found.entries()) {
      if (breaksOff && i >= found.length / 2) throw new StoreUnreachable("list", prefix);
      yield object;
    }
  }

  private async putNow(name: string, bytes: Buffer): Promise<void> {
    if (this.weather.ignoresConditions) await this.store.delete(name);
    await this.store.put(name, bytes);
    this.weather.changes.set(name, { atMs: this.way.time.nowMs, gone: undefined });
  }

  private async deleteNow(name: string): Promise<void> {
    const size = await this.store.size(name);
    await this.store.delete(name);
    if (size === undefined) return;
    this.weather.changes.set(name, { atMs: this.way.time.nowMs, gone: { name, size } });
  }

  private async listed(prefix: string, after: string): Promise<StoredObject[]> {
    const { changes, staleMs } = this.weather;
    const since = this.way.time.nowMs - staleMs;
    const isYoung = (name: string) => staleMs > 0 && (changes.get(name)?.atMs ?? -1) >= since;
    const found: StoredObject[] = [];
    for await (const object of this.store.list(prefix, { after })) {
      if (!isYoung(object.name)) found.push(object);
    }
    for (const [name, { gone }] of changes) {
      if (gone && isYoung(name) && name.startsWith(prefix) && name > after) found.push(gone);
    }
    return found.sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  private cutShort(bytes: Buffer): Buffer {
    const { truncating } = this.weather;
    if (truncating === 0 || this.random.next() >= truncating) return bytes;
    return bytes.subarray(0, this.random.below(Math.max(1, bytes.length)));
  }

  /** What was on its way when the process died arrives, or does not; some of it late. */
  private abandon(): void {
    for (const put of this.puts) {
      const chance = this.random.next();
      if (chance < 0.4) put.apply();
      else if (chance < 0.6) this.way.time.after(this.random.next() * 4000, () => put.apply());
    }
    this.puts.clear();
  }

  private async ask<T>(
    operation: string,
    name: string,
    work: () => Promise<T>,
    signal: AbortSignal | undefined,
  ): Promise<T> {
    signal?.throwIfAborted();
    const fate = this.fate();
    const arrive = () => {
      if (fate.kind === "fails" || fate.kind === "hangsUndone") return undefined;
      const answer = work();
      answer.catch(() => undefined);
      return () => answer;
    };
    return this.travel(fate, operation, name, arrive, signal);
  }

  /** @param arrive does what is asked, and gives what gives its outcome when the reply is there */
  private travel<T>(
    { kind, requestMs, replyMs }: Fate,
    operation: string,
    name: string,
    arrive: () => (() => Promise<T>) | undefined,
    signal: AbortSignal | undefined,
  ): Promise<T> {
    const { time } = this.way;
    return new Promise((resolve, reject) => {
      signal?.addEventListener("abort", () => {
        this.way.happen(() => reject(signal.reason as Error));
      });
      time.after(requestMs, () => {
        const outcome = arrive();
        time.after(replyMs, () => {
          const answer = outcome?.();
          if (kind === "hangs" || kind === "hangsUndone") return;
          this.way.happen(() => {
            if (answer && kind === "ok") answer.then(resolve, reject);
            else reject(new StoreUnreachable(operation, name));
          });
        });
      });
    });
  }

  private fate(): Fate {
    const { random, weather, way } = this;
    const requestMs = random.next() * weather.delayMsMax;
    const replyMs = random.next() * weather.delayMsMax;
    let chance = random.next();
    const isIn = (share: number) => {
      chance -= share;
      return chance < 0;
    };
    const of = (kind: Fate["kind"]) => ({ kind, requestMs, replyMs });
    if (way.time.nowMs < weather.failsUntilMs || isIn(weather.failing)) return of("fails");
    if (isIn(weather.losingReplies)) return of("replyLost");
    if (isIn(weather.hanging / 2)) return of("hangs");
    if (isIn(weather.hanging / 2)) return of("hangsUndone");
    return of("ok");
  }
}
