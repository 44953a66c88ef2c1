import { MemoryStore } from "./memory-store.js";
import { ObjectExists, type ObjectStore, type StoredObject } from "./object-store.js";

/**
 * A store as it was when it was listed, and as it would be with some objects more: what others put meanwhile is in no
 * listing of it, and what is put to it goes nowhere but into memory. Nothing can be deleted.
 */
export class StoreSnapshot implements ObjectStore {
  readonly location: string;
  private readonly added = new MemoryStore();

  private constructor(
    private readonly below: ObjectStore,
    /** In the order of their names. */
    private readonly listed: StoredObject[],
  ) {
    this.location = below.location;
  }

  static async of(store: ObjectStore): Promise<StoreSnapshot> {
    const listed: StoredObject[] = [];
    for await (const object of store.list("")) listed.push(object);
    return new StoreSnapshot(store, listed);
  }

  async put(name: string, bytes: Uint8Array): Promise<void> {
    if ((await this.size(name)) !== undefined) throw new ObjectExists(name);
    await this.added.put(name, bytes);
  }

  async get(name: string, range?: { start: number; end: number }): Promise<Buffer> {
    const isAdded = (await this.added.size(name)) !== undefined;
    return (isAdded ? this.added : this.below).get(name, range);
  }

  async size(name: string): Promise<number | undefined> {
    return (await this.added.size(name)) ?? this.below.size(name);
  }

  async *list(prefix: string): AsyncGenerator<StoredObject> {
    const added: StoredObject[] = [];
    for await (const object of this.added.list(prefix)) added.push(object);
    for (const object of this.listed) {
      if (!object.name.startsWith(prefix)) continue;
      while (added.length > 0 && added[0]!.name < object.name) yield added.shift()!;
      yield object;
    }
    yield* added;
  }

  delete(): Promise<void> {
    return Promise.reject(new Error("nothing is deleted from a snapshot"));
  }
}
