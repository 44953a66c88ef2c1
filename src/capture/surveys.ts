/** Asks the source how much is written to the watched tables. Notes how long the counts take, and whether they fail. */
import type { Clock } from "../clock.js";
import { messageOf } from "../errors.js";
import type { Source } from "../rethinkdb/source.js";
import type { TableReference } from "../rethinkdb/table-reference.js";
import type { Surveyed } from "./delivery-proof.js";
import { isTransient } from "./transient.js";

/** Surveys take at most this share of the time, however often they are wanted, unless a survey takes seconds. */
const shareMax = 1 / 2;
/** At most so far apart are surveys kept, because after a slow survey the next may be fast: the server stood still. */
const gapMsMax = 5000;

export class Surveys {
  /** How long the last survey took to count. */
  lastMs = 0;
  private failure: string | undefined;

  /**
   * @param onFailure called with the reason why the source does not answer, once per reason; with undefined when it
   * answers again. If the error is no trouble of the source, it comes too.
   */
  constructor(
    private readonly source: Pick<Source, "survey">,
    private readonly clock: Clock,
    private readonly onFailure: (reason: string | undefined, defect?: unknown) => void,
  ) {}

  /** How far apart surveys begin, at least. */
  get gapMs(): number {
    return Math.min(gapMsMax, this.lastMs / shareMax);
  }

  /** What the servers count for each table; undefined for one that they do not answer for. */
  async ask(
    feeds: { table: TableReference; delivered: number }[],
  ): Promise<Map<string, Promise<Surveyed | undefined>>> {
    const askedMs = this.clock.monotonicMs();
    const surveyed = new Map<string, Promise<Surveyed | undefined>>();
    try {
      const counted = await this.source.survey(feeds.map(({ table }) => table));
      this.lastMs = this.clock.monotonicMs() - askedMs;
      this.note(undefined);
      for (const { table, delivered } of feeds) {
        const answer = counted
          .get(table.id)
          ?.then((writes) => writes && { writes, askedMs, delivered });
        if (answer) surveyed.set(table.id, answer);
      }
    } catch (error) {
      // A defect here belongs to no single table. Until it is over, everything is captured, but nothing is proven.
      this.note(messageOf(error), isTransient(error) ? undefined : error);
    }
    return surveyed;
  }

  private note(failure: string | undefined, defect?: unknown): void {
    if (failure !== this.failure) this.onFailure(failure, defect);
    this.failure = failure;
  }
}
