/**
 * Whether a capture may begin with a repository and its copies. Whatever is put at the repository is final: once an
 * epoch is claimed there, a copy that has another history never follows again. So this is found out before.
 */
import { type Clock, withTimeout } from "../clock.js";
import { isDamage, ThinkbackError } from "../errors.js";
import { descriptionKind, type RepositoryDescription } from "../format/description.js";
import { decodeStored } from "../format/json-object.js";
import { repositoryName } from "../format/names.js";
import {
  failureOf,
  getIfThere,
  type ObjectStore,
  StoreUnavailable,
} from "../storage/object-store.js";
import { claimNames, refuseOtherHistory } from "./same-repository.js";

/** How long a copy is waited for. */
const answerMsMax = 10_000;

/**
 * Throws, with code "repository", if the place of the repository is empty and a copy is there, or if a copy is of
 * another repository or history. What is away, or damaged, is not refused: a copy does not hold up a capture.
 * @returns the copies that are not there
 */
export async function refuseApart(
  repository: ObjectStore,
  copies: readonly ObjectStore[],
  clock: Clock,
): Promise<ObjectStore[]> {
  if (copies.length === 0) return [];
  const ours = await ifKnown(clock, repository, () => describedAt(repository));
  if (ours === "unknown") return [];
  const absent: ObjectStore[] = [];
  for (const copy of copies) {
    const theirs = await ifKnown(clock, copy, () => describedAt(copy));
    if (theirs === "unknown" || !theirs) {
      absent.push(copy);
      continue;
    }
    const [a, b] = [repository.location, copy.location];
    if (!ours) {
      throw new ThinkbackError("repository", `${a} holds no repository, but ${b} holds one`, {
        hint: `mount the disk of ${a}; if it is lost, \`thinkback copy --from ${b} --to ${a}\` brings the repository back. To begin a new one, leave out ${b}`,
      });
    }
    if (ours.id !== theirs.id) {
      throw new ThinkbackError(
        "repository",
        `${b} holds another repository, ${theirs.id}; ${a} holds ${ours.id}`,
        {
          hint: "the first place holds the repository, and each further one a copy of it, or nothing: leave out the one that is not meant",
        },
      );
    }
    await ifKnown(clock, copy, () => refuseParted(repository, copy));
  }
  return absent;
}

/** Throws if the capture has gone on in a copy. */
async function refuseParted(repository: ObjectStore, copy: ObjectStore): Promise<void> {
  try {
    await refuseOtherHistory(repository, copy, await claimNames(copy));
  } catch (error) {
    if (!(error instanceof ThinkbackError) || failureOf(error) !== undefined) throw error;
    const [a, b] = [repository.location, copy.location];
    throw new ThinkbackError("repository", error.message, {
      hint: `was captured into ${b} alone, or an older state put back at ${a}? Then \`thinkback copy --from ${b} --to ${a}\` brings what ${a} lacks. If both have gone on, leave out one of them`,
      cause: error,
    });
  }
}

async function describedAt(store: ObjectStore): Promise<RepositoryDescription | undefined> {
  const bytes = await getIfThere(store, repositoryName);
  return bytes && decodeStored(bytes, repositoryName, descriptionKind);
}

async function ifKnown<T>(
  clock: Clock,
  { location }: ObjectStore,
  ask: () => Promise<T>,
): Promise<T | "unknown"> {
  const silent = () => new StoreUnavailable(`${location} does not answer`);
  try {
    return await withTimeout(clock, answerMsMax, ask(), silent);
  } catch (error) {
    if (failureOf(error) === undefined && !isDamage(error)) throw error;
    return "unknown";
  }
}
