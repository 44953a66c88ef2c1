/**
 * The stamp fence: a proof that a feed has been given everything that was written before a moment.
 *
 * A feed with initials over some keys is `ready` when the server's one parent feed of the table has passed the stamps of
 * the reads that it made. Seen in the server's source (changefeed.cc, splice_stream_t) and live on 2.4.4: a fence counts
 * from the stamps of its opening on. What was written before it was opened, it does not wait for.
 *
 * Invariant: so fences form a chain. Each is opened before the one before it asks its last reads, and counts only if
 * everything written before its opening is known to have been delivered. Break it and a feed that is seconds behind is
 * called complete (seen: 18,092 of 60,000 changes).
 */

import { fieldName, JsonText, RowPlaces } from "../json-bytes.js";
import type { Connection, ResponseStream } from "./connection.js";
import { r, valueTerm } from "./reql.js";
import type { Response } from "./response.js";
import { type TableReference, TableReplaced } from "./source.js";
import { heldTable, isReplaced, orReplaced, toldApart } from "./table-identity.js";

/** A fence that waits: opened, and not asked for the rest of its keys yet. */
interface OpenFence {
  stream: ResponseStream;
  /** Lets the requests for the rest go. */
  release: () => void;
  /** By the monotonic clock, when the answer to its opening had come. */
  openedMs: number;
  /** JSON texts of the keys that its opening found: the first one of each hash shard that has any. None: of no use. */
  firsts: ReadonlySet<string>;
  /** True if that are all hash shards. */
  reachesAll: boolean;
  /** What the captured feed had delivered then. */
  delivered: Delivered;
}

/** How much a feed has delivered since it was opened. */
export interface Delivered {
  changes: number;
  bytes: number;
}

/** What fences are laid over: enough of the table to reach every hash shard that holds documents. */
interface Sample {
  /** JSON texts. Undefined: the table is so small that the fence is laid over all of it. */
  keys: Buffer[] | undefined;
  /** Of the keys the first one of each hash shard. */
  firsts: ReadonlySet<string>;
}

/** Keys of each hash shard: the opening reads the first, and must leave some to be looked up. */
const keysPerShard = 3;
/** A table of at most so many documents is fenced whole, because some of its hash shards may be empty. */
const wholeDocumentsMax = 64;
/** A fence that was laid over a whole table which has grown since would take an answer for every 8 documents. */
const answersMax = 100;
const hashShardsPerShard = 8;
const openBrace = "{".charCodeAt(0);
const triesMax = 2;
/** A fence whose keys are written to keeps those changes in the server's memory; after so much it is replaced. */
const renewAfter: Delivered = { changes: 5000, bytes: 4 * 1024 * 1024 };
/** No fence stands longer than this: were one ever in the server's way, that would end by itself. */
const renewAfterMs = 60_000;

export class FenceChain {
  private standing: OpenFence | undefined;
  /** Opened to take the place of the standing one, as soon as everything before it is proven. */
  private successor: OpenFence | undefined;
  private sample: Sample | undefined;
  /** Everything that is open at the server. Whatever is not needed any more is ended, because every write feeds it. */
  private readonly streams = new Set<ResponseStream>();
  private closed = false;

  /**
   * @param connection the feed's own: only feeds of one server share a parent
   * @param table as it is called now
   * @param delivered what the captured feed has delivered
   */
  constructor(
    private readonly connection: Connection,
    private readonly table: () => TableReference,
    private readonly delivered: () => Delivered,
    /** How many range shards it has; undefined if that is not known now. */
    private readonly shards: () => number | undefined,
    private readonly monotonicMs: () => number,
  ) {}

  /** Opens the first fence. Everything written after this resolves is behind it. */
  async begin(): Promise<void> {
    this.standing = await this.open();
  }

