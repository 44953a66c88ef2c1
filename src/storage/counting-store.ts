import type { ListOptions, ObjectStore, Range, StoredObject, Tail } from "./object-store.js";
import { StoreLayer } from "./store-layer.js";
import { addInto, noUse, type StoreUse } from "./store-use.js";

/** A bucket lists so many objects with one request. */
const listedAtOnce = 1000;

/**
 * Counts the requests to the store below. It lies right above that store, below every layer that asks again, so that it
 * counts what is really sent.
 */
export class CountingStore extends StoreLayer {
  private readonly tellsPages: boolean;

  /** @param use where it counts; several stores may count in one place */
  constructor(
    below: ObjectStore,
    readonly use: StoreUse,
  ) {
    super(below);
    this.tellsPages = "onMoreRequests" in below;
    if (this.tellsPages) below.onMoreRequests = (more) => addInto(use, { ...noUse, ...more });
    if (below.extendLock) {
      this.extendLock = (name, until, signal) => {
        use.heads += 1;
        return below.extendLock!(name, until, signal);
      };
    }
    this.passOn(["tidy", "keepRoom"], {
      firstMissing: (names, signal) => {
        use.heads += names.length;
        return below.firstMissing!(names, signal);
      },
      deleteMany: (names, signal) => {
        use.deletes += 1;
        return below.deleteMany!(names, signal);
      },
      putUrgently: (name, bytes, signal) => {
        this.notePut(bytes);
        return below.putUrgently!(name, bytes, signal);
      },
      replace: (name, bytes, signal) => {
        this.notePut(bytes);
        return below.replace!(name, bytes, signal);
      },
      storedAt: (name, signal) => {
        use.heads += 1;
        return below.storedAt!(name, signal);
      },
    });
  }

  override put(name: string, bytes: Uint8Array, signal?: AbortSignal): Promise<void> {
    this.notePut(bytes);
    return super.put(name, bytes, signal);
  }

  override async get(name: string, range?: Range, signal?: AbortSignal): Promise<Buffer> {
    this.use.gets += 1;
    const bytes = await super.get(name, range, signal);
    this.use.bytesDown += bytes.length;
    return bytes;
  }

  override async tail(name: string, bytes: number, signal?: AbortSignal): Promise<Tail> {
    this.use.gets += 1;
    const tail = await super.tail(name, bytes, signal);
    this.use.bytesDown += tail.bytes.length;
    return tail;
  }

  override size(name: string, signal?: AbortSignal): Promise<number | undefined> {
    this.use.heads += 1;
    return super.size(name, signal);
  }

  override async *list(prefix: string, options?: ListOptions): AsyncGenerator<StoredObject> {
    let listed = 0;
    this.use.lists += 1;
    for await (const object of super.list(prefix, options)) {
      if (!this.tellsPages && listed > 0 && listed % listedAtOnce === 0) this.use.lists += 1;
      listed += 1;
      yield object;
    }
  }

  override delete(name: string, signal?: AbortSignal): Promise<void> {
    this.use.deletes += 1;
    return super.delete(name, signal);
  }

  private notePut(bytes: Uint8Array): void {
    this.use.puts += 1;
    this.use.bytesUp += bytes.length;
  }
}
