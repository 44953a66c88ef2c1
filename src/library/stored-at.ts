import { type Repository as StoredRepository } from "../format/description.js";
import { storeAt } from "../storage/store-at.js";
import type { Repository } from "./repository.js";

/** A repository as the rooms below know it. Apart from repository.ts, so that no declaration of theirs is published. */
export function storedAt({ location, id, created }: Repository): StoredRepository {
  return { store: storeAt(location), description: { id, created } };
}