  /**
   * Resolves with the moment (monotonic, ms) before which everything written has been handed to the feeds of this
   * server; with undefined if that cannot be told this way. It may take as long as the server is behind.
   * @param provenMs everything written before this moment is known to have been delivered
   */
  async pass(provenMs: number): Promise<number | undefined> {
    this.settle(provenMs);
    const fence = this.standing;
    if (!fence || fence.firsts.size === 0 || fence.openedMs > provenMs) {
      await this.prepare();
      return undefined;
    }
    const next = await this.open();
    // A hash shard that was empty may have documents: it is behind no fence yet.
    if (!fence.reachesAll && ![...next.firsts].every((key) => fence.firsts.has(key))) {
      this.succeed(next);
      return undefined;
    }
    const askedMs = this.monotonicMs();
    fence.release();
    this.standing = undefined;
    let isReady = false;
    try {
      isReady = await ready(fence.stream);
    } finally {
      this.end(fence);
      if (isReady) this.standing = next;
      else this.succeed(next);
    }
    return isReady ? askedMs : undefined;
  }

  /** Told what is proven by other means, so that the chain goes on from there. */
  async note(provenMs: number): Promise<void> {
    this.settle(provenMs);
    const { standing, successor } = this;
    if (!successor && (!standing || this.isSpent(standing))) await this.prepare();
  }

  close(): void {
    this.closed = true;
    for (const stream of this.streams) void stream.return();
    this.streams.clear();
  }

  private isSpent({ openedMs, reachesAll, delivered: then }: OpenFence): boolean {
    const { changes, bytes } = this.delivered();
    // Where some hash shards were empty, any change may have been the first document of one.
    const changesMax = reachesAll ? renewAfter.changes : 1;
    return (
      changes - then.changes >= changesMax ||
      bytes - then.bytes >= renewAfter.bytes ||
      this.monotonicMs() - openedMs >= renewAfterMs
    );
  }

  private end(fence: Pick<OpenFence, "stream"> | undefined): void {
    if (!fence) return;
    this.streams.delete(fence.stream);
    void fence.stream.return();
  }

  /** The successor takes its place where everything before it is proven. */
  private settle(provenMs: number): void {
    const { successor } = this;
    if (!successor || successor.openedMs > provenMs) return;
    this.end(this.standing);
    this.standing = successor;
    this.successor = undefined;
  }

  /** Of two, the later one, unless both reach all that the other does: the older one is proven sooner. */
  private succeed(next: OpenFence): void {
    const { successor } = this;
    const isBetter = !successor || [...next.firsts].some((key) => !successor.firsts.has(key));
    this.end(isBetter ? successor : next);
    if (isBetter) this.successor = next;
  }

  private async prepare(): Promise<void> {
    this.succeed(await this.open());
  }

  private async open(): Promise<OpenFence> {
    for (let tries = 1; ; tries += 1) {
      this.sample ??= await takeSample(this.connection, this.table());
      const { keys, firsts } = this.sample;
      const fence = await this.openOver(keys);
      // Where the first key of a hash shard is gone, its last one may have been found, and none is left to be looked up.
      const isFit = fence.reachesAll && [...fence.firsts].every((key) => firsts.has(key));
      // Keys are of use again as long as they reach all; what is small may have grown.
      if (!keys || !isFit) this.sample = undefined;
      if (!keys || isFit) return fence;
      // Keys are gone, or the sample missed a hash shard: whether it holds documents is not known.
      if (tries === triesMax) return { ...fence, firsts: new Set() };
      this.end(fence);
    }
  }

