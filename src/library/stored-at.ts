/**
 * A repository and its keys as the inner modules know them. This is apart from repository.ts and keys.ts, so that none
 * of their types is published.
 */
import { systemClock } from "../clock.js";
import { storeOfCopies } from "../copies/open-copies.js";
import { ThinkbackError } from "../errors.js";
import type { Repository as StoredRepository } from "../format/description.js";
import { openSame } from "../repository/repository.js";
import { type Keyring, readKeyring } from "../sealing/keyring.js";
import type { CopyTrouble } from "../storage/fallback-store.js";
import type { ObjectStore } from "../storage/object-store.js";
import type { Keys } from "./keys.js";

/** One place, or several where copies of one repository are. */
type Location = string | readonly string[];

/** What the library gives its callers as a repository. */
interface Given {
  readonly location: Location;
  readonly id: string;
}

/** How a repository was opened. */
export interface Opening {
  keyring: Keyring;
  onCopyTrouble: (trouble: CopyTrouble) => void;
}

/** Beside the repositories and not in them: whoever prints or sends a repository must not print or send a key. */
const openings = new WeakMap<Given, Opening>();

export function noteOpening(repository: Given, opening: Opening): void {
  openings.set(repository, opening);
}

/**
 * Opens the repository again, as it was opened; without keys if it is a copy of what `openRepository` has returned.
 * Throws, with code "repository", if another one is in its place.
 */
export async function storedAt(repository: Given): Promise<StoredRepository> {
  const { keyring, onCopyTrouble } = openings.get(repository) ?? {
    keyring: await keyringOf(),
    onCopyTrouble: () => undefined,
  };
  const store = await storeOf(repository.location, onCopyTrouble);
  return openSame(store, repository, keyring);
}

/** @throws {ThinkbackError} `usage` if a key cannot be read, or is none */
export function keyringOf(keys: Keys = {}): Promise<Keyring> {
  const { identityFiles = [], identities = [], trust, passphrase } = keys;
  return readKeyring(identityFiles, trust, passphrase, identities);
}

export function storeOf(
  location: Location,
  onCopyTrouble: Opening["onCopyTrouble"],
): Promise<ObjectStore> {
  return storeOfCopies(locationsOf(location), systemClock, onCopyTrouble);
}

/** The places that are given as one location or as several. Throws, with code "usage", if there is none. */
export function locationsOf(location: Location): [string, ...string[]] {
  const [first, ...others] = [location].flat() as string[];
  if (first !== undefined) return [first, ...others];
  throw new ThinkbackError("usage", "no location is given", {
    hint: "give the location of the repository, or those of several copies of it",
  });
}
