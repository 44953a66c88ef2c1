import type { ListOptions, ObjectStore, StoredObject } from "./object-store.js";
import { StoreLayer } from "./store-layer.js";

/**
 * A store as it was when it was listed once: later objects are not shown, and listings cost no requests. Objects are
 * read from the store itself, so an object that was deleted since is missing. Nothing can be written.
 */
export class ListedStore extends StoreLayer {
  private sorted: string[] | undefined;

  private constructor(
    below: ObjectStore,
    /** Bytes of each object, by name. */
    private readonly sizes: Map<string, number>,
  ) {
    super(below);
  }

  /** @param onListed called with the number of objects listed so far */
  static async of(below: ObjectStore, onListed?: (objects: number) => void): Promise<ListedStore> {
    const sizes = new Map<string, number>();
    for await (const { name, size } of below.list("")) {
      sizes.set(name, size);
      onListed?.(sizes.size);
    }
    return new ListedStore(below, sizes);
  }

  /** The names that begin with `prefix`, sorted. */
  names(prefix = ""): string[] {
    this.sorted ??= [...this.sizes.keys()].sort();
    const from = firstNotBefore(this.sorted, prefix);
    let to = from;
    while (to < this.sorted.length && this.sorted[to]!.startsWith(prefix)) to += 1;
    return this.sorted.slice(from, to);
  }

  has(name: string): boolean {
    return this.sizes.has(name);
  }

  /** Bytes of a listed object; undefined if it was not listed. */
  listedSize(name: string): number | undefined {
    return this.sizes.get(name);
  }

  /**
   * True if the object exists, even if it was not listed: a part may have been put after its place in the listing was
   * passed.
   */
  async lookFor(name: string): Promise<boolean> {
    if (this.sizes.has(name)) return true;
    const size = await this.below.size(name);
    if (size === undefined) return false;
    this.sizes.set(name, size);
    this.sorted = undefined;
    return true;
  }

  /** True if an object was deleted since it was listed. */
  async isGone(name: string): Promise<boolean> {
    return (await this.below.size(name)) === undefined;
  }

  override async size(name: string, signal?: AbortSignal): Promise<number | undefined> {
    return this.sizes.get(name) ?? super.size(name, signal);
  }

  override async *list(
    prefix: string,
    { after = "" }: ListOptions = {},
  ): AsyncGenerator<StoredObject> {
    for (const name of this.names(prefix)) {
      if (name > after) yield { name, size: this.sizes.get(name)! };
    }
  }

  override put(): Promise<void> {
    return Promise.reject(new Error("a listed store cannot be written to"));
  }

  override delete(): Promise<void> {
    return Promise.reject(new Error("a listed store cannot be written to"));
  }
}

/** The place of the first name that does not come before `prefix`. */
function firstNotBefore(sorted: string[], prefix: string): number {
  let [low, high] = [0, sorted.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (sorted[middle]! < prefix) low = middle + 1;
    else high = middle;
  }
  return low;
}
