/** A store that counts the requests that a bucket would answer: a listing is one for each thousand names. */
import type { ObjectStore, StoredObject, Tail } from "../../src/storage/object-store.js";

const namesOfPage = 1000;

export class CountingStore implements ObjectStore {
  /** Each request, such as `get log/…` or `list bases/`. */
  readonly requests: string[] = [];
  readonly location = "counting";

  constructor(private readonly below: ObjectStore) {}

  put(name: string, bytes: Uint8Array): Promise<void> {
    this.requests.push(`put ${name}`);
    return this.below.put(name, bytes);
  }

  get(name: string, range?: { start: number; end: number }): Promise<Buffer> {
    this.requests.push(`get ${name}`);
    return this.below.get(name, range);
  }

  tail(name: string, bytes: number): Promise<Tail> {
    this.requests.push(`tail ${name}`);
    return this.below.tail(name, bytes);
  }

  size(name: string): Promise<number | undefined> {
    this.requests.push(`size ${name}`);
    return this.below.size(name);
  }

  async *list(prefix: string): AsyncGenerator<StoredObject> {
    let listed = 0;
    this.requests.push(`list ${prefix}`);
    for await (const object of this.below.list(prefix)) {
      listed += 1;
      if (listed % namesOfPage === 0) this.requests.push(`list ${prefix} on`);
      yield object;
    }
  }

  delete(name: string): Promise<void> {
    this.requests.push(`delete ${name}`);
    return this.below.delete(name);
  }
}
