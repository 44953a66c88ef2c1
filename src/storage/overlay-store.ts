import { ObjectExists, type ObjectStore, type StoredObject } from "./object-store.js";

/** A store as it would be with some objects more. What is put goes nowhere but into memory; nothing can be deleted. */
export class OverlayStore implements ObjectStore {
  readonly location: string;

  constructor(
    private readonly below: ObjectStore,
    private readonly added: ObjectStore,
  ) {
    this.location = below.location;
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
    for await (const object of this.below.list(prefix)) {
      while (added.length > 0 && added[0]!.name < object.name) yield added.shift()!;
      yield object;
    }
    yield* added;
  }

  delete(): Promise<void> {
    return Promise.reject(new Error("an overlay deletes nothing"));
  }
}
