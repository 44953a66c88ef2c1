import { randomUUID } from "node:crypto";
import { ThinkbackError } from "../errors.js";
import {
  descriptionKind,
  type Repository,
  type RepositoryDescription,
} from "../format/description.js";
import { decodeStored, encodeStored, readStored } from "../format/json-object.js";
import { repositoryName } from "../format/names.js";
import type { Instant } from "../instant.js";
import { getIfThere, ObjectExists, type ObjectStore } from "../storage/object-store.js";

/** Opens an existing repository; refuses a store that holds none, something else, or a newer version. */
export async function openRepository(store: ObjectStore): Promise<Repository> {
  const bytes = await getIfThere(store, repositoryName);
  if (bytes) return { store, description: decodeStored(bytes, repositoryName, descriptionKind) };
  throw new ThinkbackError(
    "repository",
    (await isEmpty(store))
      ? `there is no repository at ${store.location}`
      : `${store.location} holds something, but not a Thinkback repository`,
    { hint: "check --repo; `thinkback run` makes a repository in an empty or new directory" },
  );
}

/** Throws, naming it, if repository.json is missing or damaged. */
export function readDescription(store: ObjectStore): Promise<RepositoryDescription> {
  return readStored(store, repositoryName, descriptionKind);
}

/** Opens the repository anew, by a new store; throws if there is none any more, or another one. */
export async function openSame(
  store: ObjectStore,
  { id }: RepositoryDescription,
): Promise<Repository> {
  const repository = await openRepository(store);
  if (repository.description.id === id) return repository;
  throw new ThinkbackError(
    "repository",
    `${store.location} holds another repository, ${repository.description.id}; ours is ${id}`,
    { hint: "put ours back in its place, or stop this capture" },
  );
}

/** Opens the repository at `store`, making one first if the store is empty. */
export async function openOrCreateRepository(
  store: ObjectStore,
  now: Instant,
): Promise<Repository> {
  const absent = (await store.size(repositoryName)) === undefined;
  if (absent && (await isEmpty(store))) {
    const description: RepositoryDescription = { id: randomUUID(), created: now };
    try {
      await store.put(repositoryName, encodeStored(descriptionKind, description));
      // Before anything fills the disk.
      await store.keepRoom?.();
    } catch (error) {
      // Somebody else made it between our look and our put: theirs is the repository.
      if (!(error instanceof ObjectExists)) throw error;
    }
  }
  return openRepository(store);
}

async function isEmpty(store: ObjectStore): Promise<boolean> {
  for await (const _ of store.list("")) return false;
  return true;
}
