import type { Repository } from "../../format/description.js";
import { LineBuffer } from "../../format/line-buffer.js";
import { lineOverheadBytes, writeChangeLine, writeDigestLine } from "../../format/lines.js";
import { segmentName } from "../../format/names.js";
import { DataObjectWriter, frameBytesTarget } from "../../format/object-writer.js";
import {
  isSystemStream,
  linksAfter,
  type ObjectReference,
  type SegmentFooter,
  type SystemStream,
  type Totals,
  totalsReach,
} from "../../format/segment.js";
import type { Instant } from "../../instant.js";
import type { OwnEpoch } from "./claim-epoch.js";
import type { LogEnd } from "./log-end.js";

/** The lines and totals of one table in the open tick. */
interface OpenTable {
  buffer: LineBuffer;
  /** In a sealed repository: the keys and digests of the tick's versions, for who may not read documents. */
  keys: LineBuffer | undefined;
  keysFrom: Instant;
  totals: Totals;
  changed: boolean;
  /** Sequence number of the last segment in which it changed; 0 for none. */
  changedIn: number;
  minTime: Instant;
  maxTime: Instant;
}

/** The facts that capture gives when it closes a tick. */
export type TickFacts = Pick<
  SegmentFooter,
  | "frontier"
  | "lagging"
  | "proofBoundMs"
  | "serverClock"
  | "clockSteps"
  | "clockWaitedOutMs"
  | "aheadOfSource"
  | "closed"
  | "handedTo"
  | "requests"
>;

/** A tick that is closed, as one segment. */
export interface ClosedTick {
  to: Instant;
  footer: SegmentFooter;
  /** Of the segment. */
  bytes: number;
}

/** The clock that capture times come from. If it goes back, capture times stand still until it has caught up. */
export interface LogTime {
  now(): Instant;
}

/** Takes closed segments to the repository, in the order of the calls. */
export interface Shipper {
  /** Resolves when the segment is durable in the repository; rejects when it never will be. */
  ship(name: string, bytes: Buffer): Promise<void>;
  /** Bytes of segments that wait in memory. */
  readonly waitingBytes: number;
  /** True while a segment is on its way, or waits. */
  readonly isShipping: boolean;
}

/** How often a segment is a checkpoint, with the totals of all tables, so that status need not read all segments. */
const checkpointMs = 60_000;

export class LogWriter {
  private readonly segment = new DataObjectWriter("segment");
  private readonly tables = new Map<string, OpenTable>();
  private links: SegmentFooter["links"] = { catalog: null, coverage: null, checkpoint: null };
  private segmentSequence = 0;
  private changeSequence = 0;
  private lastTime: Instant;
  /** The time of everything that is appended now, see atOnce. */
  private frozen: Instant | undefined;
  private from: Instant;
  private lastCheckpoint = Number.NEGATIVE_INFINITY;
  /** Sequence number of the last checkpoint. */
  private checkpointSequence = 0;
  private previous: ObjectReference | null;
  private readonly isSealed: boolean;

  private constructor(
    private readonly repository: Repository,
    private readonly clock: LogTime,
    readonly epoch: number,
    last: LogEnd | undefined,
    private readonly shipper: Shipper,
  ) {
    this.lastTime = Math.max(clock.now(), (last?.to ?? 0) + 1);
    this.from = this.lastTime;
    this.previous = last ? { name: last.name, checksum: last.checksum } : null;
    if (last) this.links = last.links;
    this.isSealed = repository.store.sealing !== undefined;
  }

  /**
   * Opens the log of a claimed epoch.
   * @param shipper takes closed segments to the repository, in order
   */
  static open(repository: Repository, clock: LogTime, own: OwnEpoch, shipper: Shipper): LogWriter {
    return new LogWriter(repository, clock, own.epoch, own.last, shipper);
  }

  /** How many bytes of the log memory holds, because they are not durable yet. */
  get pendingBytes(): number {
    let open = 0;
    for (const { buffer, keys } of this.tables.values()) {
      open += buffer.byteLength + (keys?.byteLength ?? 0);
    }
    return open + this.segment.byteLength + this.shipper.waitingBytes;
  }

