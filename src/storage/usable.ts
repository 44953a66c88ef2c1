import { randomUUID } from "node:crypto";
import { failureOf, type ObjectStore } from "./object-store.js";

/**
 * Throws if the store does not take objects. So a store that is needed only when something else fails is found unusable
 * early. A full store passes: objects that it holds may still have to be read.
 */
export async function refuseUnusable(store: ObjectStore): Promise<void> {
  const name = `probe-${randomUUID()}`;
  try {
    await store.put(name, Buffer.from("written to see whether it can be\n"));
    await store.delete(name);
  } catch (error) {
    if (failureOf(error) !== "full") throw error;
  }
}
