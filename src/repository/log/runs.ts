/**
 * Sorts the log by key in bounded memory. It collects versions and keeps the last one of each key. When memory is full,
 * it writes them as a sorted run to a temporary directory. The runs are then merged with the base.
 */

import { clearAfter } from "../../errors.js";
import { DataObject } from "../../format/data-object.js";
import { lineOverheadBytes, parseLines, type Version, writeRunLine } from "../../format/lines.js";
import {
  codeOfKey,
  FilteredCursor,
  isLater,
  SortedCursor,
  type SortedFrame,
  type VersionCursor,
  type Window,
} from "../../format/merge.js";
import { DataObjectWriter } from "../../format/object-writer.js";
import { SortedLines } from "../../format/sorted-lines.js";
import type { Instant } from "../../instant.js";
import type { KeyFilter } from "../../key-filter.js";
import { type OrderCode, orderCode } from "../../key-order.js";
import type { ObjectStore } from "../../storage/object-store.js";
import { scratchStore } from "../../storage/store-at.js";
import { foldedBytes, foldedCursor } from "./folded-reader.js";
import type { Segment } from "./log.js";
import type { LogView } from "./log-view.js";
import type { FoldedPiece } from "./pieces.js";

/** How many bytes all tables of a collection may hold in memory together. */
const memoryBytesMaxDefault = 16 * 1024 * 1024;
/** How many bytes of memory an entry takes besides key and document: 450 as measured, and some garbage. */
const entryBytes = 500;
/** How many bytes each object of a run has, about. */
const runObjectBytes = 8 * 1024 * 1024;

/** A table whose versions captured after `after` are to be collected. */
export interface Wanted {
  table: string;
  after: Instant;
  /** The last instant for this table, if it differs from that of the whole collection. */
  until?: Instant;
}

/** A stretch of the log, and the tables whose versions in it are wanted. */
interface Stretch {
  after: Instant;
  until: Instant;
  tables: Map<string, Window>;
}

export interface CollectOptions {
  /** Called with the size, in bytes, of each segment that was read; for progress. */
  onSegment?: (bytes: number) => void;
  /** Called when a version replaces an earlier one of the same key, which is then dropped. */
  onSuccession?: (table: string, before: Version, after: Version) => void;
  /** How many bytes may be in memory before some versions are written to a temporary directory. */
  memoryBytesMax?: number;
  /** Collect digests in the place of documents, of a sealed repository; see `digestIn`. */
  keysOnly?: boolean;
  /** The wanted keys of a table; all of them, if it gives undefined. */
  filterOf?: (table: string) => KeyFilter | undefined;
}

/** The digest of a version's document, which a collection with `keysOnly` holds in its place. */
export const digestIn = (document: Buffer) => document.toString("latin1", 1, document.length - 1);

/** The versions of some tables in the log, ready to be merged. Dispose of it after use. */
export class LogCollection {
  private readonly tables = new Map<string, TableRuns>();
  private scratch: Awaited<ReturnType<typeof scratchStore>> | undefined;
  private bytes = 0;
  /** How many versions were read of all tables wanted. Those of folded segments count when their cursors reach them. */
  versions = 0;

  private constructor(
    wanted: Wanted[],
    onSuccession: (table: string, before: Version, after: Version) => void,
    /** It holds digests in the place of documents. */
    readonly keysOnly: boolean,
  ) {
    for (const { table } of wanted) {
      const succeeds = (before: Version, after: Version) => onSuccession(table, before, after);
      this.tables.set(table, new TableRuns(table, succeeds));
    }
  }

