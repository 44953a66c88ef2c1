/** The rows of a table in memory, readable in key order and shard by shard. */
import type { Datum, DatumObject } from "./datum.js";
import { type IndexRange, inRange } from "./index-range.js";
import { hashShard, hashShards } from "./key-code.js";
import type { Source } from "./sequence.js";

export interface Row {
  readonly key: Datum;
  readonly document: DatumObject;
  readonly shard: number;
}

export class RowStore {
  readonly #rows = new Map<string, Row>();
  /** Codes in order, some of them of rows that are gone. */
  #codes: string[] = [];
  #added: string[] = [];
  readonly #gone = new Set<string>();
  /** Changes when positions in `codes` do. */
  #layout = 0;

  get size(): number {
    return this.#rows.size;
  }

  get(code: string): Row | undefined {
    return this.#rows.get(code);
  }

  put(code: string, key: Datum, document: DatumObject): void {
    const known = this.#rows.get(code);
    if (!known && !this.#gone.delete(code)) this.#added.push(code);
    this.#rows.set(code, { key, document, shard: known?.shard ?? hashShard(code) });
  }

  delete(code: string): void {
    if (this.#rows.delete(code)) this.#gone.add(code);
  }

  copy(): RowStore {
    const copy = new RowStore();
    for (const [code, { key, document }] of this.#rows) copy.put(code, key, document);
    return copy;
  }

  entries(): IterableIterator<[string, Row]> {
    return this.#rows.entries();
  }

  get layout(): number {
    return this.#layout;
  }

  /** All codes ever listed, in order; those without a row are to be passed over. */
  ordered(): readonly string[] {
    if (this.#gone.size > 64 && this.#gone.size > this.#rows.size) this.#dropGone();
    if (this.#added.length > 0) this.#mergeAdded();
    return this.#codes;
  }

  #dropGone(): void {
    this.#codes = this.#codes.filter((code) => this.#rows.has(code));
    this.#added = this.#added.filter((code) => this.#rows.has(code));
    this.#gone.clear();
    this.#layout += 1;
  }

  #mergeAdded(): void {
    const last = this.#codes.at(-1);
    const added = this.#added.sort(byCode);
    this.#added = [];
    this.#layout += 1;
    if (last === undefined || added[0]! > last) this.#codes = this.#codes.concat(added);
    else if (added.length < 16) for (const code of added) this.#insert(code);
    else this.#codes = merged(this.#codes, added);
  }

  #insert(code: string): void {
    this.#codes.splice(firstAtLeast(this.#codes, code), 0, code);
  }
}

function byCode(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function merged(left: readonly string[], right: readonly string[]): string[] {
  const result: string[] = [];
  let i = 0;
  let j = 0;
  while (i < left.length && j < right.length) {
    if (left[i]! < right[j]!) result.push(left[i++]!);
    else result.push(right[j++]!);
  }
  return result.concat(left.slice(i), right.slice(j));
}

/** The number of the first code that is not less. */
export function firstAtLeast(codes: readonly string[], code: string): number {
  let low = 0;
  let high = codes.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (codes[middle]! < code) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Reads a range in key order. Rows written behind the place reached are seen, those before it are not. */
export class OrderedCursor implements Source {
  readonly #store: RowStore;
  readonly #range: IndexRange;
  readonly #step: 1 | -1;
  #last: string | undefined;
  #at = 0;
  #layout = -1;

  constructor(store: RowStore, range: IndexRange, order: "asc" | "desc") {
    this.#store = store;
    this.#range = range;
    this.#step = order === "asc" ? 1 : -1;
  }

  next(): Datum | undefined {
    const codes = this.#seek();
    const code = codes[this.#at];
    if (code === undefined) return undefined;
    this.#last = code;
    this.#at += this.#step;
    return this.#store.get(code)!.document;
  }

  exhausted(): boolean {
    return this.#seek()[this.#at] === undefined;
  }

  /** Moves to the next row in range, or to where there is none. */
  #seek(): readonly string[] {
    const codes = this.#store.ordered();
    if (this.#layout !== this.#store.layout) {
      this.#layout = this.#store.layout;
      this.#at = this.#step === 1 ? this.#firstAscending(codes) : this.#firstDescending(codes);
    }
    for (; this.#at >= 0 && this.#at < codes.length; this.#at += this.#step) {
      const code = codes[this.#at]!;
      if (!inRange(code, this.#range)) {
        if (this.#past(code)) break;
      } else if (this.#store.get(code)) return codes;
    }
    this.#at = -1;
    this.#layout = -1;
    return codes;
  }

  #past(code: string): boolean {
    return this.#step === 1 ? code >= this.#range.upper : code <= this.#range.lower;
  }

  #firstAscending(codes: readonly string[]): number {
    const from = firstAtLeast(codes, this.#last ?? this.#range.lower);
    return this.#last !== undefined && codes[from] === this.#last ? from + 1 : from;
  }

  #firstDescending(codes: readonly string[]): number {
    const from = firstAtLeast(codes, this.#last ?? this.#range.upper);
    return this.#last === undefined && codes[from] === this.#range.upper ? from : from - 1;
  }
}

/** Reads a range as nobody asks for an order: one hash shard after the other, or one of them only. */
export class ShardCursor implements Source {
  readonly #store: RowStore;
  readonly #range: IndexRange;
  readonly #lastShard: number;
  #shard: number;
  #last: string | undefined;
  #at = 0;
  #layout = -1;

  constructor(store: RowStore, range: IndexRange, only?: number) {
    this.#store = store;
    this.#range = range;
    this.#shard = only ?? 0;
    this.#lastShard = only ?? hashShards - 1;
  }

  next(): Datum | undefined {
    return this.nextRow()?.document;
  }

  nextRow(): { code: string; document: DatumObject } | undefined {
    const row = this.#seek();
    if (!row) return undefined;
    const code = this.#store.ordered()[this.#at]!;
    this.#last = code;
    this.#at += 1;
    return { code, document: row.document };
  }

  /** The code of the row that was given last in the current shard. */
  get lastCode(): string | undefined {
    return this.#last;
  }

  exhausted(): boolean {
    return this.#seek() === undefined;
  }

  #seek(): Row | undefined {
    const codes = this.#store.ordered();
    if (this.#layout !== this.#store.layout) this.#find(codes);
    for (; this.#shard <= this.#lastShard; this.#nextShard(codes)) {
      for (; this.#at < codes.length; this.#at += 1) {
        const code = codes[this.#at]!;
        if (code > this.#range.upper) break;
        const row = this.#store.get(code);
        if (row?.shard === this.#shard && inRange(code, this.#range)) return row;
      }
    }
    return undefined;
  }

  #nextShard(codes: readonly string[]): void {
    this.#shard += 1;
    this.#last = undefined;
    this.#find(codes);
  }

  #find(codes: readonly string[]): void {
    this.#layout = this.#store.layout;
    this.#at = firstAtLeast(codes, this.#last ?? this.#range.lower);
    if (this.#last !== undefined && codes[this.#at] === this.#last) this.#at += 1;
  }
}
