import * as v from "valibot";
import { SetDigest } from "../../digest.js";
import { damaged, type ThinkbackError } from "../../errors.js";
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
import { isOfOneObject, type ObjectStore } from "../../storage/object-store.js";
import { isDisownedInstant } from "../log/claims.js";
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
  /** JSON texts of the least and the greatest key, as textOfJson gives them. */
  firstKey: text,
  lastKey: text,
});
/**
 * A part of a base: a sorted range of documents, and in a second object their keys and digests. It may have been
 * written for an earlier base of the table.
 */
export type BasePart = Of<typeof basePart>;

/** The manifest of a base. It is written last, so a base without one does not exist. docs/format.md §6. */
export const baseKind = jsonKind("base", {
  repository: text,
  table: tableId,
  /** Name of the primary key's field. */
  primaryKey: text,
  /** From this instant on, base and log together give the exact state. */
  instant,
  /**
   * The epoch in whose log `instant` lies. A later claim that does not continue that log up to `instant` disowns the
   * base, because the base holds changes that the believed log does not.
   */
  epoch: v.exactOptional(ordinal),
  /**
   * Versions captured after this instant may be absent from the base, so a restore adds the log from here on. For a
   * folded base it equals `instant`; for a copy it is the moment when the copy's feed had opened.
   */
  logFrom: instant,
  rows: count,
  documentBytes: count,
  /** Combined digest of the documents, see SetDigest. */
  digest,
  parts: list(basePart),
});
export type BaseManifest = Stored<typeof baseKind>;

/** A base known by its manifest's name; the manifest is not read yet. */
export interface BaseName {
  name: string;
  table: string;
  instant: Instant;
}

/** The usable bases by table, with which a restore can begin; and the damaged bases with their errors. */
export interface BaseInventory {
  /** Oldest first. */
  usable: Map<string, BaseManifest[]>;
  /** The names of the usable bases. */
  names: Map<BaseManifest, BaseName>;
  damaged: { base: BaseName; error: ThinkbackError }[];
}

/**
 * Reads the manifests of some tables (of all if `tables` is not given) and checks that every part is listed. A base
 * that was disowned or expired is neither usable nor damaged.
 */
export async function readBases(
  log: LogView,
  tables?: ReadonlySet<string>,
): Promise<BaseInventory> {
  const { store, claims, expiry } = log;
  const sizes = new Map<string, number>();
  // One listing of everything is fewer requests than one for each of several tables.
  const [only] = tables?.size === 1 ? tables : [];
  const prefix = only === undefined ? "bases/" : `bases/${only}/`;
  for await (const { name, size } of store.list(prefix)) sizes.set(name, size);
  const names = [...sizes.keys()].map(parseManifestName).filter((base) => base !== undefined);
  const inventory: BaseInventory = { usable: new Map(), names: new Map(), damaged: [] };
  const isAsked = ({ table }: BaseName) => tables === undefined || tables.has(table);
  const counting = names.filter((base) => isAsked(base) && !(expiry && base.name in expiry.bases));
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
 * The newest usable base of a table at or before `instant`. A damaged base is skipped for an older one. If there is no
 * usable base, throws the error of a damaged base of the table at or before `instant`; undefined if there is none.
 */
export function newestBase(
  inventory: BaseInventory,
  table: string,
  instant: Instant,
): BaseManifest | undefined {
  const usable = inventory.usable.get(table)?.filter((base) => base.instant <= instant) ?? [];
  if (usable.length > 0) return usable.at(-1);
  const lost = inventory.damaged.find(
    ({ base }) => base.table === table && base.instant <= instant,
  );
  if (lost) throw lost.error;
  return undefined;
}

/**
 * Reads a manifest. Throws, naming it, if its table and instant are not those of its name, or if its parts do not add
 * up to the base that it describes.
 */
export async function readManifest(store: ObjectStore, name: string): Promise<BaseManifest> {
  const manifest = await readStored(store, name, baseKind);
  const named = parseManifestName(name);
  if (named?.table !== manifest.table || named.instant !== manifest.instant) {
    throw damaged(name, "its name and its content differ");
  }
  checkRanges(manifest, name);
  checkSums(manifest, name);
  return manifest;
}

/** Throws unless each part begins after the one before it ends; otherwise keys could be hidden or come twice. */
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

/**
 * Throws unless the sums over the parts are those of the base; otherwise a part is missing, or there is one too many.
 */
function checkSums({ parts, rows, documentBytes, digest }: BaseManifest, name: string): void {
  const sum = new SetDigest();
  for (const part of parts) sum.addSet(SetDigest.of(part.rows, part.digest));
  const bytes = parts.reduce((all, part) => all + part.documentBytes, 0);
  if (sum.count !== rows || sum.hex() !== digest || bytes !== documentBytes) {
    throw damaged(name, "its parts do not add up to the base that it describes");
  }
}
