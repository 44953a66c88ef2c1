/**
 * What a process knows of its own work, as moments and counts. Those who do the work note it here; metrics, probes and
 * alarms read it. It is of this process alone: what others do stands in the repository.
 */
import type { CaptureObserver } from "../capture/capture-options.js";
import { accessStream, catalogStream } from "../capture/frontier.js";
import type { TableState } from "../capture/table-state.js";
import type { Clock } from "../clock.js";
import type { ReplicaObserver } from "../copies/replica.js";
import { isFenced, messageOf } from "../errors.js";
import { isSystemStream, type Totals } from "../format/segment.js";
import type { Instant } from "../instant.js";
import type { ClosedTick } from "../repository/log/log-writer.js";
import { addTotals, noTotals } from "../repository/log/totals.js";
import { idleSegmentMs } from "../repository/registers/idle-pace.js";
import type { TableReference } from "../rethinkdb/table-reference.js";
import { noUse, type RequestListener, type Requests, type StoreUse } from "../storage/store-use.js";
import { type LaneFacts, newLane } from "./lane-facts.js";
import type { RepositoryState } from "./repository-state.js";

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
  /** The instant up to which its feed is proven, by a tick that is durable; undefined before the first such proof. */
  frontier: Instant | undefined;
  /**
   * The newest instant to which it can be restored exactly; undefined while it has no base, or this is not known yet. A
   * tick's end later than the store may say it, since a record that the table is live comes with the next tick.
   */
  restorableTo: Instant | undefined;
  /** How far it is copied or resynced, of about how many documents; undefined unless that has begun. */
  scanned: { documents: number; bytes: number; ofAbout: number } | undefined;
  /** What was stored of it since this process began. */
  totals: Totals;
}

/** A way on which alarms are delivered. */
export interface ChannelFacts {
  deliveries: number;
  /** Of the deliveries. */
  failures: number;
  succeededAt: Instant | undefined;
}

/** Work that is done again and again: maintenance, drills, alarms. */
export interface WorkFacts {
  /** How often it is done, in ms; undefined if it has no period. */
  everyMs: number | undefined;
  /** When it last succeeded, and failed. */
  succeededAt: Instant | undefined;
  failedAt: Instant | undefined;
  /** When it failed first after it had succeeded; undefined while it succeeds. */
  failingSince: Instant | undefined;
  /** Why it failed last. */
  reason: string | undefined;
  successes: number;
  failures: number;
}

/** The Redis by which this process and the others tell each other of themselves. */
export interface RedisFacts {
  /** When it last answered; undefined before that. */
  answeredAt: Instant | undefined;
}

export type TickListener = (lane: number, tick: ClosedTick) => void;

/** What is known of a table that is new. */
const unknown = {
  frontier: undefined,
  restorableTo: undefined,
  scanned: undefined,
  totals: noTotals,
};

export class Facts {
  readonly startedAt: Instant;
  /** At least so often a tick is stored in each lane, in ms, also if nothing changes. */
  tickEveryMs = idleSegmentMs;
  /** By table id. Dropped tables are not in it. */
  readonly tables = new Map<string, TableFacts>();
  readonly lanes = new Map<number, LaneFacts>();
  /** Undefined in a process that tells the others nothing by Redis. */
  redis: RedisFacts | undefined;
  /** What was stored since this process began: also of lanes and tables that it captures no more. */
  readonly stored = { ...noTotals, ticks: 0, segmentBytes: 0 };
  /** How often a table ceased to be watched since this process began. */
  gaps = 0;
  /** What this process has sent to stores, and how many requests of each kind a store has failed. */
  readonly use: StoreUse = { ...noUse };
  readonly failedRequests: Requests = { puts: 0, gets: 0, heads: 0, lists: 0, deletes: 0 };
  /** How many bytes the spool may hold; undefined without a spool. */
  spoolBytesMax: number | undefined;
  /** By location: when everything that was put was in the copy; undefined if it was not since this process began. */
  readonly copies = new Map<string, Instant | undefined>();
  /** By name. */
  readonly works = new Map<string, WorkFacts>();
  readonly channels = new Map<string, ChannelFacts>();
  /** What the repository said of itself when this process read it last; undefined while it does not read it. */
  repository: RepositoryState | undefined;
  private readonly listeners = new Set<TickListener>();
  private readonly requestListeners = new Set<RequestListener>();
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

