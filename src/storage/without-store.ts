import {
  type ListOptions,
  ObjectMissing,
  type ObjectStore,
  type Range,
  type StoredObject,
  type Tail,
} from "./object-store.js";
import { StoreLayer } from "./store-layer.js";

/** A store that hides some objects of the store below. Puts go to the store below. */
export class WithoutStore extends StoreLayer {
  constructor(
    below: ObjectStore,
    private readonly without: { has(name: string): boolean },
  ) {
    super(below);
  }

  override async get(name: string, range?: Range, signal?: AbortSignal): Promise<Buffer> {
    if (this.without.has(name)) throw new ObjectMissing(name);
    return super.get(name, range, signal);
  }

  override async tail(name: string, bytes: number, signal?: AbortSignal): Promise<Tail> {
    if (this.without.has(name)) throw new ObjectMissing(name);
    return super.tail(name, bytes, signal);
  }

  override async size(name: string, signal?: AbortSignal): Promise<number | undefined> {
    return this.without.has(name) ? undefined : super.size(name, signal);
  }

  override async *list(prefix: string, options?: ListOptions): AsyncGenerator<StoredObject> {
    for await (const object of super.list(prefix, options)) {
      if (!this.without.has(object.name)) yield object;
    }
  }
}
