/** What one shard of a table holds of a range of the primary key, or of some keys, in the order of the keys. */
import type { Datum, DatumObject } from "./datum.js";
import { type IndexRange, inRange } from "./index-range.js";
import { type RowStore, ShardCursor } from "./row-store.js";
import type { Source } from "./sequence.js";

export interface ShardRows {
  readonly shard: number;
  /** Whether a row of that shard and code would be among them. */
  covers(shard: number, code: string): boolean;
  /** The next row, or undefined where there is none. */
  next(): { readonly code: string; readonly document: DatumObject } | undefined;
  /** Whether the server knows without another look that nothing comes after the row that `next` gave last. */
  readonly atEnd: boolean;
  /** Whether `next` would find nothing now. */
  exhausted(): boolean;
}

/** The rows of a range. Only a look that finds nothing tells that they are at their end. */
export class RangeRows implements ShardRows {
  readonly shard: number;
  readonly #range: IndexRange;
  readonly #cursor: ShardCursor;

  constructor(store: RowStore, range: IndexRange, shard: number, hashShard: number) {
    this.shard = shard;
    this.#range = range;
    this.#cursor = new ShardCursor(store, range, hashShard);
  }

  covers(shard: number, code: string): boolean {
    return this.shard === shard && inRange(code, this.#range);
  }

  next(): { code: string; document: DatumObject } | undefined {
    return this.#cursor.nextRow();
  }

  exhausted(): boolean {
    return this.#cursor.exhausted();
  }

  get atEnd(): boolean {
    return !this.#range.upperOpen && this.#cursor.lastCode === this.#range.upper;
  }
}

/** The rows of some keys, which are at their end when all keys have been looked up. */
export class KeyRows implements ShardRows {
  readonly shard: number;
  readonly #store: RowStore;
  readonly #codes: readonly string[];
  #at = 0;

  constructor(store: RowStore, codes: readonly string[], shard: number) {
    this.shard = shard;
    this.#store = store;
    this.#codes = codes;
  }

  covers(shard: number): boolean {
    return this.shard === shard;
  }

  next(): { code: string; document: DatumObject } | undefined {
    while (this.#at < this.#codes.length) {
      const code = this.#codes[this.#at]!;
      this.#at += 1;
      const row = this.#store.get(code);
      if (row) return { code, document: row.document };
    }
    return undefined;
  }

  exhausted(): boolean {
    return this.atEnd;
  }

  get atEnd(): boolean {
    return this.#at >= this.#codes.length;
  }
}

/** The rows of several shards: each look takes one of every shard that has one left. */
export class ShardsSource implements Source {
  #shards: ShardRows[];
  /** What the look at hand has taken and not given yet. */
  #taken: DatumObject[] = [];

  constructor(shards: readonly ShardRows[]) {
    this.#shards = [...shards];
  }

  next(): Datum | undefined {
    if (this.#taken.length === 0) this.#look();
    return this.#taken.shift();
  }

  exhausted(): boolean {
    return this.#taken.length === 0 && this.#shards.every((shard) => shard.exhausted());
  }

  get midLook(): boolean {
    return this.#taken.length > 0;
  }

  #look(): void {
    const rows = this.#shards.map((shard) => ({ shard, row: shard.next() }));
    this.#shards = rows.filter(({ row }) => row !== undefined).map(({ shard }) => shard);
    this.#taken = rows.flatMap(({ row }) => row?.document ?? []);
  }
}
