import type {
  ListOptions,
  ObjectStore,
  Range,
  Sealing,
  StoredObject,
  Tail,
} from "./object-store.js";

/** Optional methods that a layer has only if it passes them on, because calls of these would bypass a subclass. */
const optional = [
  "firstMissing",
  "deleteMany",
  "tidy",
  "keepRoom",
  "putUrgently",
  "replace",
  "storedAt",
] as const;
type Optional = (typeof optional)[number];

/**
 * A store over another one, which passes every call on; a subclass changes some of them. Of the optional methods that
 * change objects or ask for them it has those that the subclass passes on.
 */
export abstract class StoreLayer implements ObjectStore {
  readonly sealing: Sealing | undefined;
  readonly chargesRequests?: true;
  readonly mayOverwrite: boolean;
  readonly lockMs: number | undefined;
  extendLock?: NonNullable<ObjectStore["extendLock"]>;
  readElsewhere?: NonNullable<ObjectStore["readElsewhere"]>;
  readonly firstMissing?: NonNullable<ObjectStore["firstMissing"]>;
  readonly deleteMany?: NonNullable<ObjectStore["deleteMany"]>;
  readonly tidy?: NonNullable<ObjectStore["tidy"]>;
  readonly keepRoom?: NonNullable<ObjectStore["keepRoom"]>;
  readonly putUrgently?: NonNullable<ObjectStore["putUrgently"]>;
  readonly replace?: NonNullable<ObjectStore["replace"]>;
  readonly storedAt?: NonNullable<ObjectStore["storedAt"]>;

  constructor(protected readonly below: ObjectStore) {
    this.sealing = below.sealing;
    if (below.chargesRequests) this.chargesRequests = true;
    this.mayOverwrite = below.mayOverwrite === true;
    this.lockMs = below.lockMs;
    if (below.extendLock) this.extendLock = below.extendLock.bind(below);
    if (below.readElsewhere) this.readElsewhere = below.readElsewhere.bind(below);
  }

  /**
   * Gives this layer optional methods, as far as the store below has them.
   * @param asTheyAre those that need no change
   * @param changed those that do more than to pass the call on
   */
  protected passOn(
    asTheyAre: readonly Optional[],
    changed: Partial<Pick<ObjectStore, Optional>> = {},
  ): void {
    const { below } = this;
    for (const name of optional) {
      const method: unknown = below[name];
      if (typeof method !== "function") continue;
      if (changed[name]) Object.assign(this, { [name]: changed[name] });
      else if (asTheyAre.includes(name))
        Object.assign(this, { [name]: method.bind(below) as unknown });
    }
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
