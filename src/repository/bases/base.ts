import * as v from "valibot";
import { SetDigest } from "../../digest.js";
import { damaged, isDamage, type ThinkbackError, UnusableObject } from "../../errors.js";
import {
  count,
  digest,
  fields,
  instant,
  list,
  type Of,
  ordinal,
  reference,
  tableId,
  text,
} from "../../format/fields.js";
import { jsonKind, readStored, type Stored } from "../../format/json-object.js";
import { codeOfText } from "../../format/merge.js";
import { parseManifestName } from "../../format/names.js";
import type { Instant } from "../../instant.js";
import type { OrderCode } from "../../key-order.js";
import { readsAtOnce, severalAtOnce } from "../../several-at-once.js";
import { failureOf, type ObjectStore } from "../../storage/object-store.js";
import { isDisownedInstant } from "../log/log.js";
import type { LogView } from "../log/log-view.js";

const basePart = fields({
  ...reference.entries,
  keys: reference,
  rows: ordinal,
  /** Bytes of the documents' JSON text. */
  documentBytes: count,
  /** Combined digest of the documents, see SetDigest. */
  digest,
  /** Bytes of the stored object. */
  bytes: count,
  /** JSON text of the least and the greatest key, as textOfJson gives it. */
  firstKey: text,
  lastKey: text,
});
/**
 * One part of a base: a sorted range of documents, and beside it their keys and digests. It may have been written for
 * an earlier base of the table.
 */
export type BasePart = Of<typeof basePart>;

/** A manifest: what a base is made of. Written last, so a base without one does not exist. docs/format.md §6. */
export const baseKind = jsonKind("base", {
  repository: text,
  table: tableId,
  /** Name of the field of the primary key. */
  primaryKey: text,
  /** The instant from which base and log together are exact. */
  instant,
  /**
   * The epoch in whose log `instant` lies. A later claim that does not continue that log up to `instant` disowns the
   * base: it holds changes that the log which is believed does not.
   */
  epoch: v.exactOptional(ordinal),
  /**
   * What was captured after this instant is not, or not surely, in the base: a restore adds the log from here on.
   * Equal to `instant` for a folded base; for a copy, the moment when its feed had opened.
   */
  logFrom: instant,
  rows: count,
  documentBytes: count,
  /** Combined digest of the documents, see SetDigest. */
  digest,
  parts: list(basePart),
});
export type BaseManifest = Stored<typeof baseKind>;

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
 * was disowned or expired is neither usable nor damaged.
 */
export async function readBases(log: LogView, table?: string): Promise<BaseInventory> {
  const { store, claims, expiry } = log;
  const sizes = new Map<string, number>();
  const prefix = table === undefined ? "bases/" : `bases/${table}/`;
  for await (const { name, size } of store.list(prefix)) sizes.set(name, size);
  const names = [...sizes.keys()].map(parseManifestName).filter((base) => base !== undefined);
  const inventory: BaseInventory = { usable: new Map(), names: new Map(), damaged: [] };
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
      if (!isOfOneObject(error)) throw error;
      return { base, error };
    }
  });
  for await (const read of reading) {
    if (read?.error) inventory.damaged.push(read);
    else if (read) addUsable(inventory, read);
  }
  return inventory;
}

/** True for what one object leads to: it is damaged, of a later version, or may not be read. All others can be used. */
export function isOfOneObject(error: unknown): error is ThinkbackError {
  return error instanceof UnusableObject || isDamage(error) || failureOf(error) === "forbidden";
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
 * The newest usable base of a table at or before `instant`; undefined if there is none. One that cannot be used is
 * passed over for an older one; if only such are left, what is wrong with one of them is thrown.
 */
export function newestBase(
  inventory: BaseInventory,
  table: string,
  instant: Instant,
): BaseManifest | undefined {
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
  const manifest = await readStored(store, name, baseKind);
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
