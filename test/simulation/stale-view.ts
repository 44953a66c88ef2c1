/** Stores whose listings are behind: what was put of late may be missing from them, though it can be read. */
import { parseSegmentName, type SegmentName } from "../../src/format/names.js";
import { MemoryStore } from "../../src/storage/memory-store.js";
import type { ObjectStore, StoredObject } from "../../src/storage/object-store.js";
import type { Random } from "../simulated/random.js";
import { overriding } from "./overriding.js";

/** A store that knows when each object was put, and of which segments; also of those that are deleted. */
export class DatedStore extends MemoryStore {
  readonly putMs = new Map<string, number>();
  readonly segments: SegmentName[] = [];

  constructor(private readonly nowMs: () => number) {
    super();
  }

  override async put(name: string, bytes: Uint8Array): Promise<void> {
    await super.put(name, bytes);
    this.putMs.set(name, this.nowMs());
    const segment = parseSegmentName(name);
    if (segment) this.segments.push(segment);
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

/** What a process sees whose listings lack what others put after `sinceMs()`. */
export function laggingView(
  store: ObjectStore,
  putMs: ReadonlyMap<string, number>,
  sinceMs: () => number,
): ObjectStore {
  const own = new Set<string>();
  const put: ObjectStore["put"] = (name, bytes) => {
    own.add(name);
    return store.put(name, bytes);
  };
  async function* list(prefix: string): AsyncGenerator<StoredObject> {
    const since = sinceMs();
    for await (const object of store.list(prefix)) {
      if (own.has(object.name) || putMs.get(object.name)! <= since) yield object;
    }
  }
  return overriding(store, { put, list });
}