  /** Takes the next place in the order of the log, for versions that are stored elsewhere (the rows of a scan). */
  stamp(): { time: Instant; sequence: number } {
    this.lastTime = this.frozen ?? Math.max(this.clock.now(), this.lastTime);
    this.changeSequence += 1;
    return { time: this.lastTime, sequence: this.changeSequence };
  }

  /** Everything that `work` appends gets one time, which it is given. */
  atOnce(work: (time: Instant) => void): void {
    const time = Math.max(this.clock.now(), this.lastTime);
    this.lastTime = time;
    this.frozen = time;
    try {
      work(time);
    } finally {
      this.frozen = undefined;
    }
  }

  /** Returns an instant such that everything appended so far is at or before it, and everything later is after it. */
  mark(): Instant {
    const mark = Math.max(this.clock.now(), this.lastTime);
    this.lastTime = mark + 1;
    return mark;
  }

  /**
   * Appends one version. The buffers are copied.
   * @param previous digest of the version before; null if there was none
   * @param document null for a delete
   * @returns its sequence number
   */
  append(table: string, key: Buffer, previous: string | null, document: Buffer | null): number {
    const { time, sequence } = this.stamp();
    const open = this.openTable(table);
    const { buffer, totals } = open;
    if (buffer.rows === 0) open.minTime = time;
    open.maxTime = time;
    const before = buffer.byteLength;
    const line = buffer.reserve(key.length + (document?.length ?? 0) + lineOverheadBytes);
    buffer.commit(writeChangeLine(line, before, key, time, sequence, table, previous, document));
    open.changed = true;
    totals.changes += 1;
    totals.bytes += buffer.byteLength - before;
    if (previous === null && document !== null) totals.inserts += 1;
    if (document === null) totals.deletes += 1;
    if (open.keys) appendKey(open, key, time, sequence, document);
    // In a sealed repository no frame of documents may come after a frame of a system stream.
    const mayClose = open.keys !== undefined || !this.isSealed;
    if (mayClose && buffer.byteLength >= frameBytesTarget) this.closeFrame(table, open);
    return sequence;
  }

  /** Appends a record to a system stream and returns its capture time. If `record` is null, it removes `key`. */
  appendRecord(stream: SystemStream, key: unknown, record: object | null): Instant {
    const document = record === null ? null : Buffer.from(JSON.stringify(record));
    this.append(stream, Buffer.from(JSON.stringify(key)), null, document);
    return this.lastTime;
  }

  get isShipping(): boolean {
    return this.shipper.isShipping;
  }

  /** True if something was appended since the last tick was closed. */
  get hasChanges(): boolean {
    return this.segment.byteLength > 0 || [...this.tables.values()].some((t) => t.buffer.rows > 0);
  }

  /** The capture time that a version would get now; later ones get it or a later one. */
  get now(): Instant {
    return Math.max(this.clock.now(), this.lastTime);
  }

  /** The last capture time; what is appended next does not get an earlier one. */
  get time(): Instant {
    return this.lastTime;
  }

  /**
   * By how many ms capture times are ahead of the clock, because it went back. Versions now get a time that much too
   * late.
   */
  get aheadMs(): number {
    return Math.max(0, this.lastTime - this.clock.now());
  }

  /** The end of the last closed tick. */
  get closedTo(): Instant {
    return this.from - 1;
  }

  /**
   * Closes the tick: what was appended before the call is in its segment, what comes later in the next. Returns the
   * tick's end at once. `durable` resolves when the segment is durable. It rejects if the segment could not be stored;
   * then nothing may be appended any more.
   */
  closeTick(facts: TickFacts): ClosedTick & { durable: Promise<void> } {
    const to = Math.max(this.clock.now(), this.lastTime, this.from);
    this.lastTime = to + 1;
    this.closeFrames();
    const footer = this.footer(to, facts);
    const { bytes, checksum } = this.segment.finish(footer);
    const name = segmentName(this.epoch, footer.from, to, footer.sequence);
    this.previous = { name, checksum };
    this.links = linksAfter(footer.links, name, this.changedTables(), footer.checkpoint);
    this.from = to + 1;
    this.forgetIdleTables();
    const durable = this.shipper.ship(name, bytes);
    return { to, footer, bytes: bytes.length, durable };
  }