  /** Reads the log once, up to and including `until`, for all tables. Stretches that no table wants are not read. */
  static async read(
    view: LogView,
    wanted: Wanted[],
    until: Instant,
    options: CollectOptions = {},
  ): Promise<LogCollection> {
    const collection = new LogCollection(
      wanted,
      options.onSuccession ?? (() => undefined),
      options.keysOnly === true,
    );
    try {
      for (const stretch of stretchesOf(wanted, until)) {
        for await (const piece of view.chain(stretch.after, stretch.until)) {
          if ("manifest" in piece) {
            collection.addFolded(view, piece, stretch, options);
            options.onSegment?.(foldedBytes(piece, stretch.tables.keys()));
          } else {
            await collection.addSegment(piece, stretch, options);
            options.onSegment?.(piece.storedSize);
          }
        }
      }
      return collection;
    } catch (error) {
      await clearAfter(error, () => collection.dispose());
      throw error;
    }
  }

  /** How many versions were read of one table, see `versions`. */
  versionsOf(table: string): number {
    return this.tables.get(table)!.versions;
  }

  /** Cursors over the collected versions of a table. */
  cursors(table: string): VersionCursor[] {
    const runs = this.tables.get(table)!;
    return this.scratch ? runs.cursors(this.scratch.store) : runs.cursors();
  }

  async dispose(): Promise<void> {
    await this.scratch?.remove();
  }

  private async addSegment(
    segment: Segment,
    { tables }: Stretch,
    { memoryBytesMax = memoryBytesMaxDefault, keysOnly = false, filterOf }: CollectOptions,
  ): Promise<void> {
    for (const frame of keysOnly ? segment.keyFrames : segment.index.frames) {
      const window = tables.get(frame.table ?? "");
      if (!window || frame.maxTime! <= window.after || frame.minTime! > window.until) continue;
      const filter = filterOf?.(frame.table!);
      const lines = await segment.readFrame(frame);
      for (const version of parseLines(lines, segment.name)) {
        const { key, time } = version;
        if (time <= window.after || time > window.until) continue;
        if (!filter || filter.has(codeOfKey(key, segment.name))) this.add(frame.table!, version);
      }
      if (this.bytes > memoryBytesMax) await this.spillLargest();
    }
  }

  /** Adds a cursor over a folded segment, which is sorted already. */
  private addFolded(
    view: LogView,
    piece: FoldedPiece,
    { tables }: Stretch,
    { keysOnly = false, filterOf }: CollectOptions,
  ): void {
    for (const [table, { after, until }] of tables) {
      if (piece.to <= after || piece.from > until) continue;
      const window = { after: Math.max(after, piece.after), until };
      const runs = this.tables.get(table)!;
      const onVersion = () => {
        this.versions += 1;
        runs.versions += 1;
      };
      const filter = filterOf?.(table);
      const options = { onVersion, keysOnly, filter };
      runs.addCursor(() => {
        const cursor = foldedCursor(view.store, piece, table, window, options);
        return filter ? new FilteredCursor(cursor, filter) : cursor;
      });
    }
  }

  private add(table: string, version: Version): void {
    this.versions += 1;
    this.bytes += this.tables.get(table)!.add(version);
  }

  private async spillLargest(): Promise<void> {
    this.scratch ??= await scratchStore();
    const largest = [...this.tables.values()].reduce((a, b) => (a.bytes >= b.bytes ? a : b));
    this.bytes -= largest.bytes;
    await largest.spill(this.scratch.store);
  }
}

/** The wanted stretches of the log, in order, without overlap. */
function stretchesOf(wanted: Wanted[], until: Instant): Stretch[] {
  const stretches: Stretch[] = [];
  for (const one of wanted.toSorted((a, b) => a.after - b.after)) {
    const window = { after: one.after, until: one.until ?? until };
    const last = stretches.at(-1);
    if (last && window.after <= last.until) {
      last.until = Math.max(last.until, window.until);
      last.tables.set(one.table, window);
    } else stretches.push({ ...window, tables: new Map([[one.table, window]]) });
  }
  return stretches;
}

class TableRuns {
  private open = new Map<OrderCode, Version>();
  private readonly runs: string[][] = [];
  private readonly folded: (() => VersionCursor)[] = [];
  bytes = 0;
  versions = 0;

