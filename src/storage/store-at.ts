/** Finds the store that a location names, by its scheme. New kinds of stores are added here. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { isAbsolute, join, relative, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { systemClock } from "../clock.js";
import { messageOf, ThinkbackError } from "../errors.js";
import { DirectoryStore } from "./directory-store.js";
import type { ObjectStore } from "./object-store.js";
import { type Patience, patienceDefault, RetryingStore } from "./retrying-store.js";

/** For each scheme, makes the store at a location. */
const kinds: Record<string, (location: string) => ObjectStore> = {
  file: (location) => new DirectoryStore(fileURLToPath(location)),
};

/** Makes the store of a location without a scheme, which is a path. */
const directory = (path: string): ObjectStore => new DirectoryStore(path);

/** The store of a repository. While it is unavailable, calls wait, as long as `patience` says. */
export function storeAt(
  location: string,
  patience: Patience = patienceDefault,
  option = "--repo",
): ObjectStore {
  return new RetryingStore(find(option, location, kinds), systemClock, Math.random, patience);
}

/** The store in the directory that an option names. */
export function directoryAt(option: string, location: string): ObjectStore {
  return find(option, location, { file: kinds["file"]! });
}

/**
 * The store in the directory of a spool. Throws, with code "usage", if that directory lies in the repository's.
 * @param option what names the spool, for messages
 */
export function spoolAt(option: string, location: string, repository: string): ObjectStore {
  const spool = directoryAt(option, location);
  const kept = find("--repo", repository, kinds);
  if (kept instanceof DirectoryStore && isWithin(kept.location, spool.location)) {
    throw new ThinkbackError("usage", `${option} ${location} lies in the repository`, {
      hint: "give a directory on another disk: the spool is needed when the repository's disk fails",
    });
  }
  return spool;
}

/** True if the second path is the first one, or lies below it. */
function isWithin(directory: string, path: string): boolean {
  const way = relative(directory, path);
  return way !== ".." && !way.startsWith(`..${sep}`) && !isAbsolute(way);
}

/** A store in a new directory below TMPDIR, for objects that are needed for a while. */
export async function scratchStore(): Promise<{ store: ObjectStore; remove: () => Promise<void> }> {
  const path = await mkdtemp(join(tmpdir(), "thinkback-"));
  return { store: directory(path), remove: () => rm(path, { recursive: true, force: true }) };
}

function find(option: string, location: string, known: typeof kinds): ObjectStore {
  const scheme = /^([a-z][a-z0-9+.-]*):\/{1,2}/i.exec(location)?.[1]?.toLowerCase();
  if (scheme === undefined) return directory(location);
  const make = Object.hasOwn(known, scheme) ? known[scheme] : undefined;
  const names = Object.keys(known).map((name) => `${name}:`);
  if (!make) {
    throw new ThinkbackError(
      "usage",
      `${option} ${withoutSecrets(location)}: ${scheme}: is not a known kind of store`,
      {
        hint: `give the path of a directory, or a location that begins with ${names.join(" or ")}`,
      },
    );
  }
  try {
    return make(location);
  } catch (error) {
    throw new ThinkbackError("usage", `${option} ${location}: ${messageOf(error)}`, {
      hint: "give the path of a directory",
      cause: error,
    });
  }
}

/** Cuts out user and password, which may stand before the host. */
function withoutSecrets(location: string): string {
  return location.replace(/\/\/[^/]*@/, "//");
}
