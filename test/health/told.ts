/** Facts on a clock that stands until it is set, and that are told what a capture tells. */
import type { CaptureObserver } from "../../src/capture/capture-options.js";
import type { TableState } from "../../src/capture/table-state.js";
import type { Clock } from "../../src/clock.js";
import type { SegmentFooter, Totals } from "../../src/format/segment.js";
import { Facts } from "../../src/health/facts.js";
import type { Instant } from "../../src/instant.js";
import type { ClosedTick } from "../../src/repository/log/log-writer.js";

/** When the simulated time begins. */
export const began = Date.parse("2026-03-01T12:00:00Z");

export class ToldFacts {
  ms = 0;
  readonly facts: Facts;
  readonly clock: { -readonly [K in keyof Clock]: Clock[K] } = {
    now: () => this.now,
    monotonicMs: () => this.ms,
    sleep: (ms) => {
      this.ms += ms;
      return Promise.resolve();
    },
  };

  constructor() {
    this.facts = new Facts(this.clock);
  }

  get now(): Instant {
    return began + this.ms;
  }

  lane(lane: number): CaptureObserver {
    return this.facts.observer(lane) as CaptureObserver;
  }

  state(
    name: string,
    state: TableState,
    { lane = 0, reason }: { lane?: number; reason?: string } = {},
  ): void {
    const table = { id: idOf(name), db: "shop", name, primaryKey: "id" };
    this.lane(lane).state(table, state, reason === undefined ? {} : { reason });
  }

  /** A tick is durable now. It proves the catalog, access and the tables up to now, or up to the instants given. */
  tick(
    tables: Record<string, Instant> | readonly string[],
    { lane = 0, totals = {}, epoch = 1, catalog = this.now }: TickTold = {},
  ): void {
    const given = Array.isArray(tables)
      ? tables.map((name: string) => [name, this.now] as const)
      : Object.entries(tables);
    const proofs = new Map<string, Instant>(given.map(([name, at]) => [idOf(name), at]));
    if (lane === 0) proofs.set("catalog", catalog).set("access", this.now);
    const byId = Object.fromEntries(Object.entries(totals).map(([name, of]) => [idOf(name), of]));
    const footer = { to: this.now, epoch, totals: byId } as Partial<SegmentFooter>;
    this.lane(lane).tickStored({ to: this.now, footer, bytes: 100 } as ClosedTick, proofs);
  }
}

interface TickTold {
  lane?: number;
  totals?: Record<string, Totals>;
  epoch?: number;
  catalog?: Instant;
}

export const idOf = (name: string) => `id-of-${name}`;
