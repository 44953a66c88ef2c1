import type { Instant } from "../instant.js";
import { openRepository as openStored } from "../repository/repository.js";
import type { Keys } from "./keys.js";
import { checkOptions, openOptions } from "./options.js";
import { keyringOf, noteOpening, storeOf } from "./stored-at.js";

/** A repository as plain data: its location and its identity. Nothing is held open, so nothing has to be closed. */
export interface Repository {
  /** As it was given to `openRepository`. */
  readonly location: string | readonly string[];
  /** A UUID. A copy of the repository has the same one. */
  readonly id: string;
  readonly created: Instant;
}

export interface OpenOptions {
  /** The keys of a sealed repository. They hold for the object that is returned, and not for a copy of it. */
  keys?: Keys;
  /** Called when one of several copies does not give what another one does. It MUST NOT throw. */
  onCopyTrouble?: (trouble: CopyTrouble) => void;
}

/** What is wrong with one of several copies. */
export interface CopyTrouble {
  /** Where the copy is. */
  location: string;
  /** The object that it does not give, and another copy does; undefined if the copy as a whole fails. */
  object: string | undefined;
  what: string;
}

/**
 * Finds the repository at `location`: the path of a directory, or a bucket. Of several locations, where copies of one
 * repository are, each object is read from the first that has it whole.
 * @throws {ThinkbackError} `usage` if `location` is no place, or if the repository is sealed and the keys are missing
 * or cannot be read; `repository` if no repository is there, if a later version wrote it, if it cannot be read, if keys
 * are given and it is not sealed, or if the copies are not of one repository; `damaged` if its description is damaged,
 * or nobody who is trusted has signed its key sets
 */
export async function openRepository(
  location: string | readonly string[],
  options: OpenOptions = {},
): Promise<Repository> {
  checkOptions(openOptions, options);
  const { keys, onCopyTrouble = () => undefined } = options;
  const keyring = await keyringOf(keys);
  const store = await storeOf(location, onCopyTrouble);
  const { id, created } = (await openStored(store, keyring)).description;
  const repository = { location, id, created };
  noteOpening(repository, { keyring, onCopyTrouble });
  return repository;
}
