/** Repositories made by the real writers under a clock that stands still, and beside them a plain model of them. */
import type { Clock } from "../../src/clock.js";
import { digestOf } from "../../src/digest.js";
import type { FoldOptions } from "../../src/fold/fold.js";
import type { CoverageRecord } from "../../src/format/coverage-record.js";
import type { Repository } from "../../src/format/description.js";
import { encodeJsonObject } from "../../src/format/json-object.js";
import { mergeLatest } from "../../src/format/merge.js";
import { copyUnique, repositoryName } from "../../src/format/names.js";
import type { Instant } from "../../src/instant.js";
import { type OrderCode, orderCode } from "../../src/key-order.js";
import type { Owner } from "../../src/owner.js";
import { baseCursor } from "../../src/repository/bases/base-reader.js";
import { BaseWriter } from "../../src/repository/bases/base-writer.js";
import { claimEpoch } from "../../src/repository/log/claim-epoch.js";
import type { Segment } from "../../src/repository/log/log.js";
import { LogView } from "../../src/repository/log/log-view.js";
import { LogWriter, type Shipper, type TickFacts } from "../../src/repository/log/log-writer.js";
import { openRepository } from "../../src/repository/repository.js";
import { jsonOfText, textOfJson } from "../../src/server-text.js";
import { MemoryStore } from "../../src/storage/memory-store.js";
import type { ObjectStore } from "../../src/storage/object-store.js";
import { collect, fold, newestBase } from "./looks.js";

export const proofBoundMs = 2000;

/** Moves only when told to. */
export class StillClock implements Clock {
  constructor(public instant: Instant = Date.UTC(2026, 10, 21, 10)) {}
  now(): number {
    return this.instant;
  }
  monotonicMs(): number {
    return this.instant;
  }
  sleep(): Promise<void> {
    return Promise.reject(new Error("nothing here waits"));
  }
}

/** The JSON text of a key or document, as the server has it: a surrogate without a partner is bytes, not an escape. */
export const json = (value: unknown): Buffer => jsonOfText(JSON.stringify(value));

export async function makeRepository(store: ObjectStore = new MemoryStore()): Promise<Repository> {
  const description = { id: "00000000-0000-4000-8000-0000000000ff", created: 0 };
  await store.put(repositoryName, encodeJsonObject("repository", description));
  return openRepository(store);
}

/** The segments that hold versions captured after `after` and up to `until`, of a log without folded segments. */
export async function* segmentChain(
  store: ObjectStore,
  after: Instant,
  until: Instant,
): AsyncGenerator<Segment> {
  for await (const piece of (await LogView.read(store)).chain(after, until)) {
    if ("manifest" in piece) throw new Error(`${piece.name} is not a segment`);
    yield piece;
  }
}

const owner: Owner = { host: "test", process: 1, isAlive: () => false };

/** Puts in order, without trying again. */
class PlainShipper implements Shipper {
  readonly waitingBytes = 0;
  readonly isShipping = false;
  private before: Promise<void> = Promise.resolve();
  constructor(private readonly store: ObjectStore) {}
  ship(name: string, bytes: Buffer): Promise<void> {
    this.before = this.before.then(() => this.store.put(name, bytes));
    return this.before;
  }
}

/** What the model knows of one version. */
interface Recorded {
  key: string;
  time: Instant;
  document: string | null;
}

/** Every version that was recorded, by table, in the order of capture. */
export class History {
  private readonly tables = new Map<string, Recorded[]>();

  add(table: string, version: Recorded): void {
    this.tables.set(table, [...(this.tables.get(table) ?? []), version]);
  }

  /** The documents' JSON texts at `instant`, in key order. */
  at(table: string, instant: Instant): string[] {
    const last = new Map<string, Recorded>();
    for (const version of this.tables.get(table) ?? []) {
      if (version.time <= instant) last.set(codeOf(version.key), version);
    }
    return [...last.entries()]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([, { document }]) => document)
      .filter((document) => document !== null);
  }

  /** The last version of a key at `instant`, as text; null if deleted, undefined if there was none. */
  last(table: string, key: Buffer, instant = Number.MAX_SAFE_INTEGER): string | null | undefined {
    const code = codeOf(textOfJson(key));
    const all = this.tables.get(table) ?? [];
    return all.findLast(({ key: of, time }) => time <= instant && codeOf(of) === code)?.document;
  }

  /** Every instant at which something was recorded. */
  instants(): Instant[] {
    const times = [...this.tables.values()].flat().map(({ time }) => time);
    return [...new Set(times)].sort((a, b) => a - b);
  }
}

const codes = new Map<string, OrderCode>();

function codeOf(key: string): OrderCode {
  let code = codes.get(key);
  if (code === undefined) codes.set(key, (code = orderCode(jsonOfText(key))));
  return code;
}

/** One epoch of a log under way. */
export class Recording {
  private copies = 0;

  private constructor(
    readonly repository: Repository,
    readonly clock: StillClock,
    readonly history: History,
    readonly log: LogWriter,
  ) {}

