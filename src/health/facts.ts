/**
 * What a process knows of its own work, as moments and counts. Those who do the work note it here; metrics, probes and
 * alarms read it. It is of this process alone: what others do stands in the repository.
 */
import type { CaptureObserver } from "../capture/capture-options.js";
import type { TableState } from "../capture/table-state.js";
import type { Clock } from "../clock.js";
import { messageOf } from "../errors.js";
import type { Totals } from "../format/segment.js";
import type { Instant } from "../instant.js";
import type { ClosedTick } from "../repository/log/log-writer.js";

/** A table that this process captures. */
export interface TableFacts {
  id: string;
  /** "db.table" */
  name: string;
  lane: number;
  state: TableState;
  /** Since when it has been in this state. */
  since: Instant;
  /** Why it is lost or stopped; undefined while it is neither. */
  reason: string | undefined;
  /** The instant up to which its stored capture is proven; undefined before the first proof. */
  frontier: Instant | undefined;
  /** What was stored of it since this process began. */
  totals: Totals;
}

/** A lane that this process captures. */
export interface LaneFacts {
  lane: number;
  /** Another process captures it, and this one waits. */
  isStandingBy: boolean;
  /** What it had stored is gone from the repository, and it has not gone on yet. */
  isLost: boolean;
  /** Since when the store has not taken its ticks, and why; undefined while it does. */
  storeFails: { since: Instant; reason: string } | undefined;
  /** Since when nothing is read from the source, because memory and spool are full. */
  readingStopped: Instant | undefined;
  /** Since when the source does not say how much is written, and why: nothing can be proven. */
  surveyFails: { since: Instant; reason: string } | undefined;
  /** Since when the catalog cannot be read, and why. */
  catalogUnreadable: { since: Instant; reason: string } | undefined;
  /** Names of servers that are not reached. */
  missingServers: readonly string[];
  /** The end of the last tick that is durable, and when it was. */
  lastTick: { to: Instant; storedAt: Instant } | undefined;
  ticks: number;
  /** Of its segments. */
  bytes: number;
}

/** Work that is done again and again: maintenance, drills, alarms. */
export interface WorkFacts {
  /** When it last succeeded, and failed. */
  succeededAt: Instant | undefined;
  failedAt: Instant | undefined;
  /** Why it failed last. */
  reason: string | undefined;
  successes: number;
  failures: number;
}

/** What tells this process of the others. */
export interface CoordinatorFacts {
  kind: "repository" | "redis";
  /** Without a password. */
  location: string;
  /** Since when it has not answered, and why; undefined while it does. */
  fails: { since: Instant; reason: string } | undefined;
}

export type TickListener = (lane: number, tick: ClosedTick) => void;

export class Facts {
  readonly startedAt: Instant;
  /** By table id. Dropped tables are not in it. */
  readonly tables = new Map<string, TableFacts>();
  readonly lanes = new Map<number, LaneFacts>();
  /** Undefined before the process has begun to look for others. */
  coordinator: CoordinatorFacts | undefined;
  private readonly works = new Map<string, WorkFacts>();
  private readonly listeners = new Set<TickListener>();
  /** By lane: the epoch and the totals of its last tick, from which the next one's changes are counted. */
  private readonly counted = new Map<number, { epoch: number; totals: Record<string, Totals> }>();

  constructor(private readonly clock: Clock) {
    this.startedAt = clock.now();
  }

  /** Calls the listener for each tick that is durable; returns what ends that. The listener MUST NOT throw. */
  onTick(listener: TickListener): () => void {
    this.listeners.add(listener);
    return () => void this.listeners.delete(listener);
  }

  /** The work of this name, which is made when it is asked for first. */
  work(name: string): WorkFacts {
    const known = this.works.get(name);
    if (known) return known;
    const made: WorkFacts = {
      succeededAt: undefined,
      failedAt: undefined,
      reason: undefined,
      successes: 0,
      failures: 0,
    };
    this.works.set(name, made);
    return made;
  }

  succeeded(name: string): void {
    const work = this.work(name);
    work.succeededAt = this.clock.now();
    work.successes += 1;
  }

  failed(name: string, error: unknown): void {
    const work = this.work(name);
    work.failedAt = this.clock.now();
    work.reason = messageOf(error);
    work.failures += 1;
  }

