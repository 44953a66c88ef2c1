import type { Instant } from "../instant.js";
import { openRepository as openStored } from "../repository/repository.js";
import { storeAt } from "../storage/store-at.js";

/** A repository as plain data: its location and its identity. Nothing is held open, so nothing has to be closed. */
export interface Repository {
  /** As it was given to `openRepository`. */
  readonly location: string;
  /** A UUID. A copy of the repository has the same one. */
  readonly id: string;
  readonly created: Instant;
}

/**
 * Finds the repository at `location`, the path of a directory.
 * @throws {ThinkbackError} `usage` if `location` is no path; `repository` if no repository is there, if a later version
 * wrote it, or if it cannot be read; `damaged` if its description is damaged
 */
export async function openRepository(location: string): Promise<Repository> {
  const { id, created } = (await openStored(storeAt(location))).description;
  return { location, id, created };
}
