/** Finds the store that a location names, by its scheme. New kinds of stores are added here. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { systemClock } from "../clock.js";
import { messageOf, ThinkbackError } from "../errors.js";
import type { Instant } from "../instant.js";
import { azureElsewhere, readAzureLocation } from "./azure/azure-location.js";
import { AzureStore } from "./azure/azure-store.js";
import { CountingStore } from "./counting-store.js";
import { DirectoryStore } from "./directory-store.js";
import { readGcsLocation } from "./gcs/gcs-location.js";
import { GcsStore } from "./gcs/gcs-store.js";
import type { ObjectStore } from "./object-store.js";
import { liesIn, type Place, placeInBucket, placeOfDirectory } from "./place.js";
import { type Patience, patienceDefault, RetryingStore } from "./retrying-store.js";
import { s3Elsewhere } from "./s3/elsewhere.js";
import { parseS3Location } from "./s3/location.js";
import { S3PastStore } from "./s3/past-store.js";
import { isAws } from "./s3/providers.js";
import { S3Store } from "./s3/s3-store.js";
import { SingleWriterStore } from "./single-writer-store.js";
import type { RequestListener, StoreUse } from "./store-use.js";

interface Kind {
  /** Makes the store at a location. It asks nothing of the place, and loads no package. */
  store: (location: string) => ObjectStore;
  /** It asks nothing of a bucket. */
  place: (location: string) => Place | Promise<Place>;
}

/** A location without a scheme is a path. */
const directory: Kind = {
  store: (path) => new DirectoryStore(path),
  place: placeOfDirectory,
};

/** By scheme. */
const kinds: Record<string, Kind> = {
  file: {
    store: (location) => directory.store(fileURLToPath(location)),
    place: (location) => directory.place(fileURLToPath(location)),
  },
  azblob: { store: (location) => AzureStore.at(location), place: azurePlaceOf },
  gs: {
    store: (location) => GcsStore.at(location),
    place: (location) => {
      const at = readGcsLocation(location);
      return placeInBucket("gs", at.endpoint, at);
    },
  },
  s3: {
    store: (location) => {
      const { present, instant } = cutAsOf(location);
      const at = parseS3Location(present);
      return instant === undefined ? new S3Store(at, systemClock) : new S3PastStore(at, instant);
    },
    place: (location) => s3PlaceOf(cutAsOf(location).present),
  },
};

function azurePlaceOf(location: string): Place {
  const { endpoint, container, prefix, credential } = readAzureLocation(location, process.env);
  // A connection string is of one account, whether the location names it or not.
  const account = credential.kind === "connection string" ? undefined : endpoint;
  return placeInBucket("azblob", account, { bucket: container, prefix });
}

function s3PlaceOf(location: string): Place {
  const { endpoint, bucket, keyPrefix } = parseS3Location(location);
  // On AWS a name is that of one bucket, whichever region is asked.
  const isOnAws = endpoint === undefined || isAws(new URL(endpoint).hostname);
  return placeInBucket("s3", isOnAws ? "AWS" : endpoint, { bucket, prefix: keyPrefix });
}

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

export interface StoreLayers {
  /** What names the location, for messages; `--repo` unless given. */
  option?: string;
  /** Where everything that is sent is counted. */
  use?: StoreUse;
  /** With `use`: is told of each request that is answered. */
  onRequest?: RequestListener | undefined;
  /** Take it that this process alone writes there: the store need not know conditional writes. */
  singleWriter?: boolean;
}

/** The store of a repository. While it is unavailable, calls wait, as long as `patience` says. */
export function storeAt(
  location: string,
  patience: Patience = patienceDefault,
  { use, onRequest, singleWriter, option = "--repo" }: StoreLayers = {},
): ObjectStore {
  const found = find(option, location, kinds).store;
  const counted = use
    ? new CountingStore(found, use, onRequest && { clock: systemClock, onRequest })
    : found;
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
  return find(option, location, { file: kinds["file"]! }).store;
}

