/**
 * Whether a feed has delivered everything that was written, by the cheapest evidence that is proof. Neither small
 * responses nor a round trip are: the server's backlog stands where neither can see it.
 *
 * Invariant: `provenMs` is a moment before which everything written has been delivered. The chain of fences is built on
 * it; break it and every later proof is worth nothing.
 */
import type { Clock } from "../clock.js";
import type { Feed } from "../rethinkdb/feed.js";
import type { TableWrites } from "../rethinkdb/table-writes.js";

/** The servers' counts, and what stood when they were asked for. */
export interface Surveyed {
  writes: TableWrites;
  /** By the monotonic clock, before the servers were asked. */
  askedMs: number;
  /** What the feed had delivered then. */
  delivered: number;
}

/** With no write counted and nothing delivered for so long, while the feed waits, nothing is on its way. */
const quietMs = 1000;
const recountsMax = 3;
const recountPauseMs = 20;

export class DeliveryProof {
  private provenMs: number;
  /** Counts of a moment before which everything written has been delivered. */
  private proven: TableWrites | undefined;
  /** Counts, and deliveries to which at most these counts belong: as many more on both sides means that nothing is missing. */
  private base: Pick<Surveyed, "writes" | "delivered"> | undefined;
  /** The first of the surveys that found the same counts and deliveries. */
  private calm: Surveyed | undefined;

  constructor(
    private readonly feed: Feed,
    private readonly clock: Clock,
  ) {
    this.provenMs = feed.openedMs;
    this.proven = feed.writesBefore;
    this.base = this.proven && { writes: this.proven, delivered: 0 };
  }

  /**
   * Resolves true when everything written before the survey was asked for has been delivered; false if that could not be
   * found out. It may take as long as the feed is behind.
   * @param recount another survey, where one is cheap enough
   */
  async prove(
    surveyed: Surveyed,
    recount: () => Promise<Surveyed | undefined>,
    signal: AbortSignal,
  ): Promise<boolean> {
    if (this.isKnown(surveyed)) return true;
    if (await this.isFenced(surveyed, signal)) return true;
    for (let recounts = 0; recounts < recountsMax && this.base; recounts += 1) {
      await this.clock.sleep(recountPauseMs, signal);
      const again = await recount();
      if (!again) break;
      if (this.isKnown(again)) return true;
    }
    return this.isCalm(surveyed);
  }

  /** Nothing was written since the last proof, or just as much as has been delivered. */
  private isKnown(surveyed: Surveyed): boolean {
    const { writes, delivered } = surveyed;
    const isAtRest = this.proven !== undefined && isSame(this.proven, writes);
    const written = this.base && writtenBetween(this.base.writes, writes);
    if (!isAtRest && written !== delivered - (this.base?.delivered ?? 0)) return false;
    this.know(surveyed);
    return true;
  }

  private async isFenced({ writes }: Surveyed, signal: AbortSignal): Promise<boolean> {
    const provenMs = await this.feed.fences.pass(this.provenMs);
    if (provenMs === undefined) return false;
    await this.feed.drained(this.clock, signal);
    this.provenMs = provenMs;
    this.proven = writes;
    this.rebase({ writes, delivered: this.feed.delivered });
    return true;
  }

  /**
   * Some of what is counted never comes: what was written before the feed was opened, or changed nothing. A proof shows
   * that so many at least: what was counted before it, less all that has been delivered since.
   */
  private rebase(shown: Pick<Surveyed, "writes" | "delivered">): void {
    const { base } = this;
    const written = base && writtenBetween(base.writes, shown.writes);
    if (base && written !== undefined && written <= shown.delivered - base.delivered) return;
    this.base = this.counted(shown);
  }

  /** Servers that came later do not count: a replica that is being filled counts what was written long before. */
  private counted({ writes, delivered }: Pick<Surveyed, "writes" | "delivered">) {
    const { base } = this;
    const isOurs = (server: string) => base === undefined || base.writes.byServer.has(server);
    const byServer = new Map([...writes.byServer].filter(([server]) => isOurs(server)));
    return { writes: { ...writes, byServer }, delivered };
  }

  private isCalm(surveyed: Surveyed): boolean {
    const { calm, feed } = this;
    const goesOn =
      calm !== undefined &&
      calm.delivered === surveyed.delivered &&
      isSame(calm.writes, surveyed.writes) &&
      feed.isWaiting &&
      feed.delivered === surveyed.delivered;
    if (!goesOn) this.calm = surveyed;
    if (!goesOn || surveyed.askedMs - calm.askedMs < quietMs) return false;
    this.know(surveyed);
    return true;
  }

  /** All that the servers count has been delivered, and nothing else. */
  private know({ writes, askedMs, delivered }: Surveyed): void {
    this.provenMs = askedMs;
    this.proven = writes;
    this.base = this.counted({ writes, delivered });
    this.feed.fences.note(askedMs);
  }
}

function isSame({ byServer: a }: TableWrites, { byServer: b }: TableWrites): boolean {
  return a.size === b.size && [...a].every(([server, writes]) => b.get(server) === writes);
}

/** The writes to the table between two counts; undefined if they do not say. */
function writtenBetween(from: TableWrites, to: TableWrites): number | undefined {
  const grown = [...from.byServer].map(
    ([server, writes]) => (to.byServer.get(server) ?? -1) - writes,
  );
  // A server that is gone, or began to count anew.
  if (to.total === undefined || grown.some((writes) => writes < 0)) return undefined;
  if (to.total === "greatest") return Math.max(...grown);
  // Somebody else has some of the writes.
  if (to.byServer.size !== from.byServer.size) return undefined;
  return grown.reduce((sum, of) => sum + of, 0);
}