  static async begin(
    repository: Repository,
    clock: StillClock,
    history = new History(),
  ): Promise<Recording> {
    const own = await claimEpoch(repository, clock, owner, true);
    const log = LogWriter.open(repository, clock, own, new PlainShipper(repository.store));
    return new Recording(repository, clock, history, log);
  }

  /** Goes on with the log of an epoch that was shut out, for another history: what it writes does not count. */
  static behind(shutOut: Recording, history: History): Recording {
    return new Recording(shutOut.repository, shutOut.clock, history, shutOut.log);
  }

  /** Appends a version of a document (null: a delete), 1 ms later than what came before. */
  put(table: string, key: unknown, document: unknown): void {
    this.clock.instant += 1;
    const before = this.history.last(table, json(key));
    const previous = typeof before === "string" ? digestOf(jsonOfText(before)) : null;
    const text = document === null ? null : JSON.stringify(document);
    this.log.append(table, json(key), previous, text === null ? null : jsonOfText(text));
    this.history.add(table, { key: JSON.stringify(key), time: this.clock.instant, document: text });
  }

  catalog(key: string[], value: object | null): void {
    this.log.appendRecord("catalog", key, value);
  }

  /** Notes that the catalog and access have been read, and are watched from now on. */
  catalogRead(): void {
    const { time: since } = this.log;
    for (const id of ["catalog", "access"]) this.coverage(id, { state: "live", since });
  }

  coverage(table: string, record: CoverageRecord): void {
    this.log.appendRecord("coverage", table, record);
  }

  /** Closes a tick that ends `ms` from now; its frontier is its own end unless given. Returns the end. */
  async tick(ms = 1000, facts: Partial<TickFacts> = {}): Promise<Instant> {
    this.clock.instant += ms;
    const to = this.clock.instant;
    const rest = { frontier: to, lagging: {}, proofBoundMs, serverClock: null, closed: false };
    const tick = this.log.closeTick({ ...rest, ...facts });
    await tick.durable;
    this.clock.instant = Math.max(this.clock.instant, tick.to) + 1;
    return tick.to;
  }

  /** Copies documents to a base of the log's own instants, in key order, as the first copy of a table does. */
  async copy(
    table: string,
    rows: [key: unknown, document: unknown][],
    partBytesTarget?: number,
  ): Promise<BaseWriter> {
    const { time } = this.log.stamp();
    const { epoch } = this.log;
    this.copies += 1;
    const unique = copyUnique(epoch, this.copies);
    const identity = { table, primaryKey: "id", epoch, begun: time, unique };
    const writer = new BaseWriter(this.repository, identity, partBytesTarget);
    const sorted = rows.toSorted(([a], [b]) => (orderCode(json(a)) < orderCode(json(b)) ? -1 : 1));
    for (const [key, document] of sorted) {
      const { sequence } = this.log.stamp();
      writer.add(json(key), time, sequence, json(document));
      const text = JSON.stringify(document);
      this.history.add(table, { key: JSON.stringify(key), time, document: text });
    }
    await writer.drain();
    return writer;
  }
}

/** The documents of a table at an instant, in key order, as a restore reads them. */
export async function restoredAt(
  of: ObjectStore | LogView,
  table: string,
  instant: Instant,
  memoryBytesMax?: number,
): Promise<string[]> {
  const store = of instanceof LogView ? of.store : of;
  const base = await newestBase(store, table, instant);
  if (!base) throw new Error(`the test asks for ${table} before its first base`);
  const wanted = [{ table, after: base.logFrom }];
  const options = memoryBytesMax === undefined ? {} : { memoryBytesMax };
  const log = await collect(of, wanted, instant, options);
  try {
    const documents: string[] = [];
    for await (const winners of mergeLatest([baseCursor(store, base), ...log.cursors(table)])) {
      for (const { version } of winners) {
        if (version.document !== null) documents.push(textOfJson(version.document));
      }
    }
    return documents;
  } finally {
    await log.dispose();
  }
}

/** Folds tables (all, if none are given) up to their newest exact instants at or before `until`. */
export function foldUp(
  repository: Repository,
  until: Instant,
  tables?: string[],
  options: Partial<FoldOptions> = {},
) {
  const all = { until, unique: "f1", onRows: () => undefined, ...options };
  return fold(repository, tables ? { ...all, tables } : all);
}

export async function namesIn(store: ObjectStore, prefix = ""): Promise<string[]> {
  const names: string[] = [];
  for await (const { name } of store.list(prefix)) names.push(name);
  return names;
}

/** A copy of a store in memory, with some objects replaced, added, or (undefined) left out. */
export async function copyOf(
  store: ObjectStore,
  changes: Record<string, Buffer | undefined> = {},
): Promise<MemoryStore> {
  const copy = new MemoryStore();
  for (const name of await namesIn(store)) {
    if (!Object.hasOwn(changes, name)) await copy.put(name, await store.get(name));
  }
  for (const [name, bytes] of Object.entries(changes)) {
    if (bytes !== undefined) await copy.put(name, bytes);
  }
  return copy;
}
