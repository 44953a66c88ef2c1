/** Whether one store may be copied to another: both have to hold the same repository, with the same history. */
import { isDamage, ThinkbackError } from "../errors.js";
import { descriptionKind, type RepositoryDescription } from "../format/description.js";
import { decodeStored } from "../format/json-object.js";
import { lanesPrefix, parseWriterName, repositoryName } from "../format/names.js";
import { failureOf, getIfThere, type ObjectStore } from "../storage/object-store.js";
import { probesPrefix, refuseOverwriting } from "../storage/probe.js";
import { inLane } from "./copy-order.js";
import type { StoredCheck } from "./stored-check.js";

/** The description of a repository, and its bytes as they are stored. */
export interface Described {
  description: RepositoryDescription;
  bytes: Buffer;
}

/** The description of the repository in a store. Throws, with code "repository", if there is none. */
export async function describedIn(store: ObjectStore): Promise<RepositoryDescription> {
  return (await readDescribed(store)).description;
}

async function readDescribed(store: ObjectStore): Promise<Described> {
  const bytes = await getIfThere(store, repositoryName);
  if (bytes) return { description: decodeStored(bytes, repositoryName, descriptionKind), bytes };
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
): Promise<Described> {
  const described = await readDescribed(source);
  if ((await target.size(repositoryName)) === undefined) await refuseUsed(target);
  else await refuseOther(target, described.description);
  return described;
}

/**
 * Makes a place that of a copy, before anything else is put there. Of several repositories that are copied into one
 * empty place at the same time, one gets it.
 * @returns true if it was nobody's
 * @throws code "repository" if it holds something else, or may let puts overwrite
 */
export async function takeTarget(
  target: ObjectStore,
  { description, bytes }: Described,
): Promise<boolean> {
  if ((await target.size(repositoryName)) === undefined) {
    await refuseUsed(target);
    // What a repository is built on must hold in its copies.
    if (target.mayOverwrite) await refuseOverwriting(target);
    try {
      await target.put(repositoryName, bytes);
      return true;
    } catch (error) {
      if (failureOf(error) !== "exists") throw error;
    }
  }
  await refuseOther(target, description);
  return false;
}

/** Throws, with code "repository", unless a place holds this repository, or a copy of it. */
export async function refuseOther(
  place: ObjectStore,
  { id }: RepositoryDescription,
): Promise<void> {
  const other = await describedIn(place);
  if (other.id === id) return;
  throw refused(
    `${place.location} holds another repository, ${other.id}; what is copied is ${id}`,
    "give an empty place, or the copy of this repository",
  );
}

async function refuseUsed(target: ObjectStore): Promise<void> {
  for await (const { name } of target.list("")) {
    // What a probe has left behind, because it may not delete, is nobody's.
    if (name.startsWith(probesPrefix)) continue;
    throw refused(
      `${target.location} holds something, but no ${repositoryName}: ${name}`,
      `give an empty place, or put the ${repositoryName} of the source there if it is an unfinished copy of it`,
    );
  }
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
  for (const name of lastClaims(names).values()) {
    const [ours, theirs] = await Promise.all([getIfThere(source, name), getIfThere(target, name)]);
    if (!theirs || ours?.equals(theirs)) continue;
    if (ours) throw parted(source, target, name);
    throw refused(
      `${target.location} has been written to since: ${source.location} does not have ${name}`,
      onlyCopying,
    );
  }
}

/** Throws, with code "repository", if the histories of two copies have parted. One may lag behind the other. */
export async function refuseParted(
  a: ObjectStore,
  b: ObjectStore,
  check: StoredCheck,
): Promise<void> {
  const [ofA, ofB] = [await claimNames(a), await claimNames(b)];
  const both = ofA.filter((name) => ofB.includes(name));
  for (const name of lastClaims(both).values()) {
    const [one, other] = await Promise.all([getIfThere(a, name), getIfThere(b, name)]);
    // Where one of them is only damaged, readers take the other.
    const isSound = [one, other].every((bytes) => bytes && isWhole(name, bytes, check));
    if (isSound && !one!.equals(other!)) throw parted(a, b, name);
  }
}

function isWhole(name: string, bytes: Buffer, check: StoredCheck): boolean {
  try {
    check(name, bytes);
    return true;
  } catch (error) {
    if (!isDamage(error)) throw error;
    return false;
  }
}

async function claimNames(store: ObjectStore): Promise<string[]> {
  const names: string[] = [];
  for (const prefix of ["writers/", lanesPrefix]) {
    for await (const { name } of store.list(prefix)) {
      if (parseWriterName(inLane(name).own) !== undefined) names.push(name);
    }
  }
  return names;
}

/** The last epoch claim of each lane. */
function lastClaims(names: Iterable<string>): Map<number, string> {
  const last = new Map<number, string>();
  for (const name of names) {
    const { lane, own } = inLane(name);
    if (parseWriterName(own) !== undefined && name > (last.get(lane) ?? "")) last.set(lane, name);
  }
  return last;
}

const onlyCopying =
  "a copy must not be written to by anything but copying. If the capture goes on in the copy, copy from there to a new place";

export const parted = (a: ObjectStore, b: ObjectStore, name: string) =>
  refused(
    `the histories of ${a.location} and ${b.location} have parted: ${name} differs`,
    onlyCopying,
  );

function refused(message: string, hint: string): ThinkbackError {
  return new ThinkbackError("repository", message, { hint });
}
