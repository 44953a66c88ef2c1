/**
 * The copy of a table that a feed with `include_initial` gives beside its changes. It is read batch by batch, each
 * batch of the table as it then is; a change is dropped if its key has not been read yet, for the row will hold it, or
 * if the batch that read its key came after it.
 */
import type { Batch } from "./batch.js";
import type { Change } from "./change-hub.js";
import type { ChangeSpec } from "./change-spec.js";
import { type Datum, isObject } from "./datum.js";
import { primaryCode } from "./key-code.js";
import type { ChangeStream } from "./selection-table.js";
import { ArraySource, type Source } from "./sequence.js";

/** The end of what one batch read, and the newest change it contains. */
interface Mark {
  readonly shard: number;
  readonly code: string;
  readonly change: number;
}

export class InitialRead {
  /** Set by the feed when every change that a batch contains has been seen. */
  finished = false;
  readonly #spec: ChangeSpec;
  readonly #stream: ChangeStream;
  readonly #source: Source;
  readonly #marks: Mark[] = [];
  #done = false;

  constructor(spec: ChangeSpec, stream: ChangeStream, user: string) {
    this.#spec = spec;
    this.#stream = stream;
    this.#source = this.#open(user);
  }

  /** Reads rows until the batch is full or the table is at its end. */
  read(batch: Batch, give: (row: Datum) => void): void {
    if (this.#done) return;
    const change = this.#stream.newest;
    let last: Datum | undefined;
    while (!batch.full) {
      const row = this.#source.next();
      if (row === undefined) break;
      last = row;
      give(row);
    }
    if (this.#source.exhausted()) {
      this.#done = true;
      this.#marks.push({ shard: Infinity, code: "", change });
    } else if (last !== undefined && isObject(last)) {
      const code = primaryCode(last.get(this.#spec.table.primaryKey) ?? null);
      this.#marks.push({ shard: this.#spec.table.shardOf(code), code, change });
    }
  }

  /** Whether a change is to be given: its key was read before it happened. */
  covers({ shard, code, number }: Change): boolean {
    const mark = this.#marks.find(
      (end) => shard < end.shard || (shard === end.shard && code <= end.code),
    );
    return mark !== undefined && number > mark.change;
  }

  /** Whether all is read and every change that it contains has arrived, so that what comes now is new. */
  settled(): boolean {
    const newest = this.#marks.at(-1)?.change ?? 0;
    return this.#done && this.#stream.deliveredThrough(newest);
  }

  /** An index's rows stand in no order that marks could follow, so they are read at once. */
  #open(user: string): Source {
    const { table, range, point } = this.#spec;
    if (point) {
      const row = table.read(range, undefined, user).next();
      return new ArraySource([row ?? null]);
    }
    const source = table.read(range, undefined, user);
    if (range.index === undefined) return source;
    this.#marks.push({ shard: Infinity, code: "", change: this.#stream.newest });
    const rows: Datum[] = [];
    for (let row = source.next(); row !== undefined; row = source.next()) rows.push(row);
    return new ArraySource(rows);
  }
}
