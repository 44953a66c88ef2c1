import { ObjectMissing, type ObjectStore, type StoredObject } from "./object-store.js";

/** A store as it would be without some objects. What is put goes to the store itself. */
export class WithoutStore implements ObjectStore {
  readonly location: string;

  constructor(
    private readonly below: ObjectStore,
    private readonly without: { has(name: string): boolean },
  ) {
    this.location = below.location;
  }

  put(name: string, bytes: Uint8Array): Promise<void> {
    return this.below.put(name, bytes);
  }

  async get(name: string, range?: { start: number; end: number }): Promise<Buffer> {
    if (this.without.has(name)) throw new ObjectMissing(name);
    return this.below.get(name, range);
  }

  async size(name: string): Promise<number | undefined> {
    return this.without.has(name) ? undefined : this.below.size(name);
  }

  async *list(prefix: string): AsyncGenerator<StoredObject> {
    for await (const object of this.below.list(prefix)) {
      if (!this.without.has(object.name)) yield object;
    }
  }

  delete(name: string): Promise<void> {
    return this.below.delete(name);
  }
}
