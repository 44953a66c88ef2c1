/**
 * Watches the ticks of this process for mass changes. What rewind and undo write is none: their operations are recorded
 * before they write anything. Of any other the instant before is pinned, and the days around it are kept whole.
 */
import type { Clock } from "../clock.js";
import { messageOf } from "../errors.js";
import type { Totals } from "../format/segment.js";
import type { Facts } from "../health/facts.js";
import type { Instant } from "../instant.js";
import type { ClosedTick } from "../repository/log/log-writer.js";
import {
  type Burst,
  isMass,
  type MassBound,
  TableChanges,
  type TickChanges,
} from "./mass-change.js";
import type { Symptom } from "./symptom.js";

export interface MassEffects {
  /** How many documents operations of ours have written to a table between two instants. */
  operatedOn: (table: string, from: Instant, to: Instant) => Promise<number>;
  /** Pins an instant, and returns the pin's name. */
  pin: (at: Instant, table: string, note: string) => Promise<string>;
  /** How many documents a table has; undefined if that is not known. */
  documentsOf: (table: string) => Promise<number | undefined>;
}

/** So long after its last tick a mass change has ended, in ms: deletes in batches are one. */
const quietMs = 600_000;
/** How often it is looked again whether a burst is an operation's, in ms. */
const lookEveryMs = 5000;

/** By how much the clock of an operation's machine and the log's time may differ. */
const clocksMs = 5000;

interface Watched {
  changes: TableChanges;
  /** As counted at the last tick. */
  totals: Totals;
  /** What came while the table was not watched whole: its time began with the end of what was. */
  held: TickChanges | undefined;
  /** The end of the last tick in which it was. */
  liveTo: Instant | undefined;
}

interface Suspected {
  burst: Burst;
  nextMs: number;
  /** It could not be looked at yet, because the repository could not be read: it is not let go of before it is. */
  isUnseen: boolean;
}

export class MassWatch {
  private readonly tables = new Map<string, Watched>();
  private readonly suspected = new Map<string, Suspected>();
  private readonly told = new Map<string, Told>();

  constructor(
    private readonly facts: Facts,
    private readonly bound: MassBound,
    private readonly clock: Clock,
    private readonly effects: MassEffects,
  ) {}

  /** Takes a tick that is durable. MUST be called after the facts have taken it. */
  note(lane: number, { footer: { from, to } }: ClosedTick): void {
    for (const id of this.tables.keys()) if (!this.facts.tables.has(id)) this.tables.delete(id);
    for (const table of this.facts.tables.values()) {
      if (table.lane !== lane) continue;
      const { id, totals, state } = table;
      const known = this.tables.get(id);
      if (!known) {
        const changes = new TableChanges(this.bound);
        this.tables.set(id, { changes, totals, held: undefined, liveTo: undefined });
        continue;
      }
      const added = changesOf(known.totals, totals, { from, to });
      known.totals = totals;
      if (state !== "live") {
        known.held = joined(known.held, { ...added, from: (known.liveTo ?? from - 1) + 1 });
        continue;
      }
      known.liveTo = to;
      const tick = joined(known.held, added);
      known.held = undefined;
      const burst = known.changes.add(tick);
      if (burst) this.suspect(id, burst);
    }
  }

  /** The mass changes that go on. */
  symptoms(): Symptom[] {
    return [...this.told.values()].map(({ symptom }) => symptom);
  }

  /** Looks at what is suspected, and lets go of what has passed. Called every second or so; does not throw. */
  async step(): Promise<void> {
    const now = this.clock.now();
    for (const [id, { to }] of this.told) if (now - to > quietMs) this.told.delete(id);
    for (const [id, one] of this.suspected) {
      if (now - one.burst.to > this.bound.windowMs && !one.isUnseen) this.suspected.delete(id);
      else if (this.clock.monotonicMs() >= one.nextMs) await this.look(id, one);
    }
  }

  private suspect(id: string, burst: Burst): void {
    const told = this.told.get(id);
    if (told) told.grow(burst);
    else
      this.suspected.set(id, {
        burst,
        nextMs: this.suspected.get(id)?.nextMs ?? 0,
        isUnseen: true,
      });
  }

  private async look(id: string, one: Suspected): Promise<void> {
    const { burst } = one;
    one.nextMs = this.clock.monotonicMs() + lookEveryMs;
    const { before, to, what } = burst;
    const name = this.facts.tables.get(id)?.name ?? id;
    let count = burst.documents;
    try {
      // What an operation wrote earlier is not in the count.
      count -= await this.effects.operatedOn(id, before - clocksMs, to);
      const documents = count < burst.least ? undefined : await this.effects.documentsOf(id);
      one.isUnseen = false;
      if (count < burst.least || !isMass(burst, count, documents, this.bound)) return;
    } catch {
      // While the repository cannot be read, nothing is called a mass change; it is looked at again until it can.
      return;
    }
    const own = burst.documents - count;
    const pinned = await this.effects.pin(before, id, happened(name, what, count)).then(
      (pin) => `the instant before it is pinned: --at before:pin-${pin}`,
      (error: unknown) => `THE INSTANT BEFORE IT COULD NOT BE PINNED: ${messageOf(error)}`,
    );
    this.suspected.delete(id);
    const textOf = (documents: number) => `${happened(name, what, documents)}; ${pinned}`;
    // It may have been looked at long after: then it is told for as long from now on.
    this.told.set(id, new Told(id, burst, own, textOf, Math.max(to, this.clock.now())));
  }
}

const happened = (name: string, what: Burst["what"], count: number) =>
  `${name}: ${count} documents were ${what === "deletes" ? "deleted" : "overwritten"} at once, far more than is usual`;

/** A mass change that is told. It may go on: then its alarm says how much it is by now. */
class Told {
  private documents: number;

  constructor(
    private readonly id: string,
    private readonly burst: Burst,
    /** How many of its documents an operation of ours wrote. */
    private readonly own: number,
    private readonly textOf: (documents: number) => string,
    /** The last tick of it, or when it was first told. */
    public to: Instant,
  ) {
    this.documents = burst.documents;
  }

  get symptom(): Symptom {
    const text = this.textOf(this.documents - this.own);
    return { kind: "mass-change", of: this.id, since: this.burst.before + 1, text };
  }

  grow({ what, documents, to }: Burst): void {
    this.to = to;
    if (what === this.burst.what) this.documents = Math.max(this.documents, documents);
  }
}

function changesOf(
  before: Totals,
  now: Totals,
  { from, to }: { from: Instant; to: Instant },
): TickChanges {
  const deletes = now.deletes - before.deletes;
  const inserts = now.inserts - before.inserts;
  const overwrites = now.changes - before.changes - deletes - inserts;
  // A table that another process has captured meanwhile is counted anew.
  if (deletes < 0 || inserts < 0 || overwrites < 0) {
    return { from, to, deletes: 0, inserts: 0, overwrites: 0 };
  }
  return { from, to, deletes, inserts, overwrites };
}

function joined(one: TickChanges | undefined, other: TickChanges): TickChanges {
  if (!one) return other;
  return {
    from: Math.min(one.from, other.from),
    to: other.to,
    deletes: one.deletes + other.deletes,
    inserts: one.inserts + other.inserts,
    overwrites: one.overwrites + other.overwrites,
  };
}
