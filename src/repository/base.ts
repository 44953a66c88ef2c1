import { SetDigest } from "../digest.js";
import { damaged, isDamage, type ThinkbackError } from "../errors.js";
import type { Instant } from "../instant.js";
import type { OrderCode } from "../key-order.js";
import { readsAtOnce, severalAtOnce } from "../several-at-once.js";
import { isName, type ObjectStore } from "../storage/object-store.js";
import { latestExpiry } from "./expiry.js";
import { readJsonObject } from "./json-object.js";
import { isDisownedInstant, listClaims } from "./log.js";
import { codeOfText } from "./merge.js";
import { parseManifestName } from "./names.js";
import type { ObjectReference } from "./segment.js";

/**
 * One part of a base: a sorted range of documents, and beside it their keys and digests. It may have been written for
 * an earlier base of the table.
 */
export interface BasePart extends ObjectReference {
  keys: ObjectReference;
  rows: number;
  /** Bytes of the documents' JSON text. */
  documentBytes: number;
  /** Combined digest of the documents, see SetDigest. */
  digest: string;
  /** Bytes of the stored object. */
  bytes: number;
  /** JSON text of the least and the greatest key, as textOfJson gives it. */
  firstKey: string;
  lastKey: string;
}

/** A manifest: what a base is made of. Written last, so a base without one does not exist. docs/format.md §6. */
export interface BaseManifest {
  repository: string;
  table: string;
  /** Name of the field of the primary key. */
  primaryKey: string;
  /** The instant from which base and log together are exact. */
  instant: Instant;
  /**
   * The epoch in whose log `instant` lies. A later claim that does not continue that log up to `instant` disowns the
   * base: it holds changes that the log which is believed does not.
   */
  epoch?: number;
  /**
   * What was captured after this instant is not, or not surely, in the base: a restore adds the log from here on.
   * Equal to `instant` for a folded base; for a copy, the moment when its feed had opened.
   */
  logFrom: Instant;
  rows: number;
  documentBytes: number;
  /** Combined digest of the documents, see SetDigest. */
  digest: string;
  parts: BasePart[];
}

/** A base found by its name; the manifest is not read yet. */
export interface BaseName {
  name: string;
  table: string;
  instant: Instant;
}

/** Bases by table: those that a restore can begin with, and what is wrong with the others. */
export interface BaseInventory {
  /** Oldest first. */
  usable: Map<string, BaseManifest[]>;
  /** The names of the usable ones. */
  names: Map<BaseManifest, BaseName>;
  damaged: { base: BaseName; error: ThinkbackError }[];
}

/**
 * Reads the manifests of a table (of all tables, if none is given) and looks whether every part is there. A base that
 * was disowned or let go is neither usable nor damaged.
 */
export async function readBases(store: ObjectStore, table?: string): Promise<BaseInventory> {
  const sizes = new Map<string, number>();
  const prefix = table === undefined ? "bases/" : `bases/${table}/`;
  for await (const { name, size } of store.list(prefix)) sizes.set(name, size);
  const names = [...sizes.keys()].map(parseManifestName).filter((base) => base !== undefined);
  const inventory: BaseInventory = { usable: new Map(), names: new Map(), damaged: [] };
  const claims = names.length > 0 ? await listClaims(store) : [];
  const expiry = names.length > 0 ? await latestExpiry(store) : undefined;
  const counting = names.filter(({ name }) => !(expiry && name in expiry.bases));
  counting.sort((a, b) => a.instant - b.instant);
  const reading = severalAtOnce(counting, readsAtOnce, async (base) => {
    try {
      const manifest = await readManifest(store, base.name);
      const { epoch, instant } = manifest;
      if (epoch !== undefined && isDisownedInstant(epoch, instant, claims)) return undefined;
      checkParts(manifest, sizes);
      return { base, manifest };
    } catch (error) {
      if (!isDamage(error)) throw error;
      return { base, error };
    }
  });
  for await (const read of reading) {
    if (read?.error) inventory.damaged.push(read);
    else if (read) addUsable(inventory, read);
  }
  return inventory;
}

function addUsable(
  { names, usable }: BaseInventory,
  { base, manifest }: { base: BaseName; manifest: BaseManifest },
): void {
  names.set(manifest, base);
  const ofTable = usable.get(base.table);
  if (ofTable) ofTable.push(manifest);
  else usable.set(base.table, [manifest]);
}

