/**
 * A feed that is read before its changes may be appended, because another writer still has the log. What it delivers is
 * kept in memory, up to a bound that all such feeds share.
 *
 * Invariant: a proof counts changes that are kept as delivered. So they are appended before the proof is taken, all at
 * one instant, and not before there is a proof: what a feed that is behind has delivered may be older than what the log
 * has already. Break it and documents seem to go back.
 */
import type { Clock } from "../clock.js";
import type { Feed, FeedBatch, FeedChange, FeedOverflow } from "../rethinkdb/feed.js";
import { ConnectionLost } from "../rethinkdb/response.js";
import type { TableReference } from "../rethinkdb/table-reference.js";

/** How much all held feeds may keep. If they keep more, the one that keeps most is given up. */
export class HeldBytes {
  private readonly feeds = new Map<HeldFeed, number>();
  private total = 0;

  constructor(private readonly bytesMax: number) {}

  add(feed: HeldFeed, bytes: number): void {
    this.feeds.set(feed, (this.feeds.get(feed) ?? 0) + bytes);
    this.total += bytes;
    if (this.total <= this.bytesMax) return;
    const [most] = [...this.feeds].sort(([, one], [, other]) => other - one)[0]!;
    most.giveUp(new ConnectionLost("more changes came than memory can keep until the log is ours"));
  }

  forget(feed: HeldFeed): void {
    this.total -= this.feeds.get(feed) ?? 0;
    this.feeds.delete(feed);
  }
}

/** What an event costs beside its documents. */
const eventOverheadBytes = 200;

export class HeldFeed implements Feed {
  private readonly held: (FeedChange | FeedOverflow)[] = [];
  private readonly iterator: AsyncIterator<FeedBatch>;
  /** A batch that was asked for and that nobody has looked at. */
  private pending: Promise<IteratorResult<FeedBatch>> | undefined;
  private isTaken = false;
  /** It was lost before the release. */
  isLost = false;
  private noteEnd!: (error: Error) => void;
  /** Resolves with the error if the feed is lost before the release. */
  readonly ended = new Promise<Error>((resolve) => {
    this.noteEnd = resolve;
  });

  /** @param follow told how to find out what the table is called from now on */
  constructor(
    private readonly inner: Feed,
    private readonly room: HeldBytes,
    readonly follow: (table: () => TableReference) => void,
  ) {
    this.iterator = inner.batches[Symbol.asyncIterator]();
    void this.hold();
  }

  /** Hands on what was kept. From then on `batches` gives what comes. */
  release(visit: (event: FeedChange | FeedOverflow) => void): void {
    this.held.forEach(visit);
    this.stop();
  }

  /** What comes after the release. */
  get batches(): AsyncIterable<FeedBatch> {
    return this.read();
  }

  get delivered(): number {
    return this.inner.delivered;
  }

  get isWaiting(): boolean {
    return this.inner.isWaiting;
  }

  get openedMs(): number {
    return this.inner.openedMs;
  }

  get writesBefore(): Feed["writesBefore"] {
    return this.inner.writesBefore;
  }

  get fences(): Feed["fences"] {
    return this.inner.fences;
  }

  roundTrip(): Promise<void> {
    return this.inner.roundTrip();
  }

  drained(clock: Clock, signal: AbortSignal): Promise<void> {
    return this.inner.drained(clock, signal);
  }

  /** Keeps nothing any more: the feed is lost. */
  giveUp(reason: Error): void {
    this.isLost = true;
    this.stop();
    this.noteEnd(reason);
  }

  close(): Promise<void> {
    this.stop();
    return this.inner.close();
  }

  disconnect(isServerSilent: boolean): void {
    this.inner.disconnect(isServerSilent);
  }

  leaveServer(): void {
    this.inner.leaveServer();
  }

  private next(): Promise<IteratorResult<FeedBatch>> {
    this.pending ??= this.iterator.next();
    return this.pending;
  }

  /** Reads until the release. A feed that is lost, or ends, or delivers what cannot be read, is given up. */
  private async hold(): Promise<void> {
    try {
      while (!this.isTaken) {
        const next = await this.next();
        if (this.isTaken) return;
        this.pending = undefined;
        if (next.done) throw new ConnectionLost("the feed ended");
        next.value.forEach((event) => this.keep(event));
      }
    } catch (error) {
      if (!this.isTaken) this.giveUp(error as Error);
    }
  }

  private stop(): void {
    this.isTaken = true;
    this.held.length = 0;
    this.room.forget(this);
  }

  private keep(event: FeedChange | FeedOverflow): void {
    if (this.isTaken) return;
    const copy = "overflow" in event ? event : copied(event);
    this.held.push(copy);
    const documents = "overflow" in copy ? [] : [copy.key, copy.document, copy.previous];
    const bytes = documents.reduce((sum, of) => sum + (of?.length ?? 0), eventOverheadBytes);
    this.room.add(this, bytes);
  }

  private async *read(): AsyncGenerator<FeedBatch> {
    for (;;) {
      const next = await this.next();
      this.pending = undefined;
      if (next.done) return;
      yield next.value;
    }
  }
}

function copied({ key, document, previous }: FeedChange): FeedChange {
  return {
    key: Buffer.from(key),
    document: document && Buffer.from(document),
    previous: previous && Buffer.from(previous),
  };
}
