import { randomUUID } from "node:crypto";
import { isDamage, ThinkbackError } from "../errors.js";
import {
  descriptionKind,
  type Repository,
  type RepositoryDescription,
} from "../format/description.js";
import { decodeStored, encodeStored, readStored } from "../format/json-object.js";
import { repositoryName } from "../format/names.js";
import type { Instant } from "../instant.js";
import { refuseInterrupted } from "../sealing/init.js";
import { type Keyring, keysOfProcess, unseal } from "../sealing/keyring.js";
import { getIfThere, ObjectExists, type ObjectStore } from "../storage/object-store.js";
import { probesPrefix, refuseOverwriting } from "../storage/probe.js";

/**
 * Opens an existing repository. Throws if the store holds none, holds something else, or has a newer version; if it is
 * sealed and the keys do not open it; and if keys are given for one that is not sealed, which may be a forgery.
 */
export async function openRepository(
  store: ObjectStore,
  keyring = keysOfProcess(),
): Promise<Repository> {
  const bytes = await getIfThere(store, repositoryName);
  if (bytes) {
    const description = decodeStored(bytes, repositoryName, descriptionKind);
    return { store: await openedStore(store, description, keyring), description };
  }
  if (await isEmpty(store, "writers/")) {
    await refuseInterrupted(store);
    throw new ThinkbackError(
      "repository",
      (await isEmpty(store))
        ? `there is no repository at ${store.location}`
        : `${store.location} holds something, but not a Thinkback repository`,
      { hint: "check --repo; `thinkback run` creates a repository in an empty place" },
    );
  }
  throw new ThinkbackError(
    "repository",
    `${store.location} holds a repository without its ${repositoryName}`,
    {
      hint: `put ${repositoryName} back from a copy of the repository; everything else is as it was`,
    },
  );
}

/** The store of a repository whose description may be missing or damaged; as far as the keys open it. */
export async function storeToCheck(
  store: ObjectStore,
  keyring = keysOfProcess(),
): Promise<ObjectStore> {
  const bytes = await getIfThere(store, repositoryName);
  try {
    if (bytes) {
      const description = decodeStored(bytes, repositoryName, descriptionKind);
      return await openedStore(store, description, keyring);
    }
  } catch (error) {
    if (!isDamage(error) || keyring.identities.length > 0) throw error;
  }
  if (keyring.identities.length === 0) return store;
  return (await openRepository(store, keyring)).store;
}

/** The store in which the objects of a repository can be read. */
async function openedStore(
  store: ObjectStore,
  { id, sealed }: RepositoryDescription,
  keyring: Keyring,
): Promise<ObjectStore> {
  if (sealed) return (await unseal(store, id, keyring)).store;
  if (keyring.identities.length > 0) {
    throw new ThinkbackError("repository", `the repository at ${store.location} is not sealed`, {
      hint: "it was made without keys, or somebody has exchanged it; if it is meant, leave out --identity",
    });
  }
  return store;
}

/** Throws, naming it, if repository.json is missing or damaged. */
export function readDescription(store: ObjectStore): Promise<RepositoryDescription> {
  return readStored(store, repositoryName, descriptionKind);
}

/** Opens the same repository again through a new store. Throws if the store holds none, or another one. */
export async function openSame(
  store: ObjectStore,
  { id }: Pick<RepositoryDescription, "id">,
  keyring = keysOfProcess(),
): Promise<Repository> {
  const repository = await openRepository(store, keyring);
  if (repository.description.id === id) return repository;
  throw new ThinkbackError(
    "repository",
    `${store.location} holds another repository, ${repository.description.id}; ours is ${id}`,
    { hint: "put ours back in its place, or stop this process" },
  );
}

/**
 * Opens the repository in `store`. If the store is empty, creates one first.
 * @param toProbe makes a store at the same place, which is probed if it may let puts overwrite
 */
export async function openOrCreateRepository(
  store: ObjectStore,
  now: Instant,
  keyring = keysOfProcess(),
  toProbe = () => store,
): Promise<Repository> {
  const absent = (await store.size(repositoryName)) === undefined;
  if (absent && (await isEmpty(store))) {
    if (keyring.identities.length > 0) {
      throw new ThinkbackError("repository", `there is no repository at ${store.location}`, {
        hint: "a sealed repository is made by `thinkback init`; without --identity one is made that is not sealed",
      });
    }
    const description: RepositoryDescription = { id: randomUUID(), created: now };
    // What a repository is built on must hold here.
    if (store.mayOverwrite) await refuseOverwriting(toProbe());
    try {
      await store.put(repositoryName, encodeStored(descriptionKind, description));
      // Reserve room before anything fills the disk.
      await store.keepRoom?.();
    } catch (error) {
      // Another process created it between our check and our put: use that one.
      if (!(error instanceof ObjectExists)) throw error;
    }
  }
  return openRepository(store, keyring);
}

async function isEmpty(store: ObjectStore, prefix = ""): Promise<boolean> {
  // What a probe has left behind, because it may not delete, is nobody's.
  for await (const { name } of store.list(prefix)) if (!name.startsWith(probesPrefix)) return false;
  return true;
}
