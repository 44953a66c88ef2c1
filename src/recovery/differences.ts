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
import { batchesOf, liveReads } from "./batches.js";
import { joined } from "./joined.js";
import { documentsOf, keysOf, type PastDocument, type PastTable } from "./past.js";
import { type Selection, selectsAny } from "./selection.js";

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
  target: Target,
  live: TableReference,
  selection: Selection,
  signal: AbortSignal,
): AsyncGenerator<Difference> {
  const keys: LiveKey[] =
    selection.keys?.map((key) => ({ code: orderCode(key), key })) ??
    (await differingKeys(keysOf(past), liveKeys(target, live, signal), selection));
  if (keys.length === 0) return;
  keys.sort((a, b) => (a.code < b.code ? -1 : 1));
  const filter = theseKeys(keys.map(({ code }) => code));
  // Past documents come first, because their sizes tell how many live ones to ask for.
  const asked = joined(documentsOf(past, filter), iterated(keys));
  const bytesOf = ([then, key]: Asked) => Math.max(then?.document.length ?? 0, key?.bytes ?? 0);
  for await (const some of batchesOf(asked, bytesOf, liveReads)) {
    signal.throwIfAborted();
    const documents = await target.documents(
      live,
      some.map(([then, key]) => (key ?? then)!.key),
    );
    for (const [i, [then, key]] of some.entries()) {
      const [before, after] = [then?.document ?? null, documents[i]!];
      if (isSameText(before, after) || !selectsAny(selection, [before, after])) continue;
      yield { code: (key ?? then)!.code, key: (key ?? then)!.key, before, after };
    }
  }
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

/** The keys, in order, that only one side has, or both with different documents. */
async function differingKeys(
  a: AsyncIterable<Keyed & { digest: string }>,
  b: AsyncIterable<LiveKey & { digest: string }>,
  { filter }: Selection,
): Promise<LiveKey[]> {
  const keys: LiveKey[] = [];
  for await (const [one, other] of joined(a, b)) {
    if (one?.digest === other?.digest) continue;
    const { code, key } = (one ?? other)!;
    if (filter && !filter.has(code)) continue;
    keys.push({ code, key: Buffer.from(key), ...(other?.bytes ? { bytes: other.bytes } : {}) });
  }
  return keys;
}

/** The keys of a live table and the digests of its documents, in key order. */
export async function* liveKeys(
  target: Target,
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
