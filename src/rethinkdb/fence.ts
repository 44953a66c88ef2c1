/**
 * The stamp fence: a proof that a feed has been given everything that was written before a moment.
 *
 * A feed with initials is `ready` when the server's one parent feed of the table has passed the stamps of the reads that
 * it made (changefeed.cc, splice_stream_t). A fence is such a feed whose reads are held back: it stands behind another
 * row in a union that keeps its order, and batches hold one row. So START subscribes and gives that row; the reads are
 * made when more is asked for. They go to every hash shard of the ranges of keys that the fence is laid over, also to one
 * without documents, and each brings the stamp that the shard has then. A filter that keeps nothing, and is applied where
 * the documents are, lets one read go through a range, and lets the server keep no changes for the fence.
 *
 * A fence waits for what was written since its opening, and for nothing before: it takes what its opening finds for
 * passed. Invariant: so fences form a chain. Each is opened before the one before it is asked for its reads, and counts
 * only if everything written before its opening is known to have been delivered. Break it and a feed that is seconds
 * behind is called complete (seen: 18,092 of 60,000 changes).
 */

import type { Connection, ResponseStream } from "./connection.js";
import { areMet, between, chooseRanges, type FenceRanges, heldBetween } from "./fence-ranges.js";
import { r, tableTerm } from "./reql.js";
import { toldApart } from "./table-identity.js";
import { type TableReference, TableReplaced } from "./table-reference.js";

/** A fence that waits: opened, and not asked for its reads yet. */
interface OpenFence {
  stream: ResponseStream;
  /** Lets the requests for the reads go. */
  release: () => void;
  /** By the monotonic clock, when the answer to its opening had come. */
  openedMs: number;
  ranges: ChosenRanges;
}

interface ChosenRanges extends FenceRanges {
  /** Changes that the captured feed had delivered then. */
  delivered: number;
}

/** What a fence gives: that it is opened, and over which table; then that it is ready. */
interface FenceRow {
  state: string;
  table?: string;
}

const triesMax = 3;
/** Ranges fill with documents, as the last one does behind the last key. After so many changes for each they are chosen anew. */
const changesPerRange = 5000;
/**
 * Each range costs the server a look at every shard of the table, and shards ask for ranges: its work grows by the square,
 * a millisecond for one. It gets four times as long before the next fence.
 */
const restMsPerSquare = 4;

export class FenceChain {
  private standing: OpenFence | undefined;
  /** Opened to take the place of the standing one, as soon as everything before it is proven. */
  private successor: OpenFence | undefined;
  private preparing: Promise<void> | undefined;
  /** Shown to meet every shard while the captured feed was open: what shards the table anew ends that feed. */
  private ranges: ChosenRanges | undefined;
  private restUntilMs = Number.NEGATIVE_INFINITY;
  /** Everything that is open at the server. Whatever is not needed any more is ended, because every write feeds it. */
  private readonly streams = new Set<ResponseStream>();
  private closed = false;

  /**
   * @param connection the feed's own: only feeds of one server share a parent
   * @param table as it is called now
   * @param delivered how many changes the captured feed has delivered
   */
  constructor(
    private readonly connection: Connection,
    private readonly table: () => TableReference,
    private readonly delivered: () => number,
    private readonly monotonicMs: () => number,
  ) {}

  /** Opens the first fence, before the feed is. Everything written after this resolves is behind it. */
  async begin(): Promise<void> {
    this.standing = await this.open();
    // The table may be sharded anew before the feed is open. That ends this fence, and nothing else that we have.
    this.ranges = undefined;
  }

  /**
   * Resolves with the moment (monotonic, ms) before which everything written has been handed to the feeds of this
   * server; with undefined if that cannot be told this way. It may take as long as the server is behind.
   * @param provenMs everything written before this moment is known to have been delivered
   */
  async pass(provenMs: number): Promise<number | undefined> {
    this.settle(provenMs);
    await this.prepare();
    const { standing: fence, successor } = this;
    if (!fence || !successor || fence.openedMs > provenMs) return undefined;
    const askedMs = this.monotonicMs();
    fence.release();
    this.standing = undefined;
    try {
      await ready(fence.stream);
    } finally {
      this.end(fence);
    }
    return askedMs;
  }

  /** Told what is proven by other means, so that the chain goes on from there. What fails here is met by the next `pass`. */
  note(provenMs: number): void {
    this.settle(provenMs);
    const { standing } = this;
    if (!standing || this.isOld(standing.ranges)) this.prepare().catch(() => undefined);
  }

