/** Makes a bundle of those objects in use whose number grows with the age of a repository. */
import { UnusableObject } from "../errors.js";
import type { Repository } from "../format/description.js";
import { decodeStored, type JsonKind } from "../format/json-object.js";
import {
  bundleName,
  expiryPrefix,
  parseManifestName,
  parseNumberedName,
  pinsPrefix,
  settingsPrefix,
} from "../format/names.js";
import { DataObjectWriter } from "../format/object-writer.js";
import { SortedLines } from "../format/sorted-lines.js";
import type { Instant } from "../instant.js";
import { readsAtOnce, severalAtOnce } from "../several-at-once.js";
import {
  ObjectExists,
  ObjectMissing,
  type ObjectStore,
  type StoredObject,
} from "../storage/object-store.js";
import { baseKind } from "./bases/base.js";
import { type BundleFooter, bundleLineBytesMax, openWhole, writeBundleLine } from "./bundle.js";
import { claimKind } from "./log/claims.js";
import { foldedKind } from "./log/folded.js";
import { drillKind } from "./records/drills.js";
import { expiryKind } from "./registers/expiry.js";
import { pinsKind } from "./registers/pins.js";
import { settingsKind } from "./registers/settings.js";
import type { RepositoryView } from "./repository-view.js";

/** How many objects may be absent from the newest bundle before a new bundle is worth its bytes. */
const lackingMaxDefault = 8;
/** An object in a bundle has at most this many bytes, because transferring a larger one takes longer than a request. */
const objectBytesMax = 1024 * 1024;
/** A bundle has at most this many bytes before compression, because its reader holds all of it in memory. */
const bundleBytesMax = 64 * 1024 * 1024;

export interface BundleOptions {
  at: Instant;
  /** How many of the objects in use the newest bundle may lack; 8 unless given. */
  lackingMax?: number;
  /** Make a new bundle even if the newest lacks nothing. */
  anew?: boolean;
  /** Checked before the bundle is published. */
  signal?: Pick<AbortSignal, "throwIfAborted">;
}

/**
 * Puts a new bundle if the newest cannot be used, or lacks more than `lackingMax` of the objects in use. Returns its
 * name; undefined if none was put.
 * @param view tells which objects are in use; their bytes are read from the repository itself
 */
export async function renewBundle(
  { store, description: { id } }: Repository,
  view: RepositoryView,
  { at, lackingMax = lackingMaxDefault, anew = false, signal }: BundleOptions,
): Promise<string | undefined> {
  const before = view.bundle.objects;
  const isUnusable = view.bundle.number > 0 && !before;
  const objects = await inUse(view);
  const lacking = objects.map(({ name }) => name).filter((name) => !before?.has(name));
  const isDue = isUnusable || anew || (await areSound(store, lacking, lackingMax + 1));
  if (!isDue) return undefined;
  const number = view.bundle.number + 1;
  const name = bundleName(number);
  const bytes = await encode(store, objects, { repository: id, number, at });
  signal?.throwIfAborted();
  try {
    await store.put(name, bytes);
    return name;
  } catch (error) {
    // Another process that maintains the repository has just put one, which will do.
    if (error instanceof ObjectExists) return undefined;
    throw error;
  }
}

/**
 * The objects to bundle, in the order of their names. If they are too many bytes, the oldest folded segments are left
 * out.
 */
async function inUse({ log, store }: RepositoryView): Promise<StoredObject[]> {
  const { pieces, expiry } = log;
  const ofLog = new Set<string>();
  for (const piece of pieces) {
    if (piece.kind === "segment") continue;
    ofLog.add(piece.name);
    if (piece.manifest.coverage) ofLog.add(piece.manifest.coverage.name);
  }
  for (const prefix of factPrefixes) {
    const newest = await newestName(store, prefix);
    if (newest !== undefined) ofLog.add(newest);
  }
  const isInUse = (name: string) =>
    ofLog.has(name) ||
    (parseManifestName(name) !== undefined && !Object.hasOwn(expiry?.bases ?? {}, name)) ||
    name.startsWith("writers/") ||
    name.startsWith("drills/");
  const found: StoredObject[] = [];
  let bytes = 0;
  for (const prefix of [...factPrefixes, "writers/", "drills/", "bases/", "folded/"]) {
    const listed: StoredObject[] = [];
    for await (const object of store.list(prefix)) if (isInUse(object.name)) listed.push(object);
    for (const object of listed.reverse()) {
      if (object.size > objectBytesMax || bytes + object.size > bundleBytesMax) continue;
      bytes += object.size;
      found.push(object);
    }
  }
  return found.sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** The prefixes of numbered chains of facts. Of each chain only the last object counts. */
const factPrefixes = [expiryPrefix, settingsPrefix, pinsPrefix];

async function newestName(store: ObjectStore, prefix: string): Promise<string | undefined> {
  let newest: string | undefined;
  for await (const { name } of store.list(prefix)) {
    if (parseNumberedName(prefix, name) !== undefined) newest = name;
  }
  return newest;
}

async function encode(
  store: ObjectStore,
  objects: StoredObject[],
  footer: BundleFooter,
): Promise<Buffer> {
  const object = new DataObjectWriter("bundle", "dense");
  const lines = new SortedLines(object);
  const reading = severalAtOnce(objects, readsAtOnce, async ({ name, size }) => {
    return { name, size, bytes: await soundBytes(store, name) };
  });
  for await (const { name, size, bytes } of reading) {
    if (!bytes) continue;
    const into = lines.begin(Buffer.from(`"${name}"`), footer.at, bundleLineBytesMax(name, bytes));
    const repeated = { bytes, storedBytes: store.sealing ? size : bytes.length };
    lines.commit(writeBundleLine(into, lines.end, name, repeated, footer.at));
  }
  lines.flush();
  return object.finish(footer).bytes;
}

/**
 * True if at least `wanted` of the objects can be read. Damaged ones do not count: no new bundle would hold them
 * either.
 */
async function areSound(store: ObjectStore, names: string[], wanted: number): Promise<boolean> {
  let left = names.length;
  let sound = 0;
  if (left < wanted) return false;
  const reading = severalAtOnce(names, readsAtOnce, (name) => soundBytes(store, name));
  for await (const bytes of reading) {
    if (bytes) sound += 1;
    left -= 1;
    if (sound >= wanted) return true;
    if (sound + left < wanted) return false;
  }
  return false;
}

/**
 * The bytes of an object. Undefined if it is missing or damaged: such an object is not bundled, as it may be put back.
 */
async function soundBytes(store: ObjectStore, name: string): Promise<Buffer | undefined> {
  try {
    const bytes = await store.get(name);
    const kind = kinds[name.slice(0, name.indexOf("/"))]!;
    if (name.endsWith(".json")) decodeStored(bytes, name, kind);
    else {
      const object = await openWhole(name, bytes, "foldedRecords");
      for (const entry of object.index.frames) await object.readFrame(entry);
    }
    return bytes;
  } catch (error) {
    if (error instanceof UnusableObject || error instanceof ObjectMissing) return undefined;
    throw error;
  }
}

/** The kinds of the JSON objects, by the first part of their names. */
const kinds: Record<string, JsonKind> = {
  writers: claimKind,
  drills: drillKind,
  bases: baseKind,
  folded: foldedKind,
  expiries: expiryKind,
  settings: settingsKind,
  pins: pinsKind,
};
