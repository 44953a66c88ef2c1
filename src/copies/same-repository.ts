/** Whether one store may be copied to another: both have to hold the same repository, with the same history. */
import { ThinkbackError } from "../errors.js";
import { descriptionKind, type RepositoryDescription } from "../format/description.js";
import { decodeStored } from "../format/json-object.js";
import { parseWriterName, repositoryName } from "../format/names.js";
import { getIfThere, type ObjectStore } from "../storage/object-store.js";
import { inLane } from "./copy-order.js";

/** The description of the repository in a store. Throws, with code "repository", if there is none. */
export async function describedIn(store: ObjectStore): Promise<RepositoryDescription> {
  const bytes = await getIfThere(store, repositoryName);
  if (bytes) return decodeStored(bytes, repositoryName, descriptionKind);
  throw new ThinkbackError("repository", `there is no repository at ${store.location}`, {
    hint: `a repository has a ${repositoryName}: check the location`,
  });
}

/**
 * Throws, with code "repository", unless the target holds nothing, or a copy of the source.
 * @returns the description of the source
 */
export async function refuseOtherTarget(
  source: ObjectStore,
  target: ObjectStore,
): Promise<RepositoryDescription> {
  const description = await describedIn(source);
  const there = await getIfThere(target, repositoryName);
  if (!there) {
    for await (const { name } of target.list("")) {
      throw refused(
        `${target.location} holds something, but no ${repositoryName}: ${name}`,
        `give an empty place, or put the ${repositoryName} of the source there if it is an unfinished copy of it`,
      );
    }
    return description;
  }
  const other = decodeStored(there, repositoryName, descriptionKind);
  if (other.id === description.id) return description;
  throw refused(
    `${target.location} holds another repository, ${other.id}; ${source.location} holds ${description.id}`,
    "give an empty place, or the copy of this repository",
  );
}

/**
 * Throws, with code "repository", if the target has a history of its own: an epoch that the source does not have, or
 * another claim of it. Two histories part at an epoch, so the last claims tell.
 */
export async function refuseOtherHistory(
  source: ObjectStore,
  target: ObjectStore,
  names: Iterable<string>,
): Promise<void> {
  const last = new Map<number, string>();
  for (const name of names) {
    const { lane, own } = inLane(name);
    if (parseWriterName(own) !== undefined && name > (last.get(lane) ?? "")) last.set(lane, name);
  }
  for (const name of last.values()) {
    const [ours, theirs] = await Promise.all([getIfThere(source, name), getIfThere(target, name)]);
    if (!theirs || ours?.equals(theirs)) continue;
    throw refused(
      ours
        ? `the histories of ${source.location} and ${target.location} have parted: ${name} differs`
        : `${target.location} has been written to since: ${source.location} does not have ${name}`,
      "a copy must not be written to by anything but copying. If the capture goes on in the copy, copy from there to a new place",
    );
  }
}

function refused(message: string, hint: string): ThinkbackError {
  return new ThinkbackError("repository", message, { hint });
}