function checkParts(manifest: BaseManifest, sizes: Map<string, number>): void {
  for (const { name, bytes, keys } of manifest.parts) {
    const size = sizes.get(name);
    if (size === undefined) throw damaged(name, "it is missing");
    if (size !== bytes) throw damaged(name, `it has ${size} bytes instead of ${bytes}`);
    if (!sizes.has(keys.name)) throw damaged(keys.name, "it is missing");
  }
}

/**
 * The newest usable base of a table at or before `instant`; undefined if there is none. A damaged base is passed over
 * for an older one; if only damaged ones are left, their damage is thrown.
 */
export async function newestBase(
  store: ObjectStore,
  table: string,
  instant: Instant,
): Promise<BaseManifest | undefined> {
  const inventory = await readBases(store, table);
  const usable = inventory.usable.get(table)?.filter((base) => base.instant <= instant) ?? [];
  if (usable.length > 0) return usable.at(-1);
  const lost = inventory.damaged.find(({ base }) => base.instant <= instant);
  if (lost) throw lost.error;
  return undefined;
}

/**
 * Reads a manifest; throws, naming it, if it is not of the table and instant that its name says, or if its parts are
 * not, all together, the base that it describes.
 */
export async function readManifest(store: ObjectStore, name: string): Promise<BaseManifest> {
  const manifest = await readJsonObject<BaseManifest>(store, name, "base");
  if (!isManifest(manifest)) throw damaged(name, "its fields are not those of a base");
  const said = parseManifestName(name);
  if (said?.table !== manifest.table || said.instant !== manifest.instant) {
    throw damaged(name, "its name and its content differ");
  }
  checkRanges(manifest, name);
  checkSums(manifest, name);
  return manifest;
}

/** Throws unless each part begins after the one before it ends: else keys could be hidden, or come twice. */
function checkRanges({ table, parts }: BaseManifest, name: string): void {
  let last: OrderCode | undefined;
  for (const part of parts) {
    const [first, end] = [part.firstKey, part.lastKey].map((key) => codeOfText(key, name));
    if (first! > end! || (last !== undefined && first! <= last)) {
      throw damaged(name, `the range of its part ${part.name} is out of order`);
    }
    if (!part.name.startsWith(`bases/${table}/`)) {
      throw damaged(name, `its part ${part.name} is another table's`);
    }
    last = end;
  }
}

/** Throws unless the parts together hold what the base is said to: else a part is missing, or one too many. */
function checkSums({ parts, rows, documentBytes, digest }: BaseManifest, name: string): void {
  const sum = new SetDigest();
  for (const part of parts) sum.addSet(SetDigest.of(part.rows, part.digest));
  const bytes = parts.reduce((all, part) => all + part.documentBytes, 0);
  if (sum.count !== rows || sum.hex() !== digest || bytes !== documentBytes) {
    throw damaged(name, "its parts do not combine to what it says of the whole");
  }
}

function isManifest({ primaryKey, digest, parts, ...fields }: Partial<BaseManifest>): boolean {
  const { instant, epoch, logFrom, rows, documentBytes } = fields;
  return (
    typeof primaryKey === "string" &&
    isDigest(digest) &&
    (epoch === undefined || (Number.isSafeInteger(epoch) && epoch > 0)) &&
    [instant, logFrom, rows, documentBytes].every(Number.isSafeInteger) &&
    Array.isArray(parts) &&
    parts.every(isPart)
  );
}

function isPart(value: unknown): value is BasePart {
  const part = (value ?? {}) as Partial<BasePart>;
  return (
    isReference(part) &&
    isReference(part.keys) &&
    isDigest(part.digest) &&
    Number(part.rows) > 0 &&
    [part.rows, part.documentBytes, part.bytes].every(Number.isSafeInteger) &&
    [part.firstKey, part.lastKey].every((key) => typeof key === "string")
  );
}

function isDigest(value: unknown): boolean {
  return typeof value === "string" && /^[0-9a-f]{16}$/.test(value);
}

function isReference(value: Partial<ObjectReference> | undefined): boolean {
  return isName(value?.name) && typeof value?.checksum === "string";
}
