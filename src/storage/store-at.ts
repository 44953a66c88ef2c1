/** Finds the store that a location names, by its scheme. New kinds of stores are added here. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { isAbsolute, join, relative, resolve, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { systemClock } from "../clock.js";
import { messageOf, ThinkbackError } from "../errors.js";
import type { Instant } from "../instant.js";
import { azureElsewhere } from "./azure/azure-location.js";
import { AzureStore } from "./azure/azure-store.js";
import { CountingStore } from "./counting-store.js";
import { DirectoryStore } from "./directory-store.js";
import { GcsStore } from "./gcs/gcs-store.js";
import type { ObjectStore } from "./object-store.js";
import { type Patience, patienceDefault, RetryingStore } from "./retrying-store.js";
import { s3Elsewhere } from "./s3/elsewhere.js";
import { parseS3Location } from "./s3/location.js";
import { S3PastStore } from "./s3/past-store.js";
import { S3Store } from "./s3/s3-store.js";
import { SingleWriterStore } from "./single-writer-store.js";
import type { StoreUse } from "./store-use.js";

/** For each scheme, makes the store at a location. It asks nothing of the place, and loads no package. */
const kinds: Record<string, (location: string) => ObjectStore> = {
  file: (location) => new DirectoryStore(fileURLToPath(location)),
  azblob: (location) => AzureStore.at(location),
  gs: (location) => GcsStore.at(location),
  s3: (location) => {
    const { present, instant } = cutAsOf(location);
    const at = parseS3Location(present);
    return instant === undefined ? new S3Store(at, systemClock) : new S3PastStore(at, instant);
  },
};

/** For the schemes of which more than the location is needed on another machine, what that is. */
const elsewhere: Record<string, typeof s3Elsewhere> = {
  azblob: azureElsewhere,
  gs: (location) => ({
    location,
    needs: ["credentials of Google that may read the bucket, in GOOGLE_APPLICATION_CREDENTIALS"],
  }),
  s3: s3Elsewhere,
};

/** A location as it is understood on another machine, or in another directory, and what is needed there besides. */
export function locationElsewhere(location: string): { location: string; needs: string[] } {
  const scheme = schemeOf(location);
  if (scheme === undefined) return { location: resolve(location), needs: [] };
  return elsewhere[scheme]?.(location, process.env) ?? { location, needs: [] };
}

/** The schemes of places that may keep versions. */
const versioned: readonly string[] = ["s3"];

/** How a location says that it is read as it was at an instant. */
const asOfOption = /[?&]asOf=(\d+)$/;

function cutAsOf(location: string): { present: string; instant: Instant | undefined } {
  const match = asOfOption.exec(location);
  if (!match) return { present: location, instant: undefined };
  return { present: location.slice(0, match.index), instant: Number(match[1]) };
}

/** Makes the store of a location without a scheme, which is a path. */
const directory = (path: string): ObjectStore => new DirectoryStore(path);

export interface StoreLayers {
  /** What names the location, for messages; `--repo` unless given. */
  option?: string;
  /** Where everything that is sent is counted. */
  use?: StoreUse;
  /** Take it that this process alone writes there: the store need not know conditional writes. */
  singleWriter?: boolean;
}

/** The store of a repository. While it is unavailable, calls wait, as long as `patience` says. */
export function storeAt(
  location: string,
  patience: Patience = patienceDefault,
  { use, singleWriter, option = "--repo" }: StoreLayers = {},
): ObjectStore {
  const found = find(option, location, kinds);
  const counted = use ? new CountingStore(found, use) : found;
  const written = singleWriter ? new SingleWriterStore(counted) : counted;
  return new RetryingStore(written, systemClock, Math.random, patience);
}

/**
 * The location of a repository as it was at an instant. Its store can only be read. Throws, with code "usage", if
 * places of this kind keep no versions.
 */
export function asOf(location: string, instant: Instant): string {
  if (!versioned.includes(schemeOf(location) ?? "")) {
    throw new ThinkbackError("usage", `--repo ${withoutSecrets(location)} keeps no versions`, {
      hint: "only a bucket of S3 with versions can be read as it was",
    });
  }
  return `${location}${location.includes("?") ? "&" : "?"}asOf=${instant}`;
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
  const scheme = schemeOf(location);
  if (scheme === undefined) return directory(location);
  const make = Object.hasOwn(known, scheme) ? known[scheme] : undefined;
  const shown = `${option} ${withoutSecrets(location)}`;
  if (!make) {
    const names = Object.keys(known).map((name) => `${name}:`);
    throw new ThinkbackError("usage", `${shown}: ${scheme}: is not a known kind of store`, {
      hint: `give the path of a directory, or a location that begins with ${names.join(" or ")}`,
    });
  }
  try {
    return make(location);
  } catch (error) {
    const hint = error instanceof ThinkbackError ? error.hint : undefined;
    throw new ThinkbackError("usage", `${shown}: ${messageOf(error)}`, {
      hint: hint ?? "give the path of a directory",
      cause: error,
    });
  }
}

/** The scheme of a location, in small letters; undefined for a path. */
function schemeOf(location: string): string | undefined {
  return /^([a-z][a-z0-9+.-]*):\/{1,2}/i.exec(location)?.[1]?.toLowerCase();
}

/** Cuts out user and password, which may stand before the host, and what stands behind the path. */
function withoutSecrets(location: string): string {
  return location.replace(/[?#].*$/s, "").replace(/\/\/.*@/, "//");
}
