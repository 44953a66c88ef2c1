import type { ObjectStore } from "../storage/object-store.js";
import { instant, text } from "./fields.js";
import { jsonKind, type Stored } from "./json-object.js";

/** The content of repository.json. */
export const descriptionKind = jsonKind("repository", { id: text, created: instant });

export type RepositoryDescription = Stored<typeof descriptionKind>;

/** An opened repository: its store and its description. */
export interface Repository {
  store: ObjectStore;
  description: RepositoryDescription;
}
