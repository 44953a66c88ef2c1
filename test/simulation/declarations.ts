/**
 * What was declared to be kept, and what each maintenance was thus permitted to expire. Computed without the code under
 * test: an instant that no maintenance was permitted to expire has to stay what it was.
 */
import { type DeclaredTier, dayMs, dayOf, resolutionOfDay } from "../repository/declared.js";

export interface Declaration {
  /** Null: every change, for ever. */
  keep: string | null;
  tiers: DeclaredTier[] | null;
}

const all = (days: number): DeclaredTier => ({ resolutionMs: 1, days });

/** What is declared by turns: days, and resolutions fine enough that a minute of capture has several such instants. */
export const declarations: Declaration[] = [
  { keep: "all:1d", tiers: [all(1)] },
  { keep: "all:1d, 2s:2d, 1m:5d", tiers: [all(1), everyMs(2000, 2), everyMs(60_000, 5)] },
  { keep: "all:1d, 10s:3d, 1d:9d", tiers: [all(1), everyMs(10_000, 3), everyMs(dayMs, 9)] },
  { keep: "all:2d, 30s:4d", tiers: [all(2), everyMs(30_000, 4)] },
  { keep: null, tiers: null },
];

function everyMs(resolutionMs: number, days: number): DeclaredTier {
  return { resolutionMs, days };
}

/** One maintenance: what it may go by. */
export class Permit {
  /** The virtual moment after which it changes nothing any more. */
  endMs = Infinity;
  /** The latest time that it has seen, or that the log had reached a day before. */
  private agedMax = 0;

  constructor(
    private readonly declared: Set<Declaration>,
    private readonly pinned: Set<number>,
    /** End of the log: the history ages as it goes on. */
    private readonly logTo: () => number,
  ) {}

  /** It has looked at a clock that showed `now`. */
  sees(now: number): number {
    this.agedMax = Math.max(this.agedMax, Math.min(now, this.logTo() + dayMs));
    return now;
  }

  declares(declared: Declaration): void {
    this.declared.add(declared);
  }

  pins(instant: number, isPinned: boolean): void {
    if (isPinned) this.pinned.add(instant);
    else this.pinned.delete(instant);
  }

  /** True if the instant is to be kept, whichever of the declarations it has read. */
  keeps(instant: number): boolean {
    if (this.pinned.has(instant)) return true;
    return [...this.declared].every(({ tiers }) => {
      if (tiers === null) return true;
      const resolutionMs = resolutionOfDay(tiers, dayOf(instant), this.agedMax);
      return resolutionMs !== "pins" && (instant + 1) % resolutionMs === 0;
    });
  }
}

export class Declarations {
  /** What is declared; nothing, to begin with. */
  private current: Declaration = declarations.at(-1)!;
  /** By name. */
  readonly pins = new Map<string, number>();
  private readonly permits: Permit[] = [];

  constructor(
    private readonly nowMs: () => number,
    private readonly logTo: () => number,
  ) {}

  declare(declaration: Declaration): void {
    this.current = declaration;
    for (const permit of this.running()) permit.declares(declaration);
  }

  pin(name: string, instant: number): void {
    this.pins.set(name, instant);
    for (const permit of this.running()) permit.pins(instant, true);
  }

  /** Whoever runs may, or may not, go by the pin any more. */
  unpin(name: string): void {
    const instant = this.pins.get(name);
    this.pins.delete(name);
    if (instant === undefined || [...this.pins.values()].includes(instant)) return;
    for (const permit of this.running()) permit.pins(instant, false);
  }

  /** A maintenance begins. */
  permit(): Permit {
    const permit = new Permit(new Set([this.current]), new Set(this.pins.values()), this.logTo);
    this.permits.push(permit);
    return permit;
  }

  /** True if the instant, which was exact at the virtual moment `sinceMs`, had to be kept by all who maintained since. */
  keeps(instant: number, sinceMs: number): boolean {
    return this.permits.every((permit) => permit.endMs < sinceMs || permit.keeps(instant));
  }

  private running(): Permit[] {
    return this.permits.filter(({ endMs }) => endMs > this.nowMs());
  }
}
