import type { ObjectStore } from "../../src/storage/object-store.js";

/** A store as it is, but as if it charged for each request. Calls reach the store itself. */
export function charging(store: ObjectStore): ObjectStore {
  return new Proxy(store, {
    get: (of, property) => {
      if (property === "chargesRequests") return true;
      const value: unknown = Reflect.get(of, property, of);
      return typeof value === "function" ? value.bind(of) : value;
    },
  });
}
