/** The store of a process that may be killed while others of its own wait for it. */
import type { ObjectStore, StoredObject } from "../../src/storage/object-store.js";
import type { ProcessLife } from "./process-life.js";

export class Killed extends Error {}

/**
 * What waits for the store ends when the process dies, as its memory does: else the lease of a dead process would be
 * taken for held by the next one with the same name.
 */
export function untilDeath(store: ObjectStore, life: ProcessLife): ObjectStore {
  const death = new Promise<never>((_, reject) => {
    life.onKilled(() => reject(new Killed("the process was killed")));
  });
  death.catch(() => undefined);
  const alive = <T>(work: () => Promise<T>) => (life.dead ? death : Promise.race([death, work()]));
  return {
    location: store.location,
    put: (name, bytes) => alive(() => store.put(name, bytes)),
    get: (name, range) => alive(() => store.get(name, range)),
    tail: (name, bytes) => alive(() => store.tail(name, bytes)),
    size: (name) => alive(() => store.size(name)),
    delete: (name) => alive(() => store.delete(name)),
    list: (prefix) => listed(prefix),
  };

  async function* listed(prefix: string): AsyncGenerator<StoredObject> {
    yield* await alive(async () => {
      const objects: StoredObject[] = [];
      for await (const object of store.list(prefix)) objects.push(object);
      return objects;
    });
  }
}
