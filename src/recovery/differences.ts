/**
 * What differs between two states of a table: two of the past, or one of the past and the live one.
 *
 * First the keys that differ are found, without documents, and then the documents of these are read. Where too many
 * differ to be held, both states are read whole instead, side by side in key order. So memory grows neither with the
 * table nor with what differs in it.
 */

import { digestOf } from "../digest.js";
import { mergeLatest } from "../format/merge.js";
import type { Instant } from "../instant.js";
import { isSameText } from "../json-bytes.js";
import { type KeyFilter, theseKeys } from "../key-filter.js";
import { type OrderCode, orderCode } from "../key-order.js";
import { isWhole, type TableCoverage } from "../repository/coverage/coverage.js";
import { laneStore } from "../repository/lanes.js";
import { LogView } from "../repository/log/log-view.js";
import { LogCollection } from "../repository/log/runs.js";
import type { TableReference } from "../rethinkdb/table-reference.js";
import type { Target } from "../rethinkdb/target.js";
import { batchesOf, liveReads } from "./batches.js";
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
  /** It is not known whether the later state ever was: who was to write it was killed. */
  isUncertain?: boolean;
}

export interface Keyed {
  code: OrderCode;
  key: Buffer;
}

/** A version of a document; null if there is none. */
interface Stood extends Keyed {
  document: Buffer | null;
}

/** So many keys that differ are held at most: with their order codes, about 20 MiB. */
const heldKeysMax = 50_000;

/**
 * What differs between two instants of one table, in key order. If everything between them was captured, only the log
 * between them is read to find it; otherwise the keys of both states are compared.
 * @param keysMax if more keys differ, both states are read whole
 */
export async function* differencesBetween(
  earlier: PastTable,
  later: PastTable,
  coverage: TableCoverage | undefined,
  selection: Selection = {},
  keysMax: number = heldKeysMax,
): AsyncGenerator<Difference> {
  const { instant: from, lane } = earlier.table;
  const { instant: to } = later.table;
  if (coverage && lane === later.table.lane && isWholeBetween(coverage, from, to)) {
    yield* differencesInLog(earlier, later, selection, keysMax);
    return;
  }
  const keys = await differingKeys(keysOf(earlier), keysOf(later), selection, keysMax);
  if (keys?.length === 0) return;
  const filter = keys ? theseKeys(keys.map(({ code }) => code)) : selection.filter;
  yield* paired(joined(documentsOf(earlier, filter), documentsOf(later, filter)), selection);
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
  keysMax: number,
): AsyncGenerator<Difference> {
  const [after, until] = [earlier.table.instant, table.instant];
  const { id } = table.config;
  const view = new LogView(laneStore(repository.store, table.lane), plan.logs.get(table.lane)!);
  const log = await LogCollection.read(view, [{ table: id, after, until }], until, {
    filterOf: () => selection.filter,
  });
  try {
    const later = async function* (): AsyncGenerator<Stood> {
      for await (const winners of mergeLatest(log.cursors(id))) {
        for (const { code, version } of winners) yield { code, ...version };
      }
    };
    const codes: OrderCode[] = [];
    for await (const { code } of later()) {
      codes.push(code);
      if (codes.length > keysMax) break;
    }
    if (codes.length === 0) return;
    const filter = codes.length > keysMax ? selection.filter : theseKeys(codes);
    yield* paired(changedIn(documentsOf(earlier, filter), later()), selection);
  } finally {
    await log.dispose();
  }
}

/** Of the earlier documents those that the log has a later version of, each with that one. */
async function* changedIn(
  earlier: AsyncIterable<PastDocument>,
  later: AsyncIterable<Stood>,
): AsyncGenerator<Pair> {
  for await (const pair of joined(earlier, later)) if (pair[1]) yield pair;
}

/**
 * What differs between a past state (`before`) and the live table (`after`), in key order.
 * @param keysMax if more keys differ, both are read whole; the live table is scanned a second time then
 */
