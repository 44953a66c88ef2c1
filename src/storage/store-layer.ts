import type {
  ListOptions,
  ObjectStore,
  Range,
  Sealing,
  StoredObject,
  Tail,
} from "./object-store.js";

/**
 * A store over another one, which passes every call on; a subclass changes some of them. It has none of the optional
 * methods that change objects or ask for them, because calls of these would bypass the subclass.
 */
export abstract class StoreLayer implements ObjectStore {
  readonly sealing: Sealing | undefined;
  readonly chargesRequests?: true;
  readonly mayOverwrite: boolean;
  readonly lockMs: number | undefined;
  readonly extendLock?: NonNullable<ObjectStore["extendLock"]>;
  readElsewhere?: NonNullable<ObjectStore["readElsewhere"]>;

  constructor(protected readonly below: ObjectStore) {
    this.sealing = below.sealing;
    if (below.chargesRequests) this.chargesRequests = true;
    this.mayOverwrite = below.mayOverwrite === true;
    this.lockMs = below.lockMs;
    if (below.extendLock) this.extendLock = below.extendLock.bind(below);
    if (below.readElsewhere) this.readElsewhere = below.readElsewhere.bind(below);
  }

  get location(): string {
    return this.below.location;
  }

  put(name: string, bytes: Uint8Array, signal?: AbortSignal): Promise<void> {
    return this.below.put(name, bytes, signal);
  }

  get(name: string, range?: Range, signal?: AbortSignal): Promise<Buffer> {
    return this.below.get(name, range, signal);
  }

  tail(name: string, bytes: number, signal?: AbortSignal): Promise<Tail> {
    return this.below.tail(name, bytes, signal);
  }

  size(name: string, signal?: AbortSignal): Promise<number | undefined> {
    return this.below.size(name, signal);
  }

  list(prefix: string, options?: ListOptions): AsyncIterable<StoredObject> {
    return this.below.list(prefix, options);
  }

  delete(name: string, signal?: AbortSignal): Promise<void> {
    return this.below.delete(name, signal);
  }
}
