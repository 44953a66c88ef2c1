/**
 * The lanes of a repository. Each table is captured in one lane, and each lane has a log of its own, so several
 * processes can share the work. Lane 0 lies in the repository itself; each further lane lies below lanes/<lane>/ and is
 * like a repository of its own.
 */
import { randomUUID } from "node:crypto";
import { sha256 } from "../digest.js";
import { damaged, isDamage, UnusableObject } from "../errors.js";
import { descriptionKind, type Repository } from "../format/description.js";
import { decodeStored, encodeStored } from "../format/json-object.js";
import { lanePrefix, lanesPrefix, parseLaneName, repositoryName } from "../format/names.js";
import type { Instant } from "../instant.js";
import { getIfThere, ObjectExists, type ObjectStore } from "../storage/object-store.js";
import { StoreBelow, StoreBeside } from "../storage/part-store.js";
import { declareLanes, lanesMadeOf, readSettings, type Settings } from "./registers/settings.js";

/** At most so many lanes: each costs a request with each tick. */
export const lanesMax = 64;

/** A lane of a repository. */
export type Lane = Repository & StoredLane;

/** A lane whose description may be damaged. */
export type StoredLane = Required<Pick<Repository, "store" | "lane">>;

/** All lanes of a repository, lane 0 first. Throws, naming it, if the description of one is missing or damaged. */
export async function lanesIn(repository: Repository): Promise<Lane[]> {
  if (isLane(repository)) return [repository];
  const made = await lanesMade(repository.store);
  const lanes = [laneZero(repository, made > 1)];
  for (let number = 1; number < made; number += 1) {
    lanes.push(await knownLane(repository, number));
  }
  return lanes;
}

/**
 * The stores of all lanes of which anything is stored, or that settings tell of, for those who look for damage: a lane
 * is among them whatever is missing of it.
 */
export async function lanesStored(root: ObjectStore): Promise<StoredLane[]> {
  const last = (await lanesMade(root)) - 1;
  const numbers = Array.from({ length: last + 1 }, (_, number) => number);
  return numbers.map((number) => {
    return { store: last === 0 ? root : laneStore(root, number), lane: { number, root } };
  });
}

async function hasAny(store: ObjectStore, prefix: string): Promise<boolean> {
  for await (const _ of store.list(prefix)) return true;
  return false;
}

/** How many lanes there are: as the settings tell, and if these are lost or damaged, as the names of objects tell. */
export async function lanesMade(root: ObjectStore): Promise<number> {
  const asked = readSettings(root).then(lanesMadeOf, (error: unknown) => {
    if (isDamage(error)) return 1;
    throw error;
  });
  const [told, hasOthers] = await Promise.all([asked, hasAny(root, lanesPrefix)]);
  let made = told;
  if (told > 1 || !hasOthers) return made;
  for await (const { name } of root.list(lanesPrefix)) {
    made = Math.max(made, (parseLaneName(name) ?? 0) + 1);
  }
  return made;
}

/** A lane that is known to have been made. Throws, naming it, if its description is missing or damaged. */
export async function knownLane(repository: Repository, number: number): Promise<Lane> {
  const lane = await laneIn(repository, number);
  if (lane) return lane;
  throw damaged(nameOfLane(repositoryName, number), "it is missing");
}

/** Lane 0, or another one if it is there. */
export async function laneIn(repository: Repository, number: number): Promise<Lane | undefined> {
  const root = repository.store;
  if (number === 0) return laneZero(repository, true);
  const store = laneStore(root, number);
  const bytes = await getIfThere(store, repositoryName);
  if (!bytes) return undefined;
  const name = nameOfLane(repositoryName, number);
  const description = decodeStored(bytes, name, descriptionKind);
  if (description.lane === number && description.of === repository.description.id)
    return { store, description, lane: { number, root } };
  throw damaged(name, "it is not of this lane of this repository");
}

/** @param hasOthers true if there may be other lanes, whose objects are not its own */
function laneZero({ store, description }: Repository, hasOthers: boolean): Lane {
  const own = hasOthers ? laneStore(store, 0) : store;
  return { store: own, description, lane: { number: 0, root: store } };
}

/** What of a repository's store is one lane's. */
export function laneStore(root: ObjectStore, lane: number): ObjectStore {
  return lane === 0 ? new StoreBeside(root, lanesPrefix) : new StoreBelow(root, lanePrefix(lane));
}

function isLane(repository: Repository): repository is Lane {
  return repository.lane !== undefined;
}

/**
 * Makes the lanes that are missing, and declares in how many lanes tables are captured. Running captures go by it
 * within half a minute: tables move to other lanes without a gap. Throws, naming it, if the description of a lane is
 * lost.
 */
export async function setLanes(
  repository: Repository,
  lanes: number,
  now: Instant,
): Promise<Settings> {
  const { id } = repository.description;
  const made = await lanesMade(repository.store);
  // One that is lost is not made anew: it would have another id than what lies there.
  for (let lane = 1; lane < made; lane += 1) await knownLane(repository, lane);
  for (let lane = made; lane < lanes; lane += 1) {
    const description = { id: randomUUID(), created: now, lane, of: id };
    try {
      const bytes = encodeStored(descriptionKind, description);
      await laneStore(repository.store, lane).put(repositoryName, bytes);
    } catch (error) {
      // Another process has made it meanwhile.
      if (!(error instanceof ObjectExists)) throw error;
    }
  }
  return declareLanes(repository.store, lanes, now);
}

/** The whole name of an object of a lane. */
export const nameOfLane = (name: string, lane: number) =>
  lane === 0 ? name : `${lanePrefix(lane)}${name}`;

/**
 * The error with the whole name of the object that is damaged: what reads a lane calls its objects as they are called
 * in a repository of its own.
 */
export function nameInWhole(error: unknown, lane: number): unknown {
  if (!(error instanceof UnusableObject) || lane === 0) return error;
  if (error.object.startsWith(lanesPrefix)) return error;
  const object = nameOfLane(error.object, lane);
  const message = error.message.replaceAll(error.object, object);
  const { code, hint = "", what } = error;
  return new UnusableObject(code as "damaged", object, what, message, { hint, cause: error });
}

/**
 * The lane that a table belongs to: the same for every process that knows its id and the number of lanes. With another
 * number of lanes as few tables as possible belong to another lane.
 */
export function laneOfTable(table: string, lanes: number): number {
  let best = 0;
  let greatest = "";
  for (let lane = 0; lanes > 1 && lane < lanes; lane += 1) {
    const weight = sha256(Buffer.from(`${table} ${lane}`));
    if (weight > greatest) [best, greatest] = [lane, weight];
  }
  return best;
}