  /** Calls the listener for each request to the repository's store that is answered. It MUST NOT throw. */
  onRequest(listener: RequestListener): void {
    this.requestListeners.add(listener);
  }

  readonly requestEnded: RequestListener = (kind, ms, failed) => {
    if (failed) this.failedRequests[kind] += 1;
    for (const listener of this.requestListeners) listener(kind, ms, failed);
  };

  /** Alarms are delivered on this channel too. */
  alarmChannel(channel: string): ChannelFacts {
    const known = this.channels.get(channel);
    if (known) return known;
    const made: ChannelFacts = { deliveries: 0, failures: 0, succeededAt: undefined };
    this.channels.set(channel, made);
    return made;
  }

  /** It was tried to deliver alarms on a channel. */
  alarmDelivered(channel: string, ok: boolean): void {
    const of = this.alarmChannel(channel);
    of.deliveries += 1;
    if (ok) of.succeededAt = this.clock.now();
    else of.failures += 1;
  }

  /** Notes how a copy fares that is kept up to date. */
  copyObserver(location: string): Pick<ReplicaObserver, "keepsUp"> {
    this.copies.set(location, undefined);
    return { keepsUp: () => void this.copies.set(location, this.clock.now()) };
  }

  /** The work of this name, which is made when it is asked for first. */
  work(name: string): WorkFacts {
    const known = this.works.get(name);
    if (known) return known;
    const made: WorkFacts = {
      everyMs: undefined,
      succeededAt: undefined,
      failedAt: undefined,
      failingSince: undefined,
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
    work.failingSince = undefined;
    work.successes += 1;
  }

  failed(name: string, error: unknown): void {
    const work = this.work(name);
    work.failedAt = this.clock.now();
    work.failingSince ??= work.failedAt;
    work.reason = messageOf(error);
    work.failures += 1;
  }

  /** Notes what happens to the capture of a lane, from when it begins until it ends. */
  observer(lane: number): Partial<CaptureObserver> {
    const note = (what: (of: LaneFacts) => void) => {
      const of = this.lanes.get(lane);
      if (of) what(of);
    };
    return {
      begins: () => {
        // It tries again: until it captures, its trouble goes on.
        const { beginsLater } = this.lanes.get(lane) ?? {};
        this.begin(lane);
        note((of) => void (of.beginsLater = beginsLater));
      },
      ends: () => this.forget(lane),
      state: (table, state, detail: { reason?: string } = {}) => {
        note((of) => this.noteCapturing(of));
        this.noteState(lane, table, state, detail.reason);
      },
      renamed: ({ id, db, name }) => {
        const table = this.tables.get(id);
        if (table) table.name = `${db}.${name}`;
      },
      scanned: ({ id }, documents, bytes, ofAbout) => {
        const table = this.tables.get(id);
        if (table?.lane === lane) table.scanned = { documents, bytes, ofAbout };
      },
      moved: ({ id }) => this.leave(lane, id),
      lost: ({ id }, reason) => this.noteReason(lane, id, reason),
      stopped: ({ id }, error) => this.noteReason(lane, id, messageOf(error)),
      standsBy: () => {
        this.begin(lane);
        note((of) => void (of.isStandingBy = true));
      },
      storeFails: ({ message }) =>
        note((of) => void (of.storeFails = this.goingOn(of.storeFails, message))),
      storeIsBack: () => note((of) => void (of.storeFails = undefined)),
      waits: (memoryBytes, spoolBytes) =>
        note((of) => void (of.waiting = { memoryBytes, spoolBytes })),
      readingStops: (stops) =>
        note((of) => void (of.readingStopped = stops ? this.clock.now() : undefined)),
      surveyFails: (reason) =>
        note((of) => void (of.surveyFails = this.goingOn(of.surveyFails, reason))),
      catalogUnreadable: (reason) =>
        note((of) => void (of.catalogUnreadable = this.goingOn(of.catalogUnreadable, reason))),
      serversMissing: (names) => note((of) => void (of.missingServers = [...names])),
      logLost: () => note((of) => void (of.isLost = true)),
      beginsLater: (error) => {
        // The repository may be away before the lane's capture could be tried at all.
        if (!this.lanes.has(lane)) this.begin(lane);
        note((of) => {
          of.beginsLater = this.goingOn(of.beginsLater, error.message);
          // Unless another process was faster, it is this one's turn.
          if (!isFenced(error)) of.isStandingBy = false;
        });
      },
      beginsAgain: () =>
        note((of) => {
          of.isLost = false;
          of.beginsLater = undefined;
        }),
      tickStored: (tick, proofs) => note((of) => this.noteTick(of, tick, proofs)),
    };
  }

  /** The trouble with its newest reason, since when it began; undefined without a reason: it has passed. */
  private goingOn(
    trouble: { since: Instant } | undefined,
    reason: string | undefined,
  ): { since: Instant; reason: string } | undefined {
    return reason === undefined ? undefined : { since: trouble?.since ?? this.clock.now(), reason };
  }

  private noteState(
    lane: number,
    { id, db, name }: TableReference,
    state: TableState,
    why: string | undefined,
  ): void {
    if (state === "dropped") {
      this.leave(lane, id);
      return;
    }
    const known = this.tables.get(id);
    const { frontier, restorableTo, totals } = known ?? unknown;
    const scanned = known?.state === state ? known.scanned : undefined;
    if (state === "gap" && known?.state !== state) this.gaps += 1;
    const since = known?.state === state ? known.since : this.clock.now();
    const reason = why ?? (state === "live" ? undefined : known?.reason);
    this.tables.set(id, {
      id,
      name: `${db}.${name}`,
      lane,
      state,
      since,
      reason,
      frontier,
      restorableTo,
      scanned,
      totals,
    });
  }

  /** This process captures the lane no more. */
  private forget(lane: number): void {
    this.lanes.delete(lane);
    this.counted.delete(lane);
    for (const table of this.tables.values()) {
      if (table.lane === lane) this.tables.delete(table.id);
    }
  }

  /** The table is not in this lane any more. Another lane of this process may have it already. */
  private leave(lane: number, id: string): void {
    if (this.tables.get(id)?.lane === lane) this.tables.delete(id);
  }

  private noteReason(lane: number, id: string, reason: string): void {
    const table = this.tables.get(id);
    if (table?.lane === lane) table.reason = reason;
  }

  /** The lane's capture runs: it does not stand by, and has begun. */
  private noteCapturing(of: LaneFacts): void {
    if (of.isStandingBy) of.since = this.clock.now();
    of.isStandingBy = false;
    of.beginsLater = undefined;
  }

  private noteTick(of: LaneFacts, tick: ClosedTick, proofs: ReadonlyMap<string, Instant>): void {
    const { footer, bytes } = tick;
    // A lane may have no tables that would tell it.
    this.noteCapturing(of);
    of.storeFails = undefined;
    of.catalogFrontier = proofs.get(catalogStream);
    of.accessFrontier = proofs.get(accessStream);
    of.lastTick = { to: footer.to, storedAt: this.clock.now() };
    this.stored.ticks += 1;
    this.stored.segmentBytes += bytes;
    for (const table of this.tables.values()) {
      const proof = proofs.get(table.id);
      if (table.lane !== of.lane || proof === undefined) continue;
      table.frontier = proof;
      if (table.state === "live") table.restorableTo = proof;
    }
    this.count(of.lane, tick);
    for (const listener of this.listeners) listener(of.lane, tick);
  }

  /** Totals count from the first segment of an epoch on, and a footer has those that changed lately. */
  private count(lane: number, { footer }: ClosedTick): void {
    const known = this.counted.get(lane);
    const before = known?.epoch === footer.epoch ? known.totals : {};
    for (const [id, now] of Object.entries(footer.totals)) {
      if (isSystemStream(id)) continue;
      const added = minus(now, before[id] ?? noTotals);
      Object.assign(this.stored, addTotals(this.stored, added));
      const table = this.tables.get(id);
      if (table) table.totals = addTotals(table.totals, added);
    }
    const totals = { ...before, ...footer.totals };
    this.counted.set(lane, { epoch: footer.epoch, totals });
  }

  /** This process captures the lane, or stands by, from now on. */
  private begin(lane: number): void {
    this.forget(lane);
    this.lanes.set(lane, newLane(lane, this.clock.now()));
  }
}

const minus = (a: Totals, b: Totals): Totals => ({
  changes: a.changes - b.changes,
  inserts: a.inserts - b.inserts,
  deletes: a.deletes - b.deletes,
  bytes: a.bytes - b.bytes,
});
