import type { ObjectStore } from "./object-store.js";

/** The store, which puts with room that is kept aside where there is no other: for what makes room again. */
export function urgentStore(store: ObjectStore): ObjectStore {
  return {
    location: store.location,
    put: (name, bytes) => store.putUrgently?.(name, bytes) ?? store.put(name, bytes),
    get: (name, range) => store.get(name, range),
    size: (name) => store.size(name),
    list: (prefix) => store.list(prefix),
    delete: (name) => store.delete(name),
  };
}
