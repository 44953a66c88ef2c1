/** A feed whose table is proven, and what tells that the feed is of no use any more. */
import type { Clock } from "../clock.js";
import type { Feed } from "../rethinkdb/feed.js";
import type { Source } from "../rethinkdb/source.js";
import type { TableReference } from "../rethinkdb/table-reference.js";
import { DeliveryProof } from "./delivery-proof.js";
import type { Mark } from "./frontier.js";
import { HeartbeatMissed } from "./trouble.js";

/** A table that goes on where another writer has ended. */
export interface GoesOn {
  /** The last proof that the other writer gave. */
  from: Mark;
  /** Called once, when the feed is known to have caught up; false if the feed is lost. */
  caughtUp(): boolean;
}

interface WatchedFeedContext {
  source: Pick<Source, "servedElsewhere">;
  clock: Clock;
  /** See RecorderOptions. */
  heartbeatMs: number;
  /** True while memory is full, so that no feed is read. */
  isFull(): boolean;
}

export class WatchedFeed {
  readonly delivery: DeliveryProof;
  readonly stop = new AbortController();
  /** The proof under way. */
  proving: Promise<void> | undefined;
  /** The proof under way waits for the feed alone, because the source has told what was written. */
  isOwing = false;
  /** How long the last round trip took. */
  latencyMs = 0;
  /** A round trip is under way. */
  private isAsked = false;
  /** What the feed had delivered when its connection was last asked beside a proof. */
  private deliveredThen: number;
  /** When a round trip last came back, by the monotonic clock. */
  private lastAnswerMs: number;
  /** Since when no majority has answered for the table, by the monotonic clock; undefined if one has. */
  private unconfirmedSinceMs: number | undefined;
  /** Another server is being asked whether it serves the table. */
  private isAskedElsewhere = false;

  /**
   * @param feed undefined once it is gone; the frontier then stays, until the table is forgotten
   * @param onLost called once when the feed has to be given up
   */
  constructor(
    private readonly context: WatchedFeedContext,
    readonly table: () => TableReference,
    public feed: Feed | undefined,
    private readonly onLost: (reason: Error) => void,
    private goesOn: GoesOn | undefined,
  ) {
    this.delivery = new DeliveryProof(feed!, context.clock);
    this.deliveredThen = feed!.delivered;
    this.lastAnswerMs = context.clock.monotonicMs();
  }

  /** The feed is gone, and somebody knows. */
  end(): void {
    this.feed = undefined;
    this.stop.abort(new Error("the feed is gone"));
  }

  giveUp(reason: Error): void {
    this.feed = undefined;
    this.onLost(reason);
  }

  /** Called when a proof has shown that the feed has caught up; false if the proof does not count. */
  catchUp(): boolean {
    const { goesOn } = this;
    this.goesOn = undefined;
    return this.feed !== undefined && (goesOn?.caughtUp() ?? true);
  }

  /** Makes a round trip on the feed's connection. */
  async answer(): Promise<void> {
    const { clock } = this.context;
    const askedMs = clock.monotonicMs();
    this.isAsked = true;
    await this.feed!.roundTrip().finally(() => {
      this.isAsked = false;
    });
    this.lastAnswerMs = clock.monotonicMs();
    this.latencyMs = this.lastAnswerMs - askedMs;
  }

  /** Whether a majority has answered for the table when it was asked at a moment of the monotonic clock. */
  noteConfirmed(isConfirmed: boolean, askedMs: number): void {
    this.unconfirmedSinceMs = isConfirmed ? undefined : (this.unconfirmedSinceMs ?? askedMs);
  }

  /**
   * Asks the feed's connection again, and gives the feed up if it is of no use any more.
   * @param askedMs silence counts up to this moment, because this process may have stood still since
   */
  check(askedMs: number): void {
    this.keepAlive();
    this.checkHeartbeat(askedMs);
    this.checkConfirmed();
  }

  /**
   * A feed is given up if its connection does not answer for so long, or if it owes changes and stands still. So the
   * connection is asked again, unless that is the case: a proof takes as long as the feed is behind, which may be
   * longer, and so may the source take to tell what was written, or the clock to be judged. Full memory keeps a feed
   * from moving.
   */
  private keepAlive(): void {
    const { feed, isOwing, isAsked, deliveredThen } = this;
    if (!feed || isAsked) return;
    if (isOwing && feed.delivered === deliveredThen && !this.context.isFull()) return;
    this.deliveredThen = feed.delivered;
    // A feed that is lost is reported by its own reader.
    this.answer().catch(() => undefined);
  }

  private checkHeartbeat(askedMs: number): void {
    const { feed, isAsked, lastAnswerMs } = this;
    if (!feed || askedMs - lastAnswerMs <= this.context.heartbeatMs) return;
    feed.disconnect(isAsked);
    const what = isAsked
      ? "the server did not answer on the feed's connection"
      : "the feed stood still, and its proof did not end";
    this.giveUp(new HeartbeatMissed(what));
  }

  /**
   * A feed from a server that is cut off is given up if another server serves its table: there it goes on. Where no
   * server does, the feed stays, because it may be whole when they meet again.
   */
  private checkConfirmed(): void {
    const { feed, unconfirmedSinceMs: since } = this;
    const { source, clock, heartbeatMs } = this.context;
    const isLong = since !== undefined && clock.monotonicMs() - since > heartbeatMs / 2;
    if (!feed || !isLong || this.isAskedElsewhere) return;
    this.isAskedElsewhere = true;
    const giveUpIfServed = async () => {
      const isServed = await source.servedElsewhere(this.table());
      if (!isServed || this.feed !== feed || this.unconfirmedSinceMs !== since) return;
      feed.leaveServer();
      this.giveUp(new HeartbeatMissed("its server is cut off, and another one serves the table"));
    };
    // A source that cannot tell leaves the feed as it is.
    void giveUpIfServed()
      .catch(() => undefined)
      .finally(() => {
        this.isAskedElsewhere = false;
      });
  }
}
