/** Stores whose listings are behind: what was put of late may be missing from them, though it can be read. */
import { MemoryStore } from "../../src/storage/memory-store.js";
import type { ObjectStore, StoredObject } from "../../src/storage/object-store.js";
import type { Random } from "../simulated/random.js";
import { overriding } from "./overriding.js";

/** A store that knows when each object was put. */
export class DatedStore extends MemoryStore {
  readonly putMs = new Map<string, number>();

  constructor(private readonly nowMs: () => number) {
    super();
  }

  override async put(name: string, bytes: Uint8Array): Promise<void> {
    await super.put(name, bytes);
    this.putMs.set(name, this.nowMs());
  }
}

/** What a reader sees whose listings lack some, or all, of the objects put after `sinceMs`. */
export function staleView(
  store: ObjectStore,
  putMs: ReadonlyMap<string, number>,
  sinceMs: number,
  random: Random,
): ObjectStore {
  const share = random.next() < 0.5 ? 1 : random.next();
  const young = [...putMs].filter(([, atMs]) => atMs > sinceMs).map(([name]) => name);
  const hidden = new Set(young.filter(() => random.next() < share));
  async function* list(prefix: string): AsyncGenerator<StoredObject> {
    for await (const object of store.list(prefix)) if (!hidden.has(object.name)) yield object;
  }
  return overriding(store, { list });
}