  private footer(to: Instant, facts: TickFacts): SegmentFooter {
    this.segmentSequence += 1;
    const checkpoint = to - this.lastCheckpoint >= checkpointMs;
    if (checkpoint) {
      this.lastCheckpoint = to;
      this.checkpointSequence = this.segmentSequence;
    }
    const reach = totalsReach(this.segmentSequence, this.checkpointSequence);
    const totals: Record<string, Totals> = {};
    for (const [id, table] of this.tables) {
      if (table.changed) table.changedIn = this.segmentSequence;
      const isIncluded = checkpoint || table.changedIn > this.segmentSequence - reach;
      if (isIncluded) totals[id] = { ...table.totals };
    }
    const { requests, ...others } = facts;
    return {
      repository: this.repository.description.id,
      epoch: this.epoch,
      sequence: this.segmentSequence,
      from: this.from,
      to,
      previous: this.previous,
      ...others,
      clockAheadMs: Math.max(0, to - this.clock.now()),
      links: this.links,
      totals,
      checkpoint,
      ...(checkpoint && requests ? { requests } : {}),
    };
  }

  private changedTables(): Set<string> {
    return new Set([...this.tables].filter(([, table]) => table.changed).map(([id]) => id));
  }

  private openTable(id: string): OpenTable {
    let table = this.tables.get(id);
    if (!table) {
      const totals = { changes: 0, inserts: 0, deletes: 0, bytes: 0 };
      table = {
        buffer: new LineBuffer(4096),
        keys: this.isSealed && !isSystemStream(id) ? new LineBuffer(0) : undefined,
        keysFrom: 0,
        totals,
        changed: false,
        changedIn: 0,
        minTime: 0,
        maxTime: 0,
      };
      this.tables.set(id, table);
    }
    return table;
  }

  /** Closes all frames. In a sealed repository those with documents come first. */
  private closeFrames(): void {
    if (!this.isSealed) {
      for (const [table, open] of this.tables) this.closeFrame(table, open);
      return;
    }
    const open = [...this.tables];
    for (const [id, table] of open) if (table.keys) this.closeFrame(id, table);
    for (const [id, table] of open) if (!table.keys) this.closeFrame(id, table);
    for (const [id, { keys, keysFrom, maxTime }] of open) {
      if (!keys || keys.rows === 0) continue;
      const label = { table: id, keys: true, minTime: keysFrom, maxTime };
      this.segment.addFrame(keys.lines(), keys.rows, label);
      keys.clear();
    }
  }

  private closeFrame(table: string, open: OpenTable): void {
    const { buffer, minTime, maxTime } = open;
    if (buffer.rows === 0) return;
    this.segment.addFrame(buffer.lines(), buffer.rows, { table, minTime, maxTime });
    buffer.clear();
  }

  /** Frees the buffer of each table that had no change in the tick; its totals stay. */
  private forgetIdleTables(): void {
    for (const table of this.tables.values()) {
      if (!table.changed) {
        table.buffer = new LineBuffer(0);
        if (table.keys) table.keys = new LineBuffer(0);
      }
      table.changed = false;
    }
  }
}

/** Notes a version with the digest of its document in the document's place. */
function appendKey(
  open: OpenTable,
  key: Buffer,
  time: Instant,
  sequence: number,
  document: Buffer | null,
): void {
  const keys = open.keys!;
  if (keys.rows === 0) open.keysFrom = time;
  const line = keys.reserve(key.length + lineOverheadBytes);
  keys.commit(writeDigestLine(line, keys.byteLength, key, time, sequence, document));
}
