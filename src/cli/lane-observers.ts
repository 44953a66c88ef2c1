import type { CaptureObserver } from "../capture/capture-options.js";
import type { Facts } from "../health/facts.js";
import type { Log } from "./log.js";
import { RunObserver } from "./run-observer.js";

/** The observers of all lanes that a process captures. Lines about another lane than lane 0 name it. */
export class LaneObservers {
  private readonly observers = new Map<number, RunObserver>();

  constructor(
    private readonly log: Log,
    private readonly facts: Facts,
  ) {}

  /** What the capture of a lane is to tell: it is logged, and noted. */
  telling(lane: number): CaptureObserver {
    return tellingAll([this.of(lane), this.facts.observer(lane)]);
  }

  of(lane: number): RunObserver {
    const known = this.observers.get(lane);
    if (known) return known;
    const made = new RunObserver(lane === 0 ? this.log : this.log.child(laneOf(lane)));
    this.observers.set(lane, made);
    return made;
  }

  end(): void {
    for (const observer of this.observers.values()) observer.end();
  }

  copiedInAll(): ReturnType<RunObserver["copiedInAll"]> {
    const sums = { tables: 0, documents: 0, bytes: 0 };
    for (const observer of this.observers.values()) {
      const { tables, documents, bytes } = observer.copiedInAll();
      sums.tables += tables;
      sums.documents += documents;
      sums.bytes += bytes;
    }
    return sums;
  }
}

/** The lane, for lines of the log; nothing for lane 0. */
export function laneOf(lane: number): { lane?: number } {
  return lane === 0 ? {} : { lane };
}

/** Tells all of them, each as far as it listens. */
export function tellingAll(observers: readonly Partial<CaptureObserver>[]): CaptureObserver {
  const all = observers as readonly Record<string, ((...told: unknown[]) => void) | undefined>[];
  return new Proxy({} as CaptureObserver, {
    get:
      (_, what: string) =>
      (...told: unknown[]) => {
        for (const observer of all) observer[what]?.(...told);
      },
  });
}
