import { type Repository as StoredRepository } from "../format/description.js";
import { storeAt } from "../storage/store-at.js";
import type { Repository } from "./repository.js";

/**
 * A repository as the inner modules know it. This is apart from repository.ts, so that none of their types is
 * published.
 */
export function storedAt({ location, id, created }: Repository): StoredRepository {
  return { store: storeAt(location), description: { id, created } };
}
