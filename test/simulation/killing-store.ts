/** A store whose process dies at one of its writes. */
import type { ObjectStore } from "../../src/storage/object-store.js";
import type { ProcessLife } from "./process-life.js";

export type Moment = "before" | "after";

/** Kills its process at its `killAt`th write; 0 for never. */
export class KillingStore implements ObjectStore {
  writes = 0;
  readonly location = "memory";

  constructor(
    private readonly store: ObjectStore,
    private readonly life: ProcessLife,
    private readonly killAt: number,
    private readonly moment: Moment,
  ) {}

  put(name: string, bytes: Uint8Array): Promise<void> {
    return this.write(() => this.store.put(name, bytes));
  }

  delete(name: string): Promise<void> {
    return this.write(() => this.store.delete(name));
  }

  get(...args: Parameters<ObjectStore["get"]>): Promise<Buffer> {
    return this.store.get(...args);
  }

  tail(...args: Parameters<ObjectStore["tail"]>) {
    return this.store.tail(...args);
  }

  size(name: string): Promise<number | undefined> {
    return this.store.size(name);
  }

  list(prefix: string) {
    return this.store.list(prefix);
  }

  private async write(work: () => Promise<void>): Promise<void> {
    this.writes += 1;
    const isLast = this.writes === this.killAt;
    if (isLast && this.moment === "before") this.life.kill();
    if (this.life.dead) return new Promise(() => undefined);
    await work();
    if (!isLast) return;
    this.life.kill();
    return new Promise(() => undefined);
  }
}
