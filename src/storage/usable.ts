import { randomUUID } from "node:crypto";
import { type ObjectStore, StoreFull } from "./object-store.js";

/**
 * Throws if the store does not take objects, so that what is needed only when something else fails is not found unusable
 * then. A full one passes: what it holds already may still have to be read from it.
 */
export async function refuseUnusable(store: ObjectStore): Promise<void> {
  const name = `probe-${randomUUID()}`;
  try {
    await store.put(name, Buffer.from("written to see whether it can be\n"));
    await store.delete(name);
  } catch (error) {
    if (!(error instanceof StoreFull)) throw error;
  }
}