  /** Notes what happens to the capture of a lane. */
  observer(lane: number): Partial<CaptureObserver> {
    const of = this.laneOf(lane);
    const since = () => this.clock.now();
    return {
      state: (table, state, detail: { reason?: string } = {}) => {
        of.isStandingBy = false;
        const { id, db, name } = table;
        if (state === "dropped") {
          this.tables.delete(id);
          return;
        }
        const known = this.tables.get(id);
        const kept = known ?? { frontier: undefined, totals: none, reason: undefined };
        const reason = detail.reason ?? (state === "live" ? undefined : kept.reason);
        const at = known?.state === state ? known.since : since();
        const { frontier, totals } = kept;
        const made = { id, name: `${db}.${name}`, lane, state, since: at, reason };
        this.tables.set(id, { ...made, frontier, totals });
      },
      moved: ({ id }) => void this.tables.delete(id),
      lost: ({ id }, reason) => this.noteReason(id, reason),
      stopped: ({ id }, error) => this.noteReason(id, messageOf(error)),
      standsBy: () => void (of.isStandingBy = true),
      hasHandedOver: () => this.forget(lane),
      storeFails: ({ message: reason }) => {
        of.storeFails = { since: of.storeFails?.since ?? since(), reason };
      },
      storeIsBack: () => void (of.storeFails = undefined),
      readingStops: (stops) => void (of.readingStopped = stops ? since() : undefined),
      surveyFails: (reason) => {
        of.surveyFails = reason === undefined ? undefined : { since: since(), reason };
      },
      catalogUnreadable: (reason) => {
        of.catalogUnreadable = reason === undefined ? undefined : { since: since(), reason };
      },
      serversMissing: (names) => void (of.missingServers = [...names]),
      logLost: () => void (of.isLost = true),
      beginsAgain: () => void (of.isLost = false),
      tickStored: (tick) => this.noteTick(of, tick),
    };
  }

  /** This process captures the lane no more. */
  private forget(lane: number): void {
    this.lanes.delete(lane);
    this.counted.delete(lane);
    for (const table of this.tables.values()) {
      if (table.lane === lane) this.tables.delete(table.id);
    }
  }

  private noteReason(id: string, reason: string): void {
    const table = this.tables.get(id);
    if (table) table.reason = reason;
  }

  private noteTick(of: LaneFacts, tick: ClosedTick): void {
    const { footer, bytes } = tick;
    of.storeFails = undefined;
    of.lastTick = { to: footer.to, storedAt: this.clock.now() };
    of.ticks += 1;
    of.bytes += bytes;
    for (const table of this.tables.values()) {
      if (table.lane === of.lane && isWatched(table.state))
        table.frontier = footer.lagging[table.id] ?? footer.frontier;
    }
    this.count(of.lane, tick);
    for (const listener of this.listeners) listener(of.lane, tick);
  }

  /** Totals count from the first segment of an epoch on, and a footer has those that changed lately. */
  private count(lane: number, { footer }: ClosedTick): void {
    const known = this.counted.get(lane);
    const before = known?.epoch === footer.epoch ? known.totals : {};
    for (const [id, now] of Object.entries(footer.totals)) {
      const table = this.tables.get(id);
      if (table) table.totals = plus(table.totals, minus(now, before[id] ?? none));
    }
    const totals = { ...before, ...footer.totals };
    this.counted.set(lane, { epoch: footer.epoch, totals });
  }

  private laneOf(lane: number): LaneFacts {
    const known = this.lanes.get(lane);
    if (known) return known;
    const made: LaneFacts = {
      lane,
      isStandingBy: false,
      isLost: false,
      storeFails: undefined,
      readingStopped: undefined,
      surveyFails: undefined,
      catalogUnreadable: undefined,
      missingServers: [],
      lastTick: undefined,
      ticks: 0,
      bytes: 0,
    };
    this.lanes.set(lane, made);
    return made;
  }
}

const none: Totals = { changes: 0, inserts: 0, deletes: 0, bytes: 0 };

const plus = (a: Totals, b: Totals): Totals => ({
  changes: a.changes + b.changes,
  inserts: a.inserts + b.inserts,
  deletes: a.deletes + b.deletes,
  bytes: a.bytes + b.bytes,
});

const minus = (a: Totals, b: Totals): Totals => ({
  changes: a.changes - b.changes,
  inserts: a.inserts - b.inserts,
  deletes: a.deletes - b.deletes,
  bytes: a.bytes - b.bytes,
});

function isWatched(state: TableState): boolean {
  return state === "live" || state === "copying" || state === "resyncing";
}
