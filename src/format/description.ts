import * as v from "valibot";
import type { ObjectStore } from "../storage/object-store.js";
import { flag, instant, ordinal, text } from "./fields.js";
import { jsonKind, type Stored } from "./json-object.js";

/** The content of repository.json, and of lanes/<lane>/repository.json. */
export const descriptionKind = jsonKind("repository", {
  id: text,
  created: instant,
  /** Everything but this object and the key sets is encrypted and signed. Absent if it is not. */
  sealed: v.exactOptional(flag),
  /** Of a lane from 1 on: its number, and the id of the repository that it is a lane of. */
  lane: v.exactOptional(ordinal),
  of: v.exactOptional(text),
});

export type RepositoryDescription = Stored<typeof descriptionKind>;

/**
 * An opened repository, or one of its lanes. A lane has a log, bases and evidence of its own, like a repository of its
 * own. Registers, pins, drills and holds are common to all lanes.
 */
export interface Repository {
  store: ObjectStore;
  description: RepositoryDescription;
  /** Set if it is one lane; absent if it is the repository with all its lanes. */
  lane?: LaneOf;
}

export interface LaneOf {
  number: number;
  /** Where what is common to all lanes is stored. */
  root: ObjectStore;
}

/** Where registers, pins, drills and holds are stored. */
export function commonStore({ store, lane }: Repository): ObjectStore {
  return lane?.root ?? store;
}
