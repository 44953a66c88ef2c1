/** A store that counts what it is asked, and in whose own time each answer takes a while, however many are asked for. */
import { MemoryStore } from "../../src/storage/memory-store.js";
import type { ObjectStore, StoredObject, Tail } from "../../src/storage/object-store.js";

export class LatentStore implements ObjectStore {
  readonly location = "latent";
  /** Names of the objects that were read, or whose size was asked for. */
  readonly read: string[] = [];
  listings = 0;
  /** What it took until now. */
  ms = 0;
  private waiting: (() => void)[] = [];

  constructor(
    private readonly below: MemoryStore,
    private readonly latencyMs: number,
  ) {}

  async get(name: string, range?: { start: number; end: number }): Promise<Buffer> {
    this.read.push(name);
    await this.answer();
    return this.below.get(name, range);
  }

  async tail(name: string, bytes: number): Promise<Tail> {
    this.read.push(name);
    await this.answer();
    return this.below.tail(name, bytes);
  }

  async size(name: string): Promise<number | undefined> {
    this.read.push(name);
    await this.answer();
    return this.below.size(name);
  }

  async *list(prefix: string): AsyncGenerator<StoredObject> {
    this.listings += 1;
    await this.answer();
    yield* this.below.list(prefix);
  }

  put(): Promise<void> {
    return Promise.reject(new Error("nothing is put here"));
  }

  delete(): Promise<void> {
    return Promise.reject(new Error("nothing is deleted here"));
  }

  /** All that is asked for before anybody waits again is answered at one moment. */
  private answer(): Promise<void> {
    return new Promise((resolve) => {
      this.waiting.push(resolve);
      if (this.waiting.length > 1) return;
      setImmediate(() => {
        const due = this.waiting;
        this.waiting = [];
        this.ms += this.latencyMs;
        for (const one of due) one();
      });
    });
  }
}
