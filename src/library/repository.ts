import type { Instant } from "../instant.js";
import { openRepository as openStored } from "../repository/repository.js";
import { storeAt } from "../storage/store-at.js";

/** A repository, as plain data: where it is, and which one it is. Nothing is held open, so nothing has to be closed. */
export interface Repository {
  /** As it was given to `openRepository`. */
  readonly location: string;
  /** A UUID: a copy of the repository has the same. */
  readonly id: string;
  readonly created: Instant;
}

/**
 * Finds the repository at `location`, the path of a directory.
 * @throws {ThinkbackError} `usage` if `location` is no path; `repository` if no repository is there, or one that a later
 * version wrote, or it cannot be read; `damaged` if its description is
 */
export async function openRepository(location: string): Promise<Repository> {
  const { id, created } = (await openStored(storeAt(location))).description;
  return { location, id, created };
}
