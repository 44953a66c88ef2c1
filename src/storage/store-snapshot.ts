import { MemoryStore } from "./memory-store.js";
import {
  type ListOptions,
  ObjectExists,
  type ObjectStore,
  type Range,
  type StoredObject,
  type Tail,
} from "./object-store.js";
import { StoreLayer } from "./store-layer.js";

/**
 * A store as it was when it was listed, and as it would be with some objects more: what others put meanwhile is in no
 * listing of it, and what is put to it goes nowhere but into memory. Nothing can be deleted.
 */
export class StoreSnapshot extends StoreLayer {
  private readonly added = new MemoryStore();

  private constructor(
    below: ObjectStore,
    /** In the order of their names. */
    private readonly listed: StoredObject[],
  ) {
    super(below);
  }

  static async of(store: ObjectStore): Promise<StoreSnapshot> {
    const listed: StoredObject[] = [];
    for await (const object of store.list("")) listed.push(object);
    return new StoreSnapshot(store, listed);
  }

  override async put(name: string, bytes: Uint8Array, signal?: AbortSignal): Promise<void> {
    if ((await this.size(name, signal)) !== undefined) throw new ObjectExists(name);
    await this.added.put(name, bytes);
  }

  override async get(name: string, range?: Range, signal?: AbortSignal): Promise<Buffer> {
    return (await this.holderOf(name)).get(name, range, signal);
  }

  override async tail(name: string, bytes: number, signal?: AbortSignal): Promise<Tail> {
    return (await this.holderOf(name)).tail(name, bytes, signal);
  }

  override async size(name: string, signal?: AbortSignal): Promise<number | undefined> {
    return (await this.holderOf(name)).size(name, signal);
  }

  override async *list(
    prefix: string,
    { after = "" }: ListOptions = {},
  ): AsyncGenerator<StoredObject> {
    const added: StoredObject[] = [];
    for await (const object of this.added.list(prefix, { after })) added.push(object);
    for (const object of this.listed) {
      if (!object.name.startsWith(prefix) || object.name <= after) continue;
      while (added.length > 0 && added[0]!.name < object.name) yield added.shift()!;
      yield object;
    }
    yield* added;
  }

  override delete(): Promise<void> {
    return Promise.reject(new Error("nothing is deleted from a snapshot"));
  }

  private async holderOf(name: string): Promise<ObjectStore> {
    return (await this.added.size(name)) === undefined ? this.below : this.added;
  }
}
