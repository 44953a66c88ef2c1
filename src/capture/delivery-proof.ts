/**
 * Proves that a feed has delivered everything that was written, by the cheapest evidence that suffices. Small responses
 * and round trips do not suffice: the server's backlog stands where neither can see it.
 *
 * Invariant: `provenMs` is a moment before which everything written has been delivered. The chain of fences is built on
 * it. Break it and every later proof is worth nothing.
 */
import type { Clock } from "../clock.js";
import type { Feed } from "../rethinkdb/feed.js";
import type { TableWrites } from "../rethinkdb/table-writes.js";

/** The servers' counts, and the state of the feed when they were asked for. */
export interface Surveyed {
  writes: TableWrites;
  /** A moment before the servers were asked, by the monotonic clock. */
  askedMs: number;
  /** How many changes the feed had delivered then. */
  delivered: number;
}

/** If no write is counted and nothing delivered for so long, while the feed waits, nothing is on its way. */
const quietMs = 1000;
const recountsMax = 3;
const recountPauseMs = 20;

export class DeliveryProof {
  private provenMs: number;
  /** The counts at a moment before which everything written has been delivered. */
  private proven: TableWrites | undefined;
  /**
   * Counts, and deliveries. They differ at most by the number of counted writes that never come as changes. So if both
   * have grown by the same number since, nothing is missing.
   */
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
   * Resolves with true once everything written before the survey was asked for has been delivered; with false if that
   * could not be found out. It may take as long as the feed is behind.
   * @param recount makes another survey; gives undefined if that would cost too much
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

  /** True if nothing was written since the last proof, or exactly as much as has been delivered. */
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
   * Some counted writes never come as changes: those from before the feed was opened, and those that changed nothing. A
   * proof shows how many at least: all that was counted before it, less all that was delivered by its end. `base` keeps
   * the greatest such number.
   */
  private rebase(shown: Pick<Surveyed, "writes" | "delivered">): void {
    const { base } = this;
    const written = base && writtenBetween(base.writes, shown.writes);
    if (base && written !== undefined && written <= shown.delivered - base.delivered) return;
    this.base = this.counted(shown);
  }

  /** Leaves out servers that came later: a replica that is being filled counts what was written long before. */
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

  /** Notes that all that the servers count has been delivered, and nothing else. */
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

/** How many writes to the table lie between two counts; undefined if the counts do not tell. */
function writtenBetween(from: TableWrites, to: TableWrites): number | undefined {
  const grown = [...from.byServer].map(
    ([server, writes]) => (to.byServer.get(server) ?? -1) - writes,
  );
  // A server is gone, or began to count anew.
  if (to.total === undefined || grown.some((writes) => writes < 0)) return undefined;
  if (to.total === "greatest") return Math.max(...grown);
  // Another server has counted some of the writes.
  if (to.byServer.size !== from.byServer.size) return undefined;
  return grown.reduce((sum, writes) => sum + writes, 0);
}
