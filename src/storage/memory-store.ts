import {
  checkName,
  ObjectExists,
  ObjectMissing,
  type ObjectStore,
  type StoredObject,
} from "./object-store.js";

/** An ObjectStore that lives and dies with its process. */
export class MemoryStore implements ObjectStore {
  readonly location = "memory";
  private readonly objects = new Map<string, Buffer>();

  async put(name: string, bytes: Uint8Array): Promise<void> {
    checkName(name);
    if (this.objects.has(name)) throw new ObjectExists(name);
    this.objects.set(name, Buffer.from(bytes));
  }

  async get(name: string, range?: { start: number; end: number }): Promise<Buffer> {
    checkName(name);
    const bytes = this.objects.get(name);
    if (bytes === undefined) throw new ObjectMissing(name);
    return Buffer.from(range ? bytes.subarray(range.start, range.end) : bytes);
  }

  async size(name: string): Promise<number | undefined> {
    checkName(name);
    return this.objects.get(name)?.length;
  }

  async *list(prefix: string): AsyncIterable<StoredObject> {
    // Object names are ASCII, so the order of code units is the order of bytes.
    const names = [...this.objects.keys()].filter((name) => name.startsWith(prefix)).sort();
    for (const name of names) {
      const bytes = this.objects.get(name);
      if (bytes !== undefined) yield { name, size: bytes.length };
    }
  }

  async delete(name: string): Promise<void> {
    checkName(name);
    this.objects.delete(name);
  }
}
