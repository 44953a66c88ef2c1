/**
 * The copy of a table that a feed with `include_initial` gives beside its changes. Each read takes some rows of every
 * shard that is not at its end, and is stamped with the newest change that it contains. A change is dropped if its key
 * has not been read yet, for the row will hold it, or if the read that its key was in contains it. The copy is ready
 * when the table's stream has passed the stamp of the last read of each shard.
 */
import { Batch, type BatchLimits, shardLimits } from "./batch.js";
import type { Change } from "./change-hub.js";
import { type ChangeSpec, watches } from "./change-spec.js";
import type { Datum, DatumObject } from "./datum.js";
import { hashShards, primaryCode } from "./key-code.js";
import type { ChangeStream } from "./selection-table.js";
import type { ShardRows } from "./shard-rows.js";

/** How far one read of a shard came, and the newest change that it contains. */
interface Mark {
  readonly upTo: string;
  readonly change: number;
}

interface Part {
  /** Undefined: the part stands for all shards. */
  readonly rows: ShardRows | undefined;
  readonly marks: Mark[];
  exhausted: boolean;
  /** The change up to which the feed has seen the shard's. */
  passed: number;
}

/** Above every code. */
const END = "\uffff";

export class InitialRead {
  /** Set by the feed when every change that a read contains has been seen. */
  finished = false;
  /** Whether anything has been read. */
  begun = false;
  readonly #spec: ChangeSpec;
  readonly #stream: ChangeStream;
  readonly #user: string;
  readonly #parts: Part[];

  constructor(spec: ChangeSpec, stream: ChangeStream, user: string) {
    this.#spec = spec;
    this.#stream = stream;
    this.#user = user;
    const passed = stream.newest;
    this.#parts = this.#openShards().map((rows) => ({ rows, marks: [], exhausted: false, passed }));
  }

  get exhausted(): boolean {
    return this.begun && this.#parts.every((part) => part.exhausted);
  }

  /**
   * Reads what one batch may hold, of each shard its part, in turns.
   * @param show what the feed shows of a row; null: nothing
   * @throws {ReqlError} when the table cannot be read now
   */
  read(limits: BatchLimits, show: (row: Datum) => Datum): Datum[] {
    this.#spec.table.checkReadable(this.#user, "single");
    const active = this.#parts.filter((part) => !part.exhausted);
    const share = shardLimits(limits, this.begun ? active.length : hashShards);
    this.begun = true;
    return inTurns(
      active.map((part) =>
        part.rows ? this.#readShard(part, part.rows, share, show) : this.#readAll(part, show),
      ),
    );
  }

  /** Whether a change is to be given: its key was read before it happened. */
  covers({ shard, code, number }: Change): boolean {
    const part = this.#parts.find(({ rows }) => rows === undefined || rows.covers(shard, code));
    const mark = part?.marks.find(({ upTo }) => code <= upTo);
    return mark !== undefined && number > mark.change;
  }

  /** Notes how far the table's stream is, for a feed that has taken all that it was given. */
  skipToFeed(): void {
    for (const part of this.#parts) part.passed = this.#stream.passed(part.rows?.shard);
  }

  /** Whether the stream had passed the last read of each shard when it was last looked at. */
  get ready(): boolean {
    return this.#parts.every(({ marks, passed }) => (marks.at(-1)?.change ?? 0) <= passed);
  }

  /** An index's rows stand in no order that marks could follow, so they are read at once. */
  #openShards(): (ShardRows | undefined)[] {
    const { table, range, codes, point, more = [] } = this.#spec;
    if (point || range.index !== undefined) return [undefined];
    const ranges = [range, ...more].map((one) => table.shardRows(one, codes));
    return ranges.includes(undefined) ? [undefined] : ranges.flatMap((rows) => rows!);
  }

  #readShard(
    part: Part,
    rows: ShardRows,
    share: BatchLimits,
    show: (row: Datum) => Datum,
  ): Datum[] {
    const { newest: change } = this.#stream;
    const batch = new Batch(share);
    let upTo: string | undefined;
    while (!batch.full) {
      const row = rows.next();
      upTo = row?.code;
      if (!row) break;
      const shown = show(row.document);
      if (shown !== null) batch.add(shown);
    }
    part.exhausted = upTo === undefined || rows.atEnd;
    part.marks.push({ upTo: part.exhausted ? END : upTo!, change });
    return batch.items;
  }

  #readAll(part: Part, show: (row: Datum) => Datum): Datum[] {
    const { table, range, point } = this.#spec;
    part.exhausted = true;
    part.marks.push({ upTo: END, change: this.#stream.newest });
    const source = table.read(range, undefined, this.#user);
    if (point) return [show(source.next() ?? null)];
    const rows: Datum[] = [];
    for (let row = source.next(); row !== undefined; row = source.next()) {
      const code = primaryCode((row as DatumObject).get(table.primaryKey) ?? null);
      const shown = watches(this.#spec, code, row as DatumObject) ? show(row) : null;
      if (shown !== null) rows.push(shown);
    }
    return rows;
  }
}

/** One element of each list after the other, until all are through. */
function inTurns(lists: readonly (readonly Datum[])[]): Datum[] {
  const longest = Math.max(0, ...lists.map(({ length }) => length));
  const taken: Datum[] = [];
  for (let turn = 0; turn < longest; turn += 1) {
    for (const list of lists) if (turn < list.length) taken.push(list[turn]!);
  }
  return taken;
}
