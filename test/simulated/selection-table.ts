import type { Change } from "./change-hub.js";
import type { Datum, DatumObject } from "./datum.js";
import type { IndexRange } from "./index-range.js";
import type { ReqlError } from "./reql-error.js";
import type { Source } from "./sequence.js";
import type { ShardRows } from "./shard-rows.js";

export interface Subscriber {
  accept(change: Change): void;
  /** Called when what was accepted may be looked at. */
  wake(): void;
  fail(error: ReqlError): void;
}

/** What a feed needs of its table's stream of changes. */
export interface ChangeStream {
  subscribe(subscriber: Subscriber): void;
  unsubscribe(subscriber: Subscriber): void;
  /** The number of the newest change made. */
  readonly newest: number;
  /** The newest change up to which a shard's have all been given to the subscribers; of all shards if none is named. */
  passed(shard?: number): number;
}

export type WriteFunction = (before: DatumObject | null) => Datum;

export interface WriteOptions {
  readonly user: string;
  readonly durability: "hard" | "soft" | undefined;
  readonly ignoreWriteHook: boolean;
  /** Set for inserts without a key, which system tables tell from others. */
  readonly generatedKey: boolean;
}

export type WriteOutcome =
  | {
      readonly before: DatumObject | null;
      readonly after: DatumObject | null;
      readonly error?: undefined;
    }
  | { readonly before: DatumObject | null; readonly after?: Datum; readonly error: string };

export type ReadMode = "single" | "majority" | "outdated";

/** A table as terms see it: the same for stored and for system tables. */
export interface SelectionTable {
  readonly id: string;
  readonly name: string;
  readonly databaseId: string;
  readonly databaseName: string;
  readonly primaryKey: string;
  readonly isSystem: boolean;
  /** @throws {ReqlError} when the table cannot be read now, or not by this user */
  checkReadable(user: string, mode: ReadMode): void;
  /** @throws {ReqlError} when the table cannot be written now, or not by this user */
  checkWritable(user: string): void;
  get(key: Datum, user: string): DatumObject | null;
  /** @param order undefined: in no particular order */
  read(range: IndexRange, order: "asc" | "desc" | undefined, user: string): Source;
  /** Writes one row, unless `next` refuses: its error is the outcome's. */
  write(key: Datum, next: WriteFunction, options: WriteOptions): WriteOutcome;
  changes(): ChangeStream;
  /** The values that an index has for a document; undefined where there is no such index. */
  indexCodes(index: string, document: DatumObject): string[] | undefined;
  /** The shard that a key code is in: a hash shard of a range shard. */
  shardOf(code: string): number;
  /** What each shard holds of a range of the primary key, or of some codes; undefined for tables without shards. */
  shardRows(range: IndexRange, codes: ReadonlySet<string> | undefined): ShardRows[] | undefined;
  hasIndex(index: string): boolean;
}
