/** How far what is proven in the repository is behind the clock, for each table, and for how long it was too far. */
import { type ChildProcess, fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { Event } from "./events.js";

export interface Sample {
  /** When it had been read. */
  at: number;
  /** By table, the last instant that is exact or late. */
  proven: Record<string, number>;
  /** By table, the last instant that is exact. */
  exact: Record<string, number>;
  /** The newest instant to which everything can be restored. */
  whole: number | undefined;
}

/** So far behind a table may be at any time. */
export const behindMs = 5000;
/** What a feed is given up after, an election, and opening the table again on a machine with much to do. */
export const failoverMsMax = 45_000;

export class LagReader {
  readonly samples: Sample[] = [];
  private readonly reader: ChildProcess;

  constructor(repo: string) {
    const file = fileURLToPath(new URL("lag-reader.ts", import.meta.url));
    this.reader = fork(file, [repo], { stdio: ["ignore", "inherit", "inherit", "ipc"] });
    this.reader.on("message", (sample) => this.samples.push(sample as Sample));
  }

  end(): void {
    this.reader.kill("SIGKILL");
  }
}

/** A time in which a table was more than `behindMs` behind. */
export interface Stretch {
  table: string;
  /** The instant at which the proofs stood still. */
  from: number;
  /** When it had caught up, or when nobody looked any more. */
  to: number;
  hasEnded: boolean;
}

/** @param until of whom nobody asks after, by table */
export function stretchesOf(
  samples: readonly Sample[],
  until: (table: string) => number,
): Stretch[] {
  const stretches: Stretch[] = [];
  const open = new Map<string, Stretch>();
  for (const { at, proven } of samples) {
    for (const [table, to] of Object.entries(proven)) {
      const known = open.get(table);
      if (at > until(table)) {
        open.delete(table);
      } else if (at - to > behindMs) {
        if (known) known.to = at;
        else open.set(table, { table, from: to, to: at, hasEnded: false });
        if (!known) stretches.push(open.get(table)!);
      } else if (known) {
        Object.assign(known, { to: at, hasEnded: true });
        open.delete(table);
      }
    }
  }
  return stretches;
}

/** The longest time of a stretch in which nothing was done, and what had been done before it. */
export interface Wait {
  after: string;
  from: number;
  to: number;
}

/** How long before a stretch what caused it may have happened: proofs are a second apart. */
const causeMs = 3000;

/** Undefined if the capture was out of order all the time. */
export function longestWait({ from, to }: Stretch, events: readonly Event[]): Wait | undefined {
  const before = events.findLast(({ at }) => at <= from - causeMs);
  const during = events.filter(({ at }) => at > from - causeMs && at < to);
  const first = {
    at: from,
    what: before ? `${before.what}, and a while` : "nothing",
    excused: before?.excused ?? false,
  };
  const waits = [first, ...during].flatMap(({ at, what, excused }, i, all): Wait[] => {
    const end = all[i + 1]?.at ?? to;
    return excused || end <= at ? [] : [{ after: what, from: at, to: end }];
  });
  return waits.sort((a, b) => b.to - b.from - (a.to - a.from))[0];
}

/** Values below which so many percent of them lie. */
export function percentiles(values: readonly number[], of: readonly number[]): number[] {
  const sorted = values.toSorted((a, b) => a - b);
  return of.map((percent) => {
    return sorted[Math.min(sorted.length - 1, Math.floor((percent / 100) * sorted.length))] ?? 0;
  });
}
