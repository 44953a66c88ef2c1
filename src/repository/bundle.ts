/**
 * Bundles. A bundle repeats many small objects byte for byte, so that a reader need not read each of them by itself.
 * docs/format.md §13.8.
 *
 * Invariant: a repeated object counts only while a listing shows the object itself with the same size; and a bundle is
 * made from the objects, never from the bundle before. Break it and deleted or expired objects come back.
 */
import { damaged, UnusableObject } from "../errors.js";
import type { bundleFooter, FooterOf, Kind } from "../format/data-kinds.js";
import { DataObject } from "../format/data-object.js";
import type { Repository } from "../format/description.js";
import type { Of } from "../format/fields.js";
import { lineOverheadBytes, parseLines, parseStored, writeVersionLine } from "../format/lines.js";
import { bundleName, bundlePrefix, parseBundleName } from "../format/names.js";
import type { Instant } from "../instant.js";
import { MemoryStore } from "../storage/memory-store.js";
import {
  ObjectMissing,
  type ObjectStore,
  type Repeated,
  type StoredObject,
} from "../storage/object-store.js";

/** How many bundles are kept, because a reader may read a listed bundle a moment after a newer one was put. */
export const bundlesKept = 3;

/** The content of a bundle's footer. */
export type BundleFooter = Of<typeof bundleFooter>;

export interface Bundle extends BundleFooter {
  /** By name. */
  objects: Map<string, Repeated>;
}

/** The stored bundles, the newest last. */
export async function listBundles(store: ObjectStore): Promise<StoredObject[]> {
  const bundles: StoredObject[] = [];
  for await (const object of store.list(bundlePrefix)) {
    if (parseBundleName(object.name) !== undefined) bundles.push(object);
  }
  return bundles;
}

/** Reads a bundle with one request. Throws, naming it, if it is missing, damaged, or of a newer version. */
export async function readBundle(store: ObjectStore, name: string): Promise<Bundle> {
  const object = await openWhole(name, await getWhole(store, name), "bundle");
  const { footer } = object.index;
  if (bundleName(footer.number) !== name) throw damaged(name, "its name and its footer differ");
  const objects = new Map<string, Repeated>();
  for (const entry of object.index.frames) {
    for (const { key, sequence, document } of parseLines(await object.readFrame(entry), name)) {
      const repeated = String(parseStored(key, name));
      const bytes = document && bytesIn(repeated, document, name);
      const isWhole = store.sealing ? bytes : bytes?.length === sequence;
      if (!bytes || !isWhole) throw damaged(name, `it does not repeat ${repeated} whole`);
      objects.set(repeated, { bytes, storedBytes: sequence });
    }
  }
  return { ...footer, objects };
}

/** The newest bundle, as far as it can be used. */
export interface NewestBundle {
  /** 0 if there is no bundle. */
  number: number;
  /** By name: the objects it repeats. Undefined if it cannot be used. */
  objects: ReadonlyMap<string, Repeated> | undefined;
}

/** Reads the newest bundle. If it cannot be used, nothing is lost: readers then read each object by itself. */
export async function newestBundle({ store, description }: Repository): Promise<NewestBundle> {
  const newest = (await listBundles(store)).at(-1);
  if (!newest) return { number: 0, objects: undefined };
  const bundle = await usableBundle(store, newest.name);
  const isOurs = bundle?.repository === description.id;
  return { number: parseBundleName(newest.name)!, objects: isOurs ? bundle.objects : undefined };
}

/** Reads a bundle; undefined if it cannot be used. */
export async function usableBundle(store: ObjectStore, name: string): Promise<Bundle | undefined> {
  try {
    return await readBundle(store, name);
  } catch (error) {
    if (error instanceof UnusableObject) return undefined;
    throw error;
  }
}

async function getWhole(store: ObjectStore, name: string): Promise<Buffer> {
  try {
    return await store.get(name);
  } catch (error) {
    if (error instanceof ObjectMissing) throw damaged(name, "it is missing", error);
    throw error;
  }
}

/** Opens a data object whose bytes are all in memory. */
export async function openWhole<K extends Kind>(
  name: string,
  bytes: Buffer,
  kind: K,
): Promise<DataObject<FooterOf<K>>> {
  const whole = new MemoryStore();
  await whole.put(name, bytes);
  return DataObject.open(whole, name, kind);
}

/** At most this many bytes are needed for the line of an object. */
export const bundleLineBytesMax = (name: string, bytes: Buffer) =>
  name.length + 2 * bytes.length + lineOverheadBytes;

/**
 * Writes the line of an object into `into` at `position`; returns the position after it. The line holds a JSON object
 * as it is, without its newline, and any other object as a base64 text.
 */
export function writeBundleLine(
  into: Buffer,
  position: number,
  name: string,
  { bytes, storedBytes }: Repeated,
  at: Instant,
): number {
  const text = isJson(name) ? bytes.subarray(0, -1) : Buffer.from(`"${bytes.toString("base64")}"`);
  return writeVersionLine(into, position, Buffer.from(`"${name}"`), at, storedBytes, text);
}

/** The bytes of the object `repeated`, from its text in the bundle `name`. */
function bytesIn(repeated: string, text: Buffer, name: string): Buffer {
  if (isJson(repeated)) return Buffer.concat([text, lineEnd]);
  return Buffer.from(String(parseStored(text, name)), "base64");
}

const lineEnd = Buffer.from("\n");
const isJson = (name: string) => name.endsWith(".json");
