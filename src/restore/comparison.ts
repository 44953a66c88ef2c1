/**
 * Compares a restored table with the repository: every document that the target sends, in key order, with the keys and
 * digests of base and log, merged to the same instant.
 */

import type { IndexStatus } from "../catalog-record.js";
import { digestOf, SetDigest } from "../digest.js";
import { orderCode } from "../key-order.js";
import type { KnownKey } from "../repository/bases/known-state.js";
import type { KeyList, TableDifferences } from "../repository/records/drills.js";
import type { ScanBatch } from "../rethinkdb/scan.js";
import type { TableSettings } from "../rethinkdb/target.js";
import { textOfJson } from "../server-text.js";

/** At most so many keys are named in a report; the others are only counted. */
const namedKeysMax = 5;

/** What a target holds of a table, compared with what it should hold. */
export interface HeldDocuments {
  rows: number;
  /** Bytes of their JSON text. */
  bytes: number;
  digest: string;
  missing: KeyList;
  altered: KeyList;
  extra: KeyList;
}

/**
 * Compares the documents of a table.
 * @param known the keys and digests that it should hold, in key order
 * @param batches what it holds, in key order
 * @param onRows called with the number of documents compared so far; for progress
 */
export async function compareDocuments(
  known: AsyncIterable<KnownKey>,
  batches: AsyncIterable<ScanBatch>,
  onRows: (rows: number) => void,
): Promise<HeldDocuments> {
  const expected = known[Symbol.asyncIterator]();
  const next = async () => {
    const { done, value } = await expected.next();
    return done ? undefined : value;
  };
  const held = new SetDigest();
  const [missing, altered, extra] = [noKeys(), noKeys(), noKeys()];
  let bytes = 0;
  let wanted = await next();
  for await (const batch of batches) {
    const rows: { key: Buffer; document: Buffer }[] = [];
    batch.forEach((key, document) => rows.push({ key, document }));
    for (const { key, document } of rows) {
      const digest = digestOf(document);
      held.add(digest);
      bytes += document.length;
      const code = orderCode(key);
      for (; wanted && wanted.code < code; wanted = await next()) note(missing, wanted.key);
      if (wanted?.code !== code) {
        note(extra, key);
        continue;
      }
      if (wanted.digest !== digest) note(altered, key);
      wanted = await next();
    }
    onRows(held.count);
  }
  for (; wanted; wanted = await next()) note(missing, wanted.key);
  return { rows: held.count, bytes, digest: held.hex(), missing, altered, extra };
}

function noKeys(): KeyList {
  return { count: 0, keys: [] };
}

function note(list: KeyList, key: Buffer): void {
  list.count += 1;
  if (list.keys.length < namedKeysMax) list.keys.push(textOfJson(key));
}

/**
 * How a restored table's settings differ from the plan, one sentence each. Replicas depend on the target, so they are
 * not compared.
 */
export function compareSettings(planned: TableSettings, held: TableSettings): string[] {
  const { config, indexes } = planned;
  const texts = (of: TableSettings["config"]) => ({
    "primary key": of.primary_key,
    durability: of.durability,
    "write acknowledgements": of.write_acks,
    shards: String(of.shards.length),
  });
  const [wanted, found] = [texts(config), texts(held.config)];
  const different = (Object.keys(wanted) as (keyof typeof wanted)[])
    .filter((what) => wanted[what] !== found[what])
    .map((what) => `${what}: ${found[what]} instead of ${wanted[what]}`);
  if (!sameFunction(config.write_hook, held.config.write_hook)) {
    different.push(held.config.write_hook ? "the write hook differs" : "the write hook is missing");
  }
  return [...different, ...compareIndexes(indexes, held.indexes)];
}

function compareIndexes(wanted: IndexStatus[], held: IndexStatus[]): string[] {
  const found = new Map(held.map((index) => [index.index, index]));
  const different = wanted.flatMap((index) => {
    const other = found.get(index.index);
    found.delete(index.index);
    if (!other) return [`index ${index.index} is missing`];
    const same =
      index.multi === other.multi && index.geo === other.geo && sameFunction(index, other);
    return same ? [] : [`index ${index.index} differs`];
  });
  return [...different, ...[...found.keys()].map((index) => `index ${index} was not restored`)];
}

interface StoredFunction {
  function: object;
  query: string;
}

/**
 * True for equal functions. Servers of different versions may store the same function as different bytes; then its text
 * is equal.
 */
function sameFunction(a: StoredFunction | null, b: StoredFunction | null): boolean {
  if (!a || !b) return a === b;
  return JSON.stringify(a.function) === JSON.stringify(b.function) || a.query === b.query;
}

/** What differs in a table; undefined if nothing does. */
export function differencesOf(
  { missing, altered, extra }: HeldDocuments,
  settings: string[],
): TableDifferences | undefined {
  const documents = missing.count + altered.count + extra.count;
  return documents + settings.length === 0 ? undefined : { missing, altered, extra, settings };
}
