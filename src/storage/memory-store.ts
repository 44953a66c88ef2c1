import {
  checkName,
  type ListOptions,
  ObjectExists,
  ObjectMissing,
  type ObjectStore,
  type Range,
  type StoredObject,
  type Tail,
} from "./object-store.js";

/** A store in memory, which ends with its process. */
export class MemoryStore implements ObjectStore {
  readonly location = "memory";
  private readonly objects = new Map<string, Buffer>();

  async put(name: string, bytes: Uint8Array, signal?: AbortSignal): Promise<void> {
    checkName(name);
    signal?.throwIfAborted();
    if (this.objects.has(name)) throw new ObjectExists(name);
    this.objects.set(name, Buffer.from(bytes));
  }

  async get(name: string, range?: Range, signal?: AbortSignal): Promise<Buffer> {
    checkName(name);
    signal?.throwIfAborted();
    const bytes = this.held(name);
    return Buffer.from(range ? bytes.subarray(range.start, range.end) : bytes);
  }

  async tail(name: string, bytes: number, signal?: AbortSignal): Promise<Tail> {
    checkName(name);
    signal?.throwIfAborted();
    const all = this.held(name);
    const size = all.length;
    return { bytes: Buffer.from(all.subarray(Math.max(0, size - bytes))), size };
  }

  async size(name: string, signal?: AbortSignal): Promise<number | undefined> {
    checkName(name);
    signal?.throwIfAborted();
    return this.objects.get(name)?.length;
  }

  async *list(
    prefix: string,
    { after = "", signal }: ListOptions = {},
  ): AsyncIterable<StoredObject> {
    // Object names are ASCII, so the order of code units is the order of bytes.
    const names = [...this.objects.keys()]
      .filter((name) => name.startsWith(prefix) && name > after)
      .sort();
    for (const name of names) {
      signal?.throwIfAborted();
      const bytes = this.objects.get(name);
      if (bytes !== undefined) yield { name, size: bytes.length };
    }
  }

  async delete(name: string, signal?: AbortSignal): Promise<void> {
    checkName(name);
    signal?.throwIfAborted();
    this.objects.delete(name);
  }

  async replace(name: string, bytes: Uint8Array, signal?: AbortSignal): Promise<void> {
    checkName(name);
    signal?.throwIfAborted();
    this.objects.set(name, Buffer.from(bytes));
  }

  private held(name: string): Buffer {
    const bytes = this.objects.get(name);
    if (bytes === undefined) throw new ObjectMissing(name);
    return bytes;
  }
}