  private async openOver(keys: Buffer[] | undefined): Promise<OpenFence> {
    if (this.closed) throw new Error("the feed was closed meanwhile");
    let release: () => void = () => undefined;
    const gate = new Promise<void>((resolve) => {
      release = resolve;
    });
    const table = this.table();
    const stream = this.connection.stream(
      fenceTerm(table, keys),
      { max_batch_rows: 1 },
      () => gate,
    );
    this.streams.add(stream);
    try {
      const first = await stream.next();
      if (first.done) throw new Error("the fence ended at once");
      const openedMs = this.monotonicMs();
      const firsts = new Set(keysIn(first.value, table));
      const shards = this.shards();
      const reachesAll = shards !== undefined && firsts.size >= shards * hashShardsPerShard;
      return { stream, release, openedMs, firsts, reachesAll, delivered: this.delivered() };
    } catch (error) {
      this.end({ stream });
      throw isReplaced(error) ? new TableReplaced(table) : error;
    }
  }
}

/**
 * Resolves with true when the server says that all that was read is behind what the parent feed has handed on; with false
 * if there is too much to be read.
 */
async function ready(stream: ResponseStream): Promise<boolean> {
  for (let answers = 0; answers < answersMax; answers += 1) {
    const { done, value } = await stream.next();
    if (done) throw new Error("the fence ended before it was ready");
    if (value.rows().some((row) => isState(row) && row.state === "ready")) return true;
  }
  return false;
}

/** The keys of the initials in a response, as JSON texts in which each byte is a character. */
function* keysIn({ bytes, firstRow }: Response, { primaryKey }: TableReference): Generator<string> {
  const text = new JsonText(bytes);
  for (let at = firstRow; bytes[at] === openBrace; at = text.endOfValue(at) + 1) {
    const document = text.fieldOf(at, fieldName("new_val"));
    const key = document && text.fieldOf(document.start, fieldName(primaryKey));
    if (key) yield bytes.toString("latin1", key.start, key.end);
  }
}

function isState(row: unknown): row is { state: string } {
  return typeof (row as { state?: unknown }).state === "string";
}

/** Changes of the keys are left out; rows are {state} or {new_val: {<primary key>}}. */
function fenceTerm(table: TableReference, keys: Buffer[] | undefined) {
  const over = keys
    ? heldTable(table).getAll!(...keys.map(valueTerm), {
        index: orReplaced(table, table.primaryKey),
      })
    : allOf(table);
  return over.changes!({
    squash: false,
    includeInitial: true,
    includeStates: true,
    includeTypes: true,
  }).filter!((row: FeedRow) => r.expr(["initial", "state"]).contains!(row("type"))).pluck!(
    "state",
    { new_val: { [table.primaryKey]: true } },
  );
}

type FeedRow = (field: string) => unknown;

function allOf(table: TableReference) {
  return heldTable(table).between!(r.minval, r.maxval, { leftBound: orReplaced(table, "closed") });
}

/** An unsorted read takes one document of every hash shard that has one left at a time. */
async function takeSample(connection: Connection, table: TableReference): Promise<Sample> {
  const { primaryKey } = table;
  const stream = connection.stream(allOf(table).pluck!(primaryKey), { max_batch_rows: 1 });
  const rounds: Buffer[][] = [];
  const rows = new RowPlaces();
  let documents = 0;
  try {
    for await (const { bytes, firstRow } of stream) {
      new JsonText(bytes).cutRows(firstRow, fieldName(primaryKey), rows);
      rounds.push([...rows.values(bytes)]);
      documents += rows.count;
      const isLarge = documents > wholeDocumentsMax;
      // A round of a table of many shards is many documents.
      if (isLarge && rounds.length >= keysPerShard) return keysOf(rounds);
    }
  } catch (error) {
    throw await toldApart(error, connection, table);
  } finally {
    await stream.return();
  }
  return { keys: undefined, firsts: new Set() };
}

/** Where a hash shard has a single key, nothing would be left in it to be looked up: then no fence is laid. */
function keysOf(rounds: Buffer[][]): Sample {
  const [first = [], second = []] = rounds;
  const keys = second.length < first.length ? [] : rounds.slice(0, keysPerShard).flat();
  return { keys, firsts: new Set(first.map((key) => key.toString("latin1"))) };
}
