/**
 * The stamp fence: a proof that a feed has been given everything that was written before a moment.
 *
 * A feed with initials reads documents. It is `ready` when the server's one parent feed of the table has passed the
 * stamps of these reads (changefeed.cc, splice_stream_t). A fence is such a feed whose reads are held back: it stands
 * behind another row in a union that keeps its order, and batches hold one row. So START subscribes and gives that row,
 * and the reads are made when more is asked for. They go to every hash shard of the fence's key ranges, also to one
 * without documents, and each brings the stamp that the shard has then. A filter that keeps nothing is applied where
 * the documents are. It lets one read go through a whole range, and spares the server keeping changes for the fence.
 *
 * A fence waits only for what was written since its opening: it takes everything older as delivered. So fences form a
 * chain.
 *
 * Invariant: each fence is opened before the previous one is asked for its reads, and counts only if everything written
 * before its opening is known to have been delivered. Break it and a feed that is seconds behind is called complete
 * (seen: 18,092 of 60,000 changes).
 */

import type { Connection, ResponseStream } from "./connection.js";
import { areMet, between, chooseRanges, type FenceRanges, heldBetween } from "./fence-ranges.js";
import { r, tableTerm } from "./reql.js";
import { toldApart } from "./table-identity.js";
import { type TableReference, TableReplaced } from "./table-reference.js";

/** A fence that is open, but has not been asked for its reads yet. */
interface OpenFence {
  stream: ResponseStream;
  /** Lets the requests for the reads be sent. */
  release: () => void;
  /** When the answer to its opening had come, by the monotonic clock. */
  openedMs: number;
  ranges: ChosenRanges;
}

interface ChosenRanges extends FenceRanges {
  /** How many changes the captured feed had delivered when the ranges were chosen. */
  delivered: number;
}

/** A row of a fence: the first says that it is opened, and over which table; a later one that it is ready. */
interface FenceRow {
  state: string;
  table?: string;
}

/** At most so many tries to choose ranges: documents may come and go faster than they can be chosen. */
const triesMax = 3;
/** After so many changes per range, ranges are chosen anew: they fill with documents, above all the last one. */
const changesPerRange = 5000;
/**
 * How long the chain rests after a fence, for each square of its number of ranges. Each range costs the server a look
 * at every shard of the table, and more shards need more ranges. So its work grows by the square, from a millisecond
 * for one range; it gets four times as long before the next fence.
 */
const restMsPerSquare = 4;

export class FenceChain {
  private standing: OpenFence | undefined;
  /** Takes the place of the standing fence as soon as everything written before its own opening is proven. */
  private successor: OpenFence | undefined;
  private preparing: Promise<void> | undefined;
  /** Ranges that were shown to meet every shard. This holds while the captured feed is open: a reshard ends it. */
  private ranges: ChosenRanges | undefined;
  private restUntilMs = Number.NEGATIVE_INFINITY;
  /** Every stream that is open at the server. One that is no longer needed is ended, because every write feeds it. */
  private readonly streams = new Set<ResponseStream>();
  private closed = false;

  /**
   * @param connection the feed's own: only feeds of one server share a parent feed
   * @param table the table, as it is called now
   * @param delivered how many changes the captured feed has delivered
   */
  constructor(
    private readonly connection: Connection,
    private readonly table: () => TableReference,
    private readonly delivered: () => number,
    private readonly monotonicMs: () => number,
  ) {}

  /** Opens the first fence, before the feed is opened. Everything written after this resolves is behind the fence. */
  async begin(): Promise<void> {
    this.standing = await this.open();
    // A reshard before the feed is open would end this fence and nothing else. So the ranges are not kept.
    this.ranges = undefined;
  }

  /**
   * Resolves with the moment (monotonic, ms) before which everything written has been handed to the feeds of this
   * server; with undefined if a fence cannot tell now. It may take as long as the server is behind.
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

  /** Takes what was proven by other means, so that the chain goes on. The next `pass` retries what fails here. */
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

  /** Lets the successor take its place if everything written before its opening is proven. */
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

  /** A new fence; undefined if documents come and go too fast to choose its ranges. */
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
    // The ranges of before still meet every shard.
    this.ranges = { ...this.ranges, delivered };
    return this.openOver(this.ranges);
  }

  /** A fence over the ranges; undefined if these are new and could not be shown to meet every shard. */
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
      // The name stood for the table before the fence was opened, and must still do so.
      const id = await this.connection.value<string>(idTerm(table));
      if (id !== table.id) throw new TableReplaced(table);
    } finally {
      if (!isOpen) this.end(fence);
    }
    return isOpen ? fence : undefined;
  }
}

/** The id of the table that the name stands for. (`info` has it too, but counts documents: 1 ms for each shard.) */
function idTerm(table: TableReference) {
  return tableTerm(table).status!().bracket!("id");
}

/** Resolves when the server says `ready`: the parent feed has passed the stamps of all the fence's reads. */
async function ready(stream: ResponseStream): Promise<void> {
  for (;;) {
    const { done, value } = await stream.next();
    if (done) throw new Error("the fence ended before it was ready");
    if ((value.rows() as FenceRow[]).some(({ state }) => state === "ready")) return;
  }
}

function fenceTerm(table: TableReference, { ranges }: FenceRanges) {
  // The name is looked up for each range, one right after the other. The first range holds the query to its table.
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
