/** A replica whose time passes when the test says so, and stores that can be away. */
import type { Clock } from "../../src/clock.js";
import { isSignal } from "../../src/copies/copy-order.js";
import { Replica } from "../../src/copies/replica.js";
import { type ObjectStore, StoreUnavailable } from "../../src/storage/object-store.js";
import { StoreLayer } from "../../src/storage/store-layer.js";
import { namesIn } from "../repository/recording.js";

/** Time passes when the test says so. */
class SteppedClock implements Clock {
  private ms = 0;
  private readonly sleepers: { untilMs: number; wake: () => void }[] = [];

  now = () => this.ms;
  monotonicMs = () => this.ms;

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const abort = () => reject(signal!.reason as Error);
      if (signal?.aborted) abort();
      signal?.addEventListener("abort", abort, { once: true });
      const wake = () => {
        signal?.removeEventListener("abort", abort);
        resolve();
      };
      this.sleepers.push({ untilMs: this.ms + ms, wake });
    });
  }

  async pass(ms: number): Promise<void> {
    this.ms += ms;
    for (const { untilMs, wake } of this.sleepers) if (untilMs <= this.ms) wake();
    await settled();
  }
}

/** Lets everything happen that waits for no time. */
export async function settled(): Promise<void> {
  for (let i = 0; i < 300; i += 1) await new Promise((resolve) => setImmediate(resolve));
}

/** A store that can be away, and counts what it is asked. */
export class AwayStore extends StoreLayer {
  isAway = false;
  gets = 0;

  override async put(name: string, bytes: Uint8Array): Promise<void> {
    this.refuseAway();
    await super.put(name, bytes);
  }
  override async get(...args: Parameters<ObjectStore["get"]>): Promise<Buffer> {
    this.refuseAway();
    this.gets += 1;
    return super.get(...args);
  }
  override async *list(...args: Parameters<ObjectStore["list"]>) {
    this.refuseAway();
    yield* super.list(...args);
  }
  private refuseAway(): void {
    if (this.isAway) throw new StoreUnavailable("away");
  }
}

interface Told {
  level: number;
  failures: unknown[];
}

export function begin(primary: ObjectStore, target: ObjectStore) {
  const clock = new SteppedClock();
  const told: Told = { level: 0, failures: [] };
  const replica = new Replica(primary, target, clock, {
    fails: (error) => void told.failures.push(error),
    isLevel: () => void (told.level += 1),
    keepsUp: () => undefined,
    finds: (object, what) => void told.failures.push(`${object}: ${what}`),
  });
  const ending = new AbortController();
  const running = replica.run(ending.signal);
  const end = async () => {
    ending.abort(new Error("the test ended"));
    await running;
  };
  return { clock, told, replica, running, end };
}

export const copiedNames = async (store: ObjectStore) =>
  (await namesIn(store)).filter((name) => !isSignal(name));
