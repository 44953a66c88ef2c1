import type { ListOptions, ObjectStore, Range, StoredObject, Tail } from "./object-store.js";

/** Longer reads are not remembered: what is read again and again is manifests and the ends of segments. */
const readBytesMax = 64 * 1024;
const rememberedBytesMax = 32 * 1024 * 1024;

/**
 * A store of which nothing is asked twice, for a look at a repository that is over in a moment: objects do not change, and
 * all that is computed in one look is computed of the same listings.
 */
export class RememberedStore implements ObjectStore {
  readonly location: string;
  private readonly listings = new Map<string, Promise<StoredObject[]>>();
  private readonly sizes = new Map<string, Promise<number | undefined>>();
  /** Of what was listed. */
  private readonly listedSizes = new Map<string, number>();
  private readonly reads = new Map<string, Buffer>();
  private readonly tails = new Map<string, Tail>();
  private bytes = 0;
  private known: ReadonlyMap<string, Buffer> = new Map();

  constructor(private readonly below: ObjectStore) {
    this.location = below.location;
  }

  /** @param objects the bytes of objects, which count while a listing shows the object, and with as many bytes */
  know(objects: ReadonlyMap<string, Buffer>): void {
    this.known = objects;
  }

  /** Lists everything, so that no other listing asks the store. */
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
    const known = this.known.get(name);
    if (known && known.length === this.listedSizes.get(name)) {
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
    const known = this.known.get(name);
    if (known && known.length === this.listedSizes.get(name)) {
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

  private takes({ length }: Buffer): boolean {
    if (length > readBytesMax || this.bytes + length > rememberedBytesMax) return false;
    this.bytes += length;
    return true;
  }

  /** A listing of a folder that was listed before, or of a part of one, is taken from that. */
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
    // A failure is not an answer: the next one asks again.
    answer.catch(() => known.delete(key));
    known.set(key, answer);
  }
  return answer;
}