/**
 * The store in the directory of a spool. Throws, with code "usage", if that directory lies in the repository's.
 * @param option what names the spool, for messages
 */
export async function spoolAt(
  option: string,
  location: string,
  repository: string,
): Promise<ObjectStore> {
  const spool = find(option, location, { file: kinds["file"]! });
  if (liesIn(await find("--repo", repository, kinds).place(), await spool.place())) {
    throw new ThinkbackError("usage", `${option} ${location} lies in the repository`, {
      hint: "give a directory on another disk: the spool is needed when the repository's disk fails",
    });
  }
  return spool.store;
}

/** Throws, with code "usage", if two of some places are the same, or one lies in another. */
export async function refuseShared(
  given: readonly { option: string; location: string }[],
): Promise<void> {
  const places = await Promise.all(
    given.map(async ({ option, location }) => ({
      place: await find(option, location, kinds).place(),
      said: `${option} ${withoutSecrets(location)}`,
    })),
  );
  for (const [i, inner] of places.entries()) {
    for (const [j, outer] of places.entries()) {
      if (i === j || !liesIn(outer.place, inner.place)) continue;
      const isSame = liesIn(inner.place, outer.place);
      // Of two that are the same, the second one is one too many.
      const [one, other] = isSame && i < j ? [outer, inner] : [inner, outer];
      const how = isSame ? "is the same place as" : "lies in";
      throw new ThinkbackError("usage", `${one.said} ${how} ${other.said}`, {
        hint: "give each place once, and none that lies in another: a copy inside what is copied would never end",
      });
    }
  }
}

/** A store in a new directory below TMPDIR, for objects that are needed for a while. */
export async function scratchStore(): Promise<{ store: ObjectStore; remove: () => Promise<void> }> {
  const path = await mkdtemp(join(tmpdir(), "thinkback-"));
  return { store: directory.store(path), remove: () => rm(path, { recursive: true, force: true }) };
}

/** The store of a location, and its place. */
function find(
  option: string,
  location: string,
  known: typeof kinds,
): { store: ObjectStore; place: () => Place | Promise<Place> } {
  const scheme = schemeOf(location);
  const kind = scheme === undefined ? directory : Object.hasOwn(known, scheme) && known[scheme];
  const shown = `${option} ${withoutSecrets(location)}`;
  if (!kind) {
    const names = Object.keys(known).map((name) => `${name}:`);
    throw new ThinkbackError("usage", `${shown}: ${scheme}: is not a known kind of store`, {
      hint: `give the path of a directory, with ./ in front if it looks like this, or a location that begins with ${names.join(" or ")}`,
    });
  }
  if (scheme !== undefined && !location.slice(scheme.length).startsWith(":/")) {
    throw new ThinkbackError("usage", `${shown}: there is no slash behind ${scheme}:`, {
      hint: `write ${scheme}://…; a directory of this name is given with ./ in front`,
    });
  }
  try {
    return { store: kind.store(location), place: () => kind.place(location) };
  } catch (error) {
    const hint = error instanceof ThinkbackError ? error.hint : undefined;
    throw new ThinkbackError("usage", `${shown}: ${messageOf(error)}`, {
      hint: hint ?? "give the path of a directory",
      cause: error,
    });
  }
}

/**
 * The scheme of a location, in small letters; undefined for a path. Where the slashes are missing a scheme is meant all
 * the same, and nobody looks for his backup in a directory of that name.
 */
function schemeOf(location: string): string | undefined {
  return /^([a-z][a-z0-9+.-]*):/i.exec(location)?.[1]?.toLowerCase();
}

/** Cuts out user and password, which may stand before the host, and what stands behind the path. */
function withoutSecrets(location: string): string {
  return location.replace(/[?#].*$/s, "").replace(/^([a-z0-9+.-]+:\/*).*@/is, "$1");
}