  constructor(
    private readonly table: string,
    private readonly onSuccession: (before: Version, after: Version) => void,
  ) {}

  /** Returns the bytes by which memory grew. */
  add(version: Version): number {
    this.versions += 1;
    const code = orderCode(version.key);
    const known = this.open.get(code);
    if (known && isLater(known, version)) return 0;
    const copy = copyOf(version);
    if (known) {
      this.onSuccession(known, version);
      copy.previous = known.previous;
      copy.firstTime = known.firstTime ?? known.time;
    }
    const grown = sizeOf(copy) - (known ? sizeOf(known) : 0);
    this.open.set(code, copy);
    this.bytes += grown;
    return grown;
  }

  async spill(store: ObjectStore): Promise<void> {
    const run = new RunWriter(store, `runs/${this.table}/${this.runs.length}`);
    for (const [, version] of this.sorted()) {
      run.add(version);
      await run.room();
    }
    this.runs.push(await run.finish());
    this.open = new Map();
    this.bytes = 0;
  }

  cursors(scratch?: ObjectStore): VersionCursor[] {
    const spilled = scratch ? this.runs.map((names) => runCursor(scratch, names)) : [];
    const folded = this.folded.map((open) => open());
    return [...folded, ...spilled, new MemoryCursor(this.sorted())];
  }

  addCursor(open: () => VersionCursor): void {
    this.folded.push(open);
  }

  private sorted(): [OrderCode, Version][] {
    return [...this.open].sort(([a], [b]) => (a < b ? -1 : 1));
  }
}

/** A cursor over versions in memory, sorted by key. */
class MemoryCursor implements VersionCursor {
  version!: Version;
  code: OrderCode = "";
  private at = 0;

  constructor(private readonly sorted: [OrderCode, Version][]) {}

  advance(): boolean {
    const next = this.sorted[this.at];
    if (!next) return false;
    [this.code, this.version] = next;
    this.at += 1;
    return true;
  }
}

/** Writes versions, given in key order, to the objects of one run. */
export class RunWriter {
  private readonly names: string[] = [];
  private readonly object = new DataObjectWriter("run");
  private readonly lines = new SortedLines(this.object);

  /** @param prefix of the objects' names */
  constructor(
    private readonly store: ObjectStore,
    private readonly prefix: string,
  ) {}

  /** Adds a version; its buffers are copied. The caller must await `room` now and then, which bounds memory. */
  add(version: Version): void {
    const { key, time, document } = version;
    const bytesMax = key.length + (document?.length ?? 0) + lineOverheadBytes;
    const line = this.lines.begin(key, time, bytesMax);
    this.lines.commit(writeRunLine(line, this.lines.end, version));
  }

  async room(): Promise<void> {
    if (this.object.byteLength >= runObjectBytes) await this.put();
  }

  /** The names of the run's objects, for `runCursor`. */
  async finish(): Promise<string[]> {
    await this.put();
    return this.names;
  }

  private async put(): Promise<void> {
    this.lines.flush();
    const name = `${this.prefix}-${this.names.length}.zst`;
    await this.store.put(name, this.object.finish({}).bytes);
    this.names.push(name);
  }
}

/** A cursor over the versions of a run. */
export function runCursor(store: ObjectStore, names: string[]): VersionCursor {
  return new SortedCursor(runFrames(store, names));
}

async function* runFrames(store: ObjectStore, names: string[]): AsyncGenerator<SortedFrame> {
  for (const name of names) {
    const object = await DataObject.open(store, name, "run");
    for (const entry of object.index.frames)
      yield { lines: await object.readFrame(entry), object: name };
  }
}

function copyOf(version: Version): Version {
  const { key, document } = version;
  return {
    ...version,
    key: Buffer.from(key),
    document: document && Buffer.from(document),
  };
}

function sizeOf({ key, document }: Version): number {
  return key.length + (document?.length ?? 0) + entryBytes;
}
