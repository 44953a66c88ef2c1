import type { CoverageRecord } from "../format/coverage-record.js";
import type { Instant } from "../instant.js";
import type { Feed } from "../rethinkdb/feed.js";
import type { TableReference } from "../rethinkdb/table-reference.js";
import { catalogStream } from "./frontier.js";
import type { Recorder } from "./recorder.js";
import type { GoesOn } from "./watched-feed.js";

/**
 * One table's part of the log and of the proofs, as its capture sees it: what it appends, how far it is proven, and
 * whether there is room. It reaches no other table.
 */
export class TableLog {
  constructor(
    private readonly recorder: Recorder,
    private readonly table: string,
  ) {}

  /** The epoch that everything here is appended to. */
  get epoch(): number {
    return this.recorder.log.epoch;
  }

  /**
   * Appends one version. The buffers are copied.
   * @param previous digest of the version before; null if there was none
   * @param document null for a delete
   * @returns its sequence number
   */
  append(key: Buffer, previous: string | null, document: Buffer | null): number {
    return this.recorder.log.append(this.table, key, previous, document);
  }

  /** Everything that `work` appends gets one time, which it is given. */
  atOnce(work: (time: Instant) => void): void {
    this.recorder.log.atOnce(work);
  }

  /** Appends a coverage record of the table. */
  record(record: CoverageRecord): void {
    this.recorder.frontier.record(this.table, record);
  }

  /** Takes the next place in the order of the log, for rows that are stored elsewhere. */
  stamp(): { time: Instant; sequence: number } {
    return this.recorder.log.stamp();
  }

  /**
   * Resolves when there is room in memory for more of the log; rejects if the signal aborts first. Until then the
   * caller does not read, and its feed is not proven.
   */
  room(signal: AbortSignal): Promise<void> {
    return this.recorder.room(signal);
  }

  /**
   * From now on the table's frontier follows from proofs of `feed`; `onLost` is told if the feed has to be given up.
   * @param goesOn set if the table goes on where another writer has ended
   */
  watch(
    table: () => TableReference,
    feed: Feed,
    onLost: (reason: Error) => void,
    goesOn?: GoesOn,
  ): void {
    this.recorder.watch(table, feed, onLost, goesOn);
  }

  /** The feed is gone: the frontier stays where it is until the table is watched again or forgotten. */
  unwatch(): void {
    this.recorder.unwatch(this.table);
  }

  /** Nobody waits for proofs of the table any more. A record has said why, if it was covered. */
  forget(): void {
    this.recorder.forget(this.table);
  }

  /** Up to where the table is proven; the end of the last tick if it is not watched. */
  get provenTo(): Instant {
    return this.recorder.frontier.provenTo(this.table);
  }

  /**
   * Resolves with the table's frontier when everything appended so far is proven, and that is durable; rejects if the
   * signal aborts first.
   */
  proven(signal: AbortSignal): Promise<Instant> {
    return this.provenAt(this.stamp().time, signal);
  }

  /** As `proven`, for an instant. */
  provenAt(instant: Instant, signal: AbortSignal): Promise<Instant> {
    return this.recorder.frontier.reaches(this.table, instant, signal);
  }

  /** Resolves when the catalog is proven at `instant` and that is durable, after `ms` in any case. */
  catalogWithin(ms: number, instant: Instant, signal: AbortSignal): Promise<void> {
    return this.recorder.frontier.reachesWithin(ms, catalogStream, instant, signal);
  }

  /** How long the last round trip on the table's feed took, in ms: how busy the server is. */
  get latencyMs(): number {
    return this.recorder.latencyMs(this.table);
  }
}
