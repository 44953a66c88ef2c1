/** What differs between two states of a table: two of the past, or one of the past and the live one. */

import { digestOf } from "../digest.js";
import { mergeLatest } from "../format/merge.js";
import type { Instant } from "../instant.js";
import { isSameText } from "../json-bytes.js";
import { theseKeys } from "../key-filter.js";
import { type OrderCode, orderCode } from "../key-order.js";
import { isWhole, type TableCoverage } from "../repository/coverage/coverage.js";
import { laneStore } from "../repository/lanes.js";
import { LogView } from "../repository/log/log-view.js";
import { LogCollection } from "../repository/log/runs.js";
import type { TableReference } from "../rethinkdb/table-reference.js";
import type { Target } from "../rethinkdb/target.js";
import { joined } from "./joined.js";
import { documentsOf, keysOf, type PastDocument, type PastTable } from "./past.js";
import { type Selection, selectsAny } from "./selection.js";

/** Reads live tables. */
export type LiveReader = Pick<Target, "documents" | "scan">;

/** A document that differs. */
export interface Difference {
  code: OrderCode;
  /** JSON text. */
  key: Buffer;
  /** JSON texts of the document in the earlier and in the later state; null where there is none. */
  before: Buffer | null;
  after: Buffer | null;
}

export interface Keyed {
  code: OrderCode;
  key: Buffer;
}

/** A version of a document; null if there is none. */
interface Stood extends Keyed {
  document: Buffer | null;
}

/**
 * What differs between two instants of one table, in key order. If everything between them was captured, only the log
 * between them is read to find it; otherwise the keys of both states are compared.
 */
export async function* differencesBetween(
  earlier: PastTable,
  later: PastTable,
  coverage: TableCoverage | undefined,
  selection: Selection = {},
): AsyncGenerator<Difference> {
  const { instant: from, lane } = earlier.table;
  const { instant: to } = later.table;
  if (coverage && lane === later.table.lane && isWholeBetween(coverage, from, to)) {
    yield* differencesInLog(earlier, later, selection);
    return;
  }
  const keys = await differingKeys(keysOf(earlier), keysOf(later), selection);
  if (keys.length === 0) return;
  const filter = theseKeys(keys.map(({ code }) => code));
  yield* paired(documentsOf(earlier, filter), documentsOf(later, filter), selection);
}

/** True if the log has every change after one instant, up to the other. */
function isWholeBetween({ intervals }: TableCoverage, from: Instant, to: Instant): boolean {
  let reached = from;
  for (const interval of intervals) {
    if (interval.to <= reached || interval.from > reached + 1) continue;
    if (!isWhole(interval)) return false;
    reached = interval.to;
  }
  return reached >= to;
}

async function* differencesInLog(
  earlier: PastTable,
  { repository, plan, table }: PastTable,
  selection: Selection,
): AsyncGenerator<Difference> {
  const [after, until] = [earlier.table.instant, table.instant];
  const { id } = table.config;
  const view = new LogView(laneStore(repository.store, table.lane), plan.logs.get(table.lane)!);
  const log = await LogCollection.read(view, [{ table: id, after, until }], until, {
    filterOf: () => selection.filter,
  });
  try {
    const codes: OrderCode[] = [];
    for await (const winners of mergeLatest(log.cursors(id))) {
      for (const { code } of winners) codes.push(code);
    }
    if (codes.length === 0) return;
    const later = async function* (): AsyncGenerator<Stood> {
      for await (const winners of mergeLatest(log.cursors(id))) {
        for (const { code, version } of winners) yield { code, ...version };
      }
    };
    yield* paired(documentsOf(earlier, theseKeys(codes)), later(), selection);
  } finally {
    await log.dispose();
  }
}

/** What differs between a past state (`before`) and the live table (`after`), in key order. */
export async function* differencesToLive(
  past: PastTable,
  target: LiveReader,
  live: TableReference,
  selection: Selection,
  signal: AbortSignal,
): AsyncGenerator<Difference> {
  const keys =
    selection.keys?.map((key): Keyed => ({ code: orderCode(key), key })) ??
    (await differingKeys(keysOf(past), liveKeys(target, live, signal), selection));
  if (keys.length === 0) return;
  keys.sort((a, b) => (a.code < b.code ? -1 : 1));
  const filter = theseKeys(keys.map(({ code }) => code));
  yield* paired(documentsOf(past, filter), liveDocuments(target, live, keys, signal), selection);
}

/** The keys, in order, that only one side has, or both with different documents. */
async function differingKeys(
  a: AsyncIterable<Keyed & { digest: string }>,
  b: AsyncIterable<Keyed & { digest: string }>,
  { filter }: Selection,
): Promise<Keyed[]> {
  const keys: Keyed[] = [];
  for await (const [one, other] of joined(a, b)) {
    if (one?.digest === other?.digest) continue;
    const { code, key } = (one ?? other)!;
    if (!filter || filter.has(code)) keys.push({ code, key: Buffer.from(key) });
  }
  return keys;
}

/** The keys of a live table and the digests of its documents, in key order. */
export async function* liveKeys(
  target: LiveReader,
  live: TableReference,
  signal: AbortSignal,
): AsyncGenerator<Keyed & { digest: string }> {
  for await (const batch of target.scan(live, { signal })) {
    const rows: (Keyed & { digest: string })[] = [];
    batch.forEach((key, document) => {
      rows.push({ code: orderCode(key), key: Buffer.from(key), digest: digestOf(document) });
    });
    yield* rows;
  }
}

/** So many documents are asked for with one request. */
const documentsAtOnce = 200;

async function* liveDocuments(
  target: LiveReader,
  live: TableReference,
  keys: readonly Keyed[],
  signal: AbortSignal,
): AsyncGenerator<Stood> {
  for (let at = 0; at < keys.length; at += documentsAtOnce) {
    signal.throwIfAborted();
    const some = keys.slice(at, at + documentsAtOnce);
    const documents = await target.documents(
      live,
      some.map(({ key }) => key),
    );
    for (const [i, one] of some.entries()) yield { ...one, document: documents[i]! };
  }
}

async function* paired(
  earlier: AsyncIterable<PastDocument>,
  later: AsyncIterable<Stood>,
  selection: Selection,
): AsyncGenerator<Difference> {
  for await (const [a, b] of joined(earlier, later)) {
    const { code, key } = (a ?? b)!;
    const [before, after] = [a?.document ?? null, b?.document ?? null];
    if (isSameText(before, after) || !selectsAny(selection, [before, after])) continue;
    yield { code, key, before, after };
  }
}
