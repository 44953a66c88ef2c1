/** Parts of a store, as stores of their own: what lies below a prefix, and everything else. */
import type {
  ListOptions,
  ObjectStore,
  Range,
  Sealing,
  StoredObject,
  Tail,
} from "./object-store.js";

/**
 * A store that passes calls on with other names. It has the optional methods of the store below, but for those that
 * concern all of it.
 */
abstract class PartStore implements ObjectStore {
  abstract readonly location: string;
  readonly sealing?: Sealing;
  readonly lockMs: number | undefined;
  readonly extendLock?: NonNullable<ObjectStore["extendLock"]>;
  readonly chargesRequests?: true;
  readonly firstMissing?: NonNullable<ObjectStore["firstMissing"]>;
  readonly readElsewhere?: NonNullable<ObjectStore["readElsewhere"]>;
  readonly deleteMany?: NonNullable<ObjectStore["deleteMany"]>;
  readonly putUrgently?: NonNullable<ObjectStore["putUrgently"]>;

  constructor(
    protected readonly below: ObjectStore,
    protected readonly prefix: string,
  ) {
    const { sealing } = below;
    if (sealing) {
      this.sealing = {
        ...sealing,
        seal: (name, bytes) => sealing.seal(this.nameBelow(name), bytes),
        check: (name, stored) => sealing.check(this.nameBelow(name), stored),
        below: this.partOf(sealing.below),
        reading: (elsewhere, placeName = (name) => name) =>
          sealing.reading(elsewhere, (name) => this.nameBelow(placeName(name))),
      };
    }
    this.lockMs = below.lockMs;
    if (below.extendLock) {
      this.extendLock = (name, until, signal) =>
        below.extendLock!(this.nameBelow(name), until, signal);
    }
    if (below.chargesRequests) this.chargesRequests = true;
    if (below.firstMissing) {
      this.firstMissing = async (names, signal) => {
        const own = new Map(names.map((name) => [this.nameBelow(name), name]));
        const missing = await below.firstMissing!([...own.keys()], signal);
        return missing === undefined ? undefined : own.get(missing);
      };
    }
    if (below.readElsewhere) {
      this.readElsewhere = (name, signal) => below.readElsewhere!(this.nameBelow(name), signal);
    }
    if (below.deleteMany) {
      this.deleteMany = (names, signal) => below.deleteMany!(names.map(this.nameBelow), signal);
    }
    if (below.putUrgently) {
      this.putUrgently = (name, bytes, signal) =>
        below.putUrgently!(this.nameBelow(name), bytes, signal);
    }
  }

  /** The name that an object of this store has in the store below. */
  protected abstract readonly nameBelow: (name: string) => string;

  /** The same part of another store. */
  protected abstract partOf(whole: ObjectStore): ObjectStore;

  abstract list(prefix: string, options?: ListOptions): AsyncIterable<StoredObject>;

  put(name: string, bytes: Uint8Array, signal?: AbortSignal): Promise<void> {
    return this.below.put(this.nameBelow(name), bytes, signal);
  }

  get(name: string, range?: Range, signal?: AbortSignal): Promise<Buffer> {
    return this.below.get(this.nameBelow(name), range, signal);
  }

  tail(name: string, bytes: number, signal?: AbortSignal): Promise<Tail> {
    return this.below.tail(this.nameBelow(name), bytes, signal);
  }

  size(name: string, signal?: AbortSignal): Promise<number | undefined> {
    return this.below.size(this.nameBelow(name), signal);
  }

  delete(name: string, signal?: AbortSignal): Promise<void> {
    return this.below.delete(this.nameBelow(name), signal);
  }
}

/** The objects below a prefix; their names are without it. Errors of the store below name them with it. */
export class StoreBelow extends PartStore {
  protected readonly nameBelow = (name: string) => `${this.prefix}${name}`;

  protected partOf(whole: ObjectStore): ObjectStore {
    return new StoreBelow(whole, this.prefix);
  }

  get location(): string {
    return `${this.below.location}/${this.prefix.replace(/\/$/, "")}`;
  }

  async *list(prefix: string, options: ListOptions = {}): AsyncGenerator<StoredObject> {
    const { after } = options;
    const below = after === undefined ? options : { ...options, after: this.nameBelow(after) };
    for await (const { name, size } of this.below.list(this.nameBelow(prefix), below)) {
      yield { name: name.slice(this.prefix.length), size };
    }
  }
}

/** All objects but those below a prefix, which ends in "/". A listing passes over these without listing them. */
export class StoreBeside extends PartStore {
  protected readonly nameBelow = (name: string) => name;

  protected partOf(whole: ObjectStore): ObjectStore {
    return new StoreBeside(whole, this.prefix);
  }

  get location(): string {
    return this.below.location;
  }

  async *list(prefix: string, options: ListOptions = {}): AsyncGenerator<StoredObject> {
    let isReached = false;
    for await (const object of this.below.list(prefix, options)) {
      isReached = object.name.startsWith(this.prefix);
      if (isReached) break;
      yield object;
    }
    if (!isReached) return;
    // No name of an object has a character above "~": names after this one come after all that begin with the prefix.
    const behind = `${this.prefix}~`;
    const after = options.after !== undefined && options.after > behind ? options.after : behind;
    for await (const object of this.below.list(prefix, { ...options, after })) yield object;
  }
}
