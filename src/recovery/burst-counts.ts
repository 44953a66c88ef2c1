/**
 * The rule of bursts: stretches in which many more documents of a table were deleted or overwritten than usual.
 *
 * Deletes and overwrites of a table are each counted in spans of 10 seconds. What is usual is the count that nine of
 * ten spans do not exceed; a stretch of less than an hour counts as an hour. A span belongs to a burst if it has at
 * least 100, and at least five times what is usual; two of them with one other between them are of one burst. It begins
 * in the first second that has at least a tenth of what its busiest second has.
 *
 * Memory does not grow with the number of changes, and with the length of the stretch only by the spans that may still
 * belong to a burst.
 */
import type { Instant } from "../instant.js";

export const burstKinds = ["deletes", "overwrites"] as const;
export type BurstKind = (typeof burstKinds)[number];

export const burstSpanMs = 10_000;
export const burstMin = 100;
const timesUsual = 5;
const usualShare = 0.9;
const shortestMs = 3_600_000;
/** So many spans, an hour of them, have their counters in one array. */
const hourSpans = 360;
const secondsOfSpan = burstSpanMs / 1000;

/** The number of a span since 1970. */
export type Span = number;
export const spanAt = (time: Instant): Span => Math.floor(time / burstSpanMs);

/** How many changes each span has. An hour without any takes no memory. */
export class SpanCounts {
  private readonly hours = new Map<number, Uint32Array>();

  add(time: Instant): void {
    const span = spanAt(time);
    this.hour(Math.floor(span / hourSpans))[span % hourSpans]! += 1;
  }

  /** @param other MUST NOT be used any more */
  addAll(other: SpanCounts): void {
    for (const [at, counts] of other.hours) {
      const own = this.hours.get(at);
      if (!own) this.hours.set(at, counts);
      else for (let i = 0; i < hourSpans; i += 1) own[i]! += counts[i]!;
    }
  }

  /** Takes the spans with changes out whose hour ends before `time`. */
  *takeBefore(time: Instant): Generator<[span: Span, count: number]> {
    const end = Math.floor(spanAt(time) / hourSpans);
    for (const [at, counts] of this.hours) {
      if (at >= end) continue;
      this.hours.delete(at);
      for (let i = 0; i < hourSpans; i += 1)
        if (counts[i]! > 0) yield [at * hourSpans + i, counts[i]!];
    }
  }

  private hour(at: number): Uint32Array {
    const counts = this.hours.get(at) ?? new Uint32Array(hourSpans);
    this.hours.set(at, counts);
    return counts;
  }
}

/** Before so many more spans are kept as candidates, those that cannot be of a burst are dropped. */
const sparedMax = 4096;

/** Finds the spans of bursts among the final counts of one table and kind. */
export class BurstSpans {
  /** By count: how many spans have it. A log in which n counts differ has more than n² / 2 changes: n stays small. */
  private readonly spansWith = new Map<number, number>();
  private candidates: { span: Span; count: number }[] = [];
  private pruneAt = sparedMax;
  /** At which place, by their counts, the most come first, the span lies that says what is usual. */
  private readonly usualPlace: number;

  /** @param ms how long the stretch is that is counted */
  constructor(ms: number) {
    const spans = Math.ceil(Math.max(ms, shortestMs) / burstSpanMs);
    this.usualPlace = Math.floor(spans * (1 - usualShare));
  }

  /** How many spans are kept because they may be of a burst. */
  get kept(): number {
    return this.candidates.length;
  }

  /** @param count all changes of the span */
  add(span: Span, count: number): void {
    this.spansWith.set(count, (this.spansWith.get(count) ?? 0) + 1);
    if (count < burstMin) return;
    this.candidates.push({ span, count });
    if (this.candidates.length >= this.pruneAt) this.prune();
  }

  /** The spans of each burst, in order; one that belongs to none may lie between two of them. */
  bursts(): Span[][] {
    this.prune();
    const bursts: Span[][] = [];
    let last = Number.NEGATIVE_INFINITY;
    for (const { span } of this.candidates.toSorted((a, b) => a.span - b.span)) {
      if (span - last <= 2) bursts.at(-1)!.push(span);
      else bursts.push([span]);
      last = span;
    }
    return bursts;
  }

  /** What is usual only grows as spans are added: what is too little for a burst now will be so at the end. */
  private prune(): void {
    const least = timesUsual * this.usual();
    this.candidates = this.candidates.filter(({ count }) => count >= least);
    this.pruneAt = this.candidates.length + sparedMax;
  }

  /** The count that nine of ten spans do not exceed. Spans that were not added have none. */
  private usual(): number {
    let place = 0;
    for (const [count, spans] of [...this.spansWith].sort(([a], [b]) => b - a)) {
      place += spans;
      if (place > this.usualPlace) return count;
    }
    return 0;
  }
}

export interface BurstExtent {
  /** The first and the last of the changes, and how many they are. */
  from: Instant;
  to: Instant;
  count: number;
  /** How many of them an operation has written, by the id of its point. */
  own: ReadonlyMap<string, number>;
}

/** The changes of a burst by seconds: of its spans alone. */
export class BurstSeconds {
  private readonly counts: Uint32Array;
  private readonly firsts: Float64Array;
  /** By whom they were written, of those of which that is known. */
  private readonly own = new Map<string, Uint32Array>();
  private readonly spans: ReadonlyMap<Span, number>;
  private last = 0;

  /** @param spans of one burst, in order */
  constructor(spans: readonly Span[]) {
    this.spans = new Map(spans.map((span, i) => [span, i]));
    this.counts = new Uint32Array(spans.length * secondsOfSpan);
    this.firsts = new Float64Array(spans.length * secondsOfSpan).fill(Number.MAX_SAFE_INTEGER);
  }

  /** @param by the operation that has written the change; undefined if it was none */
  add(time: Instant, by?: string): void {
    const span = spanAt(time);
    const place = this.spans.get(span);
    if (place === undefined) return;
    const second = place * secondsOfSpan + Math.floor((time - span * burstSpanMs) / 1000);
    this.counts[second]! += 1;
    this.firsts[second] = Math.min(this.firsts[second]!, time);
    this.last = Math.max(this.last, time);
    if (by === undefined) return;
    const own = this.own.get(by) ?? new Uint32Array(this.counts.length);
    this.own.set(by, own);
    own[second]! += 1;
  }

  /** Undefined if no change was added. */
  burst(): BurstExtent | undefined {
    const busiest = this.counts.reduce((most, count) => Math.max(most, count), 0);
    if (busiest === 0) return undefined;
    const begin = this.counts.findIndex((count) => count >= busiest / 10);
    const countIn = (counts: Uint32Array) =>
      counts.subarray(begin).reduce((sum, one) => sum + one, 0);
    const own = new Map([...this.own].map(([by, counts]) => [by, countIn(counts)]));
    return { from: this.firsts[begin]!, to: this.last, count: countIn(this.counts), own };
  }
}
