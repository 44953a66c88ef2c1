import type {
  ListOptions,
  ObjectStore,
  Range,
  Repeated,
  Sealing,
  StoredObject,
  Tail,
} from "./object-store.js";

/** Longer reads are not remembered: only manifests and the ends of segments are read again and again. */
const readBytesMax = 64 * 1024;
/** At most so many bytes are remembered. */
const rememberedBytesMax = 32 * 1024 * 1024;

/**
 * A store that asks the store below nothing twice, for a short look at a repository. Objects do not change, and
 * everything that one look computes is computed from the same listings.
 */
export class RememberedStore implements ObjectStore {
  readonly location: string;
  readonly sealing: Sealing | undefined;
  readonly readElsewhere?: NonNullable<ObjectStore["readElsewhere"]>;
  private readonly listings = new Map<string, Promise<StoredObject[]>>();
  private readonly sizes = new Map<string, Promise<number | undefined>>();
  /** The sizes of all objects that were listed. */
  private readonly listedSizes = new Map<string, number>();
  private readonly reads = new Map<string, Buffer>();
  private readonly tails = new Map<string, Tail>();
  private bytes = 0;
  private known: ReadonlyMap<string, Repeated> = new Map();

  constructor(private readonly below: ObjectStore) {
    this.location = below.location;
    this.sealing = below.sealing;
    if (below.readElsewhere) {
      this.readElsewhere = (name, signal) => {
        this.forget(name);
        return below.readElsewhere!(name, signal);
      };
    }
  }

  /** @param objects by name; the bytes of one are used if a listing shows the object with the same size */
  know(objects: ReadonlyMap<string, Repeated>): void {
    this.known = objects;
  }

  /** Lists everything once, so that no later listing asks the store. */
  async listAll(): Promise<void> {
    await remembered(this.listings, "", () => this.listBelow(""));
  }

  async *list(prefix: string, { after = "" }: ListOptions = {}): AsyncGenerator<StoredObject> {
    for (const object of await remembered(this.listings, prefix, () => this.listBelow(prefix))) {
      if (object.name > after) yield object;
    }
  }

  async size(name: string): Promise<number | undefined> {
    const listed = this.listedSizes.get(name);
    return listed ?? remembered(this.sizes, name, () => this.below.size(name));
  }

  async get(name: string, range?: Range): Promise<Buffer> {
    const known = this.knownBytes(name);
    if (known) {
      return range ? known.subarray(range.start, range.end) : known;
    }
    const key = range ? `${name} ${range.start} ${range.end}` : name;
    const read = this.reads.get(key);
    if (read) return read;
    const bytes = await this.below.get(name, range);
    if (this.takes(bytes)) this.reads.set(key, bytes);
    return bytes;
  }

  async tail(name: string, bytes: number): Promise<Tail> {
    const known = this.knownBytes(name);
    if (known) {
      return { bytes: known.subarray(Math.max(0, known.length - bytes)), size: known.length };
    }
    const key = `${name} ${bytes}`;
    const read = this.tails.get(key);
    if (read) return read;
    const tail = await this.below.tail(name, bytes);
    if (this.takes(tail.bytes)) this.tails.set(key, tail);
    return tail;
  }

  put(): Promise<void> {
    return Promise.reject(new Error("nothing is put while a repository is looked at"));
  }

  delete(): Promise<void> {
    return Promise.reject(new Error("nothing is deleted while a repository is looked at"));
  }

  private knownBytes(name: string): Buffer | undefined {
    const known = this.known.get(name);
    return known?.storedBytes === this.listedSizes.get(name) ? known?.bytes : undefined;
  }

  private forget(name: string): void {
    for (const reads of [this.reads, this.tails]) {
      for (const key of reads.keys())
        if (key === name || key.startsWith(`${name} `)) reads.delete(key);
    }
  }

  private takes({ length }: Buffer): boolean {
    if (length > readBytesMax || this.bytes + length > rememberedBytesMax) return false;
    this.bytes += length;
    return true;
  }

  /** The objects of a prefix. If a shorter prefix of it was listed before, they are taken from that listing. */
  private async listBelow(prefix: string): Promise<StoredObject[]> {
    for (const [wider, listing] of this.listings) {
      if (wider !== prefix && prefix.startsWith(wider)) {
        return (await listing).filter(({ name }) => name.startsWith(prefix));
      }
    }
    const objects: StoredObject[] = [];
    for await (const object of this.below.list(prefix)) {
      objects.push(object);
      this.listedSizes.set(object.name, object.size);
    }
    return objects;
  }
}

function remembered<T>(
  known: Map<string, Promise<T>>,
  key: string,
  ask: () => Promise<T>,
): Promise<T> {
  let answer = known.get(key);
  if (!answer) {
    answer = ask();
    // A failure is not remembered: the next call asks again.
    answer.catch(() => known.delete(key));
    known.set(key, answer);
  }
  return answer;
}