  close(): void {
    this.closed = true;
    for (const stream of this.streams) void stream.return();
    this.streams.clear();
  }

  private end({ stream }: Pick<OpenFence, "stream">): void {
    this.streams.delete(stream);
    void stream.return();
  }

  /** The successor takes its place where everything before it is proven. */
  private settle(provenMs: number): void {
    const { successor } = this;
    if (!successor || successor.openedMs > provenMs) return;
    if (this.standing) this.end(this.standing);
    this.standing = successor;
    this.successor = undefined;
  }

  private prepare(): Promise<void> {
    this.preparing ??= this.openSuccessor().finally(() => {
      this.preparing = undefined;
    });
    return this.preparing;
  }

  private async openSuccessor(): Promise<void> {
    if (this.successor || this.monotonicMs() < this.restUntilMs) return;
    this.successor = await this.open();
  }

  private isOld({ delivered, ranges }: ChosenRanges): boolean {
    return this.delivered() - delivered >= changesPerRange * ranges.length;
  }

  /** Undefined if documents come and go too fast to choose where to lay it. */
  private async open(): Promise<OpenFence | undefined> {
    try {
      const { ranges } = this;
      return ranges && !this.isOld(ranges) ? await this.openOver(ranges) : await this.openAnew();
    } catch (error) {
      throw await toldApart(error, this.connection, this.table());
    }
  }

  private async openAnew(): Promise<OpenFence | undefined> {
    const delivered = this.delivered();
    for (let tries = 1; tries <= triesMax; tries += 1) {
      const chosen = await chooseRanges(this.connection, this.table());
      const ranges = chosen && { ...chosen, delivered };
      const fence = ranges && (await this.openOver(ranges));
      if (fence) {
        this.ranges = ranges;
        return fence;
      }
    }
    if (!this.ranges) return undefined;
    // What was shown of those of before holds.
    this.ranges = { ...this.ranges, delivered };
    return this.openOver(this.ranges);
  }

  /** Undefined if the ranges are new, and not shown to meet every shard. */
  private async openOver(ranges: ChosenRanges): Promise<OpenFence | undefined> {
    if (this.closed) throw new Error("the feed was closed meanwhile");
    const table = this.table();
    let release: () => void = () => undefined;
    const gate = new Promise<void>((resolve) => {
      release = resolve;
    });
    const stream = this.connection.stream(
      fenceTerm(table, ranges),
      { max_batch_rows: 1 },
      () => gate,
    );
    const fence = { stream, release, openedMs: 0, ranges };
    let isOpen = false;
    this.streams.add(stream);
    try {
      const { done, value } = await stream.next();
      if (done) throw new Error("the fence ended at once");
      fence.openedMs = this.monotonicMs();
      this.restUntilMs = fence.openedMs + restMsPerSquare * ranges.ranges.length ** 2;
      if ((value.rows() as FenceRow[])[0]?.table !== table.id) throw new TableReplaced(table);
      isOpen = ranges === this.ranges || (await areMet(this.connection, table, ranges));
      // The name stood for the table before the fence was opened, and has to do so still.
      const id = await this.connection.value<string>(idTerm(table));
      if (id !== table.id) throw new TableReplaced(table);
    } finally {
      if (!isOpen) this.end(fence);
    }
    return isOpen ? fence : undefined;
  }
}

/** The id of the table that the name stands for. (`info` has it too, but counts documents, a millisecond for each shard.) */
function idTerm(table: TableReference) {
  return tableTerm(table).status!().bracket!("id");
}

/** Resolves when the server says that all that was read is behind what the parent feed has handed on. */
async function ready(stream: ResponseStream): Promise<void> {
  for (;;) {
    const { done, value } = await stream.next();
    if (done) throw new Error("the fence ended before it was ready");
    if ((value.rows() as FenceRow[]).some(({ state }) => state === "ready")) return;
  }
}

function fenceTerm(table: TableReference, { ranges }: FenceRanges) {
  // The name is looked up for each, one right after the other: the first holds the query to its table.
  const over = r.union(
    ...ranges.map((range, i) => (i === 0 ? heldBetween : between)(table, range)),
  );
  const feed = over.filter!(false).changes!({
    squash: false,
    includeInitial: true,
    includeStates: true,
  });
  return r.expr([{ state: "opened", table: idTerm(table) }]).union!(feed, { interleave: false })
    .filter!((row: (field: string) => { ne(value: string): unknown }) =>
    row("state").ne("initializing"),
  );
}
