/**
 * Follows the catalog: reads it about every second, hands it on, and proves it as tables are proven. Users and
 * permissions have a proof of their own, because a grant may be missing that only they need.
 *
 * Invariant: a proof is given only for what was read whole, by a reading that began after the instant. Break it and a
 * restore is told that names, indexes and hooks are known which nobody has seen.
 */
import type { Clock } from "../clock.js";
import { messageOf } from "../errors.js";
import type { Instant } from "../instant.js";
import type { CatalogReading } from "../rethinkdb/catalog-reader.js";
import type { Source } from "../rethinkdb/source.js";
import type { CatalogTracker } from "./catalog-tracker.js";
import { accessStream, catalogStream } from "./frontier.js";
import type { Recorder } from "./recorder.js";
import { withoutScratch } from "./selection.js";
import { isTransient } from "./transient.js";

export interface CatalogObserver {
  /** The catalog cannot be read; undefined when it can again. Told once per reason. */
  catalogUnreadable(reason: string | undefined): void;
  /** Users and permissions may not be read; false when they may again. */
  accessRefused(refused: boolean): void;
}

/** Readings begin so far apart: half of what may lie between two proofs. */
const readEveryMs = 1000;

export class CatalogFollower {
  /** Streams that this epoch has read. */
  private readonly live = new Set<string>();
  private reading: Promise<void> | undefined;
  private failure: string | undefined;
  private isRefused = false;
  private hurry = new AbortController();

  constructor(
    private readonly source: Pick<Source, "readCatalog">,
    private readonly recorder: Recorder,
    private readonly tracker: CatalogTracker,
    private readonly clock: Clock,
    private readonly observer: CatalogObserver,
    /** Told of every reading. */
    private readonly onRead: (reading: CatalogReading) => void,
  ) {}

  /** Reads until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    signal.addEventListener("abort", () => this.hurry.abort(signal.reason), { once: true });
    while (!signal.aborted) {
      this.hurry = new AbortController();
      const beganMs = this.clock.monotonicMs();
      await this.read();
      const pauseMs = Math.max(0, beganMs + readEveryMs - this.clock.monotonicMs());
      await this.clock.sleep(pauseMs, this.hurry.signal).catch(() => undefined);
    }
  }

  /** Somebody waits for a proof: the next reading begins at once. */
  hasten(): void {
    this.hurry.abort(new Error("somebody waits for the catalog"));
  }

  /** Reads, in a reading that begins after the call. */
  async readAgain(): Promise<void> {
    await this.reading;
    await this.read();
  }

  private read(): Promise<void> {
    this.reading ??= this.readOnce().finally(() => {
      this.reading = undefined;
    });
    return this.reading;
  }

  private async readOnce(): Promise<void> {
    const markedMs = this.clock.monotonicMs();
    const to = this.recorder.log.mark();
    try {
      const reading = withoutScratch(await this.source.readCatalog());
      this.take(reading, to, markedMs);
      this.noteFailure(undefined);
    } catch (error) {
      if (!isTransient(error)) throw error;
      this.noteFailure(messageOf(error));
    }
  }

  private take(reading: CatalogReading, to: Instant, markedMs: number): void {
    this.tracker.update(reading);
    this.onRead(reading);
    this.prove(catalogStream, to, markedMs);
    if (reading.access) this.prove(accessStream, to, markedMs);
    if (this.isRefused !== (reading.access === undefined)) {
      this.isRefused = reading.access === undefined;
      this.observer.accessRefused(this.isRefused);
    }
  }

  /** What the first reading of an epoch found changed is labelled with the time after it, so it counts from there. */
  private prove(stream: string, to: Instant, markedMs: number): void {
    const { frontier, log } = this.recorder;
    if (this.live.has(stream)) {
      frontier.prove(stream, to, markedMs);
      return;
    }
    this.live.add(stream);
    const since = log.mark();
    frontier.record(stream, { state: "live", since });
    frontier.begin(stream, since, markedMs);
  }

  private noteFailure(failure: string | undefined): void {
    if (failure !== this.failure) this.observer.catalogUnreadable(failure);
    this.failure = failure;
  }
}
