/** Makes a sealed repository. */
import { ThinkbackError } from "../errors.js";
import {
  descriptionKind,
  type Repository,
  type RepositoryDescription,
} from "../format/description.js";
import { encodeStored } from "../format/json-object.js";
import { keysPrefix, numberedName, repositoryName } from "../format/names.js";
import type { ObjectStore } from "../storage/object-store.js";
import { probesPrefix, refuseOverwriting } from "../storage/probe.js";
import type { Identity } from "./identity.js";
import { checkKeys, type Key, type KeySet, makeKeySet, putKeySet } from "./key-set.js";
import { sealedWith } from "./keyring.js";

const firstSet = numberedName(keysPrefix, 1);

/** Throws, with code "repository" and what to do, if the store holds anything. */
export async function refuseUsed(store: ObjectStore): Promise<void> {
  for await (const { name } of store.list("")) {
    // What a probe has left behind, because it may not delete, is nobody's.
    if (name.startsWith(probesPrefix)) continue;
    if ((await store.size(repositoryName)) !== undefined) {
      throw new ThinkbackError("repository", `there is a repository at ${store.location} already`, {
        hint: "give an empty or new place; one that is not sealed cannot become sealed. If `thinkback init` was interrupted there, the repository is whole: `thinkback key drill` proves its keys, `thinkback key card` prints what to keep",
      });
    }
    await refuseInterrupted(store);
    throw new ThinkbackError("repository", `${store.location} holds something already: ${name}`, {
      hint: "give an empty or new place",
    });
  }
}

/** Throws, with code "repository" and what to do, if the store holds the key set of a repository that is not there. */
export async function refuseInterrupted(store: ObjectStore): Promise<void> {
  if ((await store.size(firstSet)) === undefined) return;
  throw new ThinkbackError(
    "repository",
    `${store.location} holds a key set and no repository: \`thinkback init\` runs there, or was interrupted`,
    {
      hint: `delete ${firstSet} and the keys that were made for it, and run \`thinkback init\` again; or give another place`,
    },
  );
}

/**
 * Makes a sealed repository in an empty store.
 * @param signers identities of readers; they sign the first key set
 * @param of the id that it gets, and when it is made
 * @throws code "repository" if the store holds something
 */
export async function initSealed(
  store: ObjectStore,
  keys: readonly Key[],
  signers: readonly Identity[],
  of: Pick<RepositoryDescription, "id" | "created">,
): Promise<{ repository: Repository; keys: KeySet }> {
  checkKeys(keys);
  await refuseUsed(store);
  if (store.mayOverwrite) await refuseOverwriting(store);
  const description: RepositoryDescription = { ...of, sealed: true };
  const { id, created } = of;
  const content = { repository: id, number: 1, at: created, keys: [...keys], former: [] };
  const set = makeKeySet(content, signers);
  // The key set first: a repository without one cannot be opened, but a key set without a repository does no harm.
  if (!(await putKeySet(store, set))) {
    throw new ThinkbackError("fenced", `another process makes a repository at ${store.location}`, {
      hint: "wait until it has ended; or give another place",
    });
  }
  await store.put(repositoryName, encodeStored(descriptionKind, description));
  await store.keepRoom?.();
  return { repository: { store: sealedWith(store, set, signers), description }, keys: set };
}