export async function* differencesToLive(
  past: PastTable,
  target: LiveReader,
  live: TableReference,
  selection: Selection,
  signal: AbortSignal,
  keysMax: number = heldKeysMax,
): AsyncGenerator<Difference> {
  const keys: LiveKey[] | undefined = selection.keys
    ? inKeyOrder(selection.keys)
    : await differingKeys(keysOf(past), liveKeys(target, live, signal), selection, keysMax);
  if (keys?.length === 0) return;
  if (!keys) {
    const { filter } = selection;
    const now = scannedDocuments(target, live, filter, signal);
    yield* paired(joined(documentsOf(past, filter), now), selection);
    return;
  }
  const filter = theseKeys(keys.map(({ code }) => code));
  // Past documents come first, because their sizes tell how many live ones to ask for.
  const asked = joined(documentsOf(past, filter), iterated(keys));
  yield* paired(liveDocuments(target, live, asked, signal), selection);
}

/** A key that differs, with what is known of it. */
interface LiveKey extends Keyed {
  /** Of the live document, when it was scanned. */
  bytes?: number;
}

type Asked = [PastDocument | undefined, LiveKey | undefined];

async function* iterated<T>(items: readonly T[]): AsyncGenerator<T> {
  yield* items;
}

/** The keys in their order, each once. @param keys JSON texts */
function inKeyOrder(keys: readonly Buffer[]): Keyed[] {
  const byCode = new Map(keys.map((key) => [orderCode(key), key]));
  return [...byCode]
    .map(([code, key]) => ({ code, key }))
    .sort((a, b) => (a.code < b.code ? -1 : 1));
}

/**
 * The keys, in order, that only one side has, or both with different documents; undefined if they are more than
 * `keysMax`.
 */
async function differingKeys(
  a: AsyncIterable<Keyed & { digest: string }>,
  b: AsyncIterable<LiveKey & { digest: string }>,
  { filter }: Selection,
  keysMax: number,
): Promise<LiveKey[] | undefined> {
  const keys: LiveKey[] = [];
  for await (const [one, other] of joined(a, b)) {
    if (one?.digest === other?.digest) continue;
    const { code, key } = (one ?? other)!;
    if (filter && !filter.has(code)) continue;
    if (keys.length === keysMax) return undefined;
    keys.push({ code, key: Buffer.from(key), ...(other?.bytes ? { bytes: other.bytes } : {}) });
  }
  return keys;
}

/** The keys of a live table and the digests of its documents, in key order. */
export async function* liveKeys(
  target: LiveReader,
  live: TableReference,
  signal: AbortSignal,
): AsyncGenerator<Keyed & { digest: string; bytes: number }> {
  for await (const batch of target.scan(live, { signal })) {
    const rows: (Keyed & { digest: string; bytes: number })[] = [];
    batch.forEach((key, document) => {
      const { length: bytes } = document;
      rows.push({ code: orderCode(key), key: Buffer.from(key), digest: digestOf(document), bytes });
    });
    yield* rows;
  }
}

/** The live documents of what is asked for, each with the past one. */
async function* liveDocuments(
  target: LiveReader,
  live: TableReference,
  asked: AsyncIterable<Asked>,
  signal: AbortSignal,
): AsyncGenerator<Pair> {
  const bytesOf = ([then, key]: Asked) => Math.max(then?.document.length ?? 0, key?.bytes ?? 0);
  for await (const some of batchesOf(asked, bytesOf, liveReads)) {
    signal.throwIfAborted();
    const documents = await target.documents(
      live,
      some.map(([then, key]) => (key ?? then)!.key),
    );
    for (const [i, [then, asking]] of some.entries()) {
      const { code, key } = (asking ?? then)!;
      yield [then, { code, key, document: documents[i]! }];
    }
  }
}

/** The documents of a live table, in key order. */
async function* scannedDocuments(
  target: LiveReader,
  live: TableReference,
  filter: KeyFilter | undefined,
  signal: AbortSignal,
): AsyncGenerator<Stood> {
  for await (const batch of target.scan(live, { signal })) {
    const rows: Stood[] = [];
    batch.forEach((key, document) => {
      const code = orderCode(key);
      if (filter && !filter.has(code)) return;
      rows.push({ code, key: Buffer.from(key), document: Buffer.from(document) });
    });
    yield* rows;
  }
}

/** What both states have of one key. */
type Pair = [earlier: PastDocument | undefined, later: Stood | undefined];

async function* paired(
  pairs: AsyncIterable<Pair>,
  selection: Selection,
): AsyncGenerator<Difference> {
  for await (const [a, b] of pairs) {
    const { code, key } = (a ?? b)!;
    const [before, after] = [a?.document ?? null, b?.document ?? null];
    if (isSameText(before, after) || !selectsAny(selection, [before, after])) continue;
    yield { code, key, before, after };
  }
}
