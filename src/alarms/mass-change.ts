/**
 * Tells a mass change from what is usual: far more documents of a table deleted or overwritten in a while than before.
 * Pure; it is given the counts of each tick.
 *
 * Deletes and overwrites are counted each for itself, over a window that slides with the ticks. What is usual is the
 * count that nine of ten windows do not exceed, of those with such changes. A window is a burst if it has at least
 * `floor` documents, and at least `timesUsual` times what is usual. A burst is a mass change if it takes a share of the
 * table, or `massMin` documents.
 *
 * In the beginning nothing is known to be usual, until ten windows have had any changes. Until then overwrites are no
 * mass change, and deletes only as far as they make the table smaller: a queue deletes what it inserts.
 */
import { durationMs, type Instant } from "../instant.js";

/** The kinds of changes that take something away, each counted for itself. */
const kinds = ["deletes", "overwrites"] as const;
type Kind = (typeof kinds)[number];

/** When changes are too many. */
export interface MassBound {
  /** So much of the documents of a table, from 0 to 1, … */
  share: number;
  /** … in so long, in ms. */
  windowMs: number;
}

export const massBoundDefault = "10%/1m";
/** Fewer documents are no mass. */
export const floor = 100;
/** So many are a mass, however large the table is. */
export const massMin = 10_000;
const timesUsual = 5;
const usualShare = 0.9;
/** After so many windows with any changes a table is known. */
const windowsLearnt = 10;
/** So often something has to have happened before it is usual: what somebody did by mistake, they may do twice. */
const timesMin = 3;
/** So many windows are remembered: of a busy table, a day of minutes. */
const windowsMax = 1440;

/** The bound that a text such as "10%/1m" means; undefined for "off"; "wrong" if it means nothing. */
export function parseMassBound(text: string): MassBound | undefined | "wrong" {
  if (text === "off") return undefined;
  const [, percent, every] = /^(\d{1,3}(?:\.\d+)?)%\/(.+)$/.exec(text) ?? [];
  const windowMs = every === undefined ? undefined : durationMs(every);
  const share = Number(percent) / 100;
  const isRight =
    windowMs !== undefined && windowMs >= 1000 && windowMs <= 3_600_000 && share > 0 && share <= 1;
  return isRight ? { share, windowMs } : "wrong";
}

/** The changes of a table in one tick. */
export interface TickChanges {
  /** The closed interval of the tick. */
  from: Instant;
  to: Instant;
  deletes: number;
  overwrites: number;
  inserts: number;
}

/** Changes that are far more than usual. */
export interface Burst {
  what: Kind;
  /** The last instant before it. */
  before: Instant;
  /** Its last tick so far. */
  to: Instant;
  documents: number;
  /** So many would have been a burst. */
  least: number;
}

/**
 * True if a burst takes enough of its table.
 * @param documents how many documents are left; undefined if that is not known
 */
export function isMass(
  { what, least }: Burst,
  count: number,
  documents: number | undefined,
  { share }: MassBound,
): boolean {
  const before = documents === undefined ? 0 : documents + (what === "deletes" ? count : 0);
  return count >= Math.max(least, Math.min(share * before, massMin));
}

/** What is usual of one kind of change. */
class Usual {
  /** Counts of whole windows, the newest last. */
  private readonly counts: number[] = [];

  add(count: number): void {
    this.counts.push(count);
    if (this.counts.length > windowsMax) this.counts.shift();
  }

  /** The count that nine of ten windows do not exceed; 0 of what has not happened often. */
  count(): number {
    if (this.counts.length < timesMin) return 0;
    const sorted = this.counts.toSorted((a, b) => a - b);
    return sorted[Math.ceil(sorted.length * usualShare) - 1] ?? 0;
  }
}

export class TableChanges {
  private ticks: TickChanges[] = [];
  private readonly usual = { deletes: new Usual(), overwrites: new Usual() };
  private windowFrom: Instant | undefined;
  private readonly inWindow = { deletes: 0, overwrites: 0, inserts: 0 };
  /** How many windows have had any changes. */
  private windows = 0;

  constructor(private readonly bound: MassBound) {}

  /** Takes the next tick. Returns the burst that the window at its end is, if it is one. */
  add(tick: TickChanges): Burst | undefined {
    const { windowMs } = this.bound;
    this.learn(tick.from);
    for (const what of [...kinds, "inserts"] as const) this.inWindow[what] += tick[what];
    const isChange = tick.deletes + tick.overwrites + tick.inserts > 0;
    if (isChange) this.ticks.push(tick);
    this.ticks = this.ticks.filter(({ to }) => to > tick.to - windowMs);
    if (!isChange) return undefined;
    return this.burstOf("deletes") ?? this.burstOf("overwrites");
  }

  /** Closes the windows that end before `now`. */
  private learn(now: Instant): void {
    const { windowMs } = this.bound;
    this.windowFrom ??= now;
    if (now < this.windowFrom + windowMs) return;
    const { inWindow } = this;
    if (inWindow.deletes + inWindow.overwrites + inWindow.inserts > 0) this.windows += 1;
    inWindow.inserts = 0;
    for (const what of kinds) {
      // Of what is done once a night, the nights count, and not the minutes between.
      if (this.inWindow[what] > 0) this.usual[what].add(this.inWindow[what]);
      this.inWindow[what] = 0;
    }
    this.windowFrom = now;
  }

  private burstOf(what: Kind): Burst | undefined {
    const usual = this.usual[what];
    const count = this.ticks.reduce((sum, tick) => sum + tick[what], 0);
    if (count < floor) return undefined;
    // What a resync finds may have happened over many windows.
    const lengthMs = Math.max(...this.ticks.map(({ from, to }) => to - from + 1));
    const windows = Math.max(1, lengthMs / this.bound.windowMs);
    const lost = count - this.ticks.reduce((sum, { inserts }) => sum + inserts, 0);
    const least = Math.max(floor, timesUsual * usual.count() * windows);
    if (count < least) return undefined;
    const isKnown = this.windows >= windowsLearnt;
    if (!isKnown && (what === "overwrites" || lost < least)) return undefined;
    const busiest = Math.max(...this.ticks.map((tick) => tick[what]));
    const first = this.ticks.find((tick) => tick[what] >= busiest / 10)!;
    const to = this.ticks.at(-1)!.to;
    return { what, before: first.from - 1, to, documents: count, least };
  }
}
