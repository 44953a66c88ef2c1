import type { ObjectStore } from "../storage/object-store.js";
import { instant, text } from "./fields.js";
import { jsonKind, type Stored } from "./json-object.js";

/** What repository.json says. */
export const descriptionKind = jsonKind("repository", { id: text, created: instant });

export type RepositoryDescription = Stored<typeof descriptionKind>;

/** An opened repository: a store that holds one, and its description. */
export interface Repository {
  store: ObjectStore;
  description: RepositoryDescription;
}
