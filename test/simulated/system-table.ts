/** A table of the database `rethinkdb`: its rows are made when they are read. */
import { createHash } from "node:crypto";
import { ChangeHub } from "./change-hub.js";
import { type Datum, type DatumObject, equal, isObject, typeName } from "./datum.js";
import type { Engine } from "./engine.js";
import { type IndexRange, inRange } from "./index-range.js";
import { prettyText } from "./json-text.js";
import { primaryCode } from "./key-code.js";
import { formatUuid } from "./random.js";
import { logicError, opFailed, ReqlError } from "./reql-error.js";
import type {
  ChangeStream,
  SelectionTable,
  Subscriber,
  WriteFunction,
  WriteOptions,
  WriteOutcome,
} from "./selection-table.js";
import { ArraySource, type Source } from "./sequence.js";
import type { TimerHandle } from "./timers.js";
import { notPermitted, SYSTEM_DATABASE_ID } from "./users.js";

export interface SystemTableDefinition {
  readonly name: string;
  /** In no particular order. `user` is who reads. */
  readonly rows: (engine: Engine, user: string) => DatumObject[];
  /** Applies a written row; null deletes. @throws {ReqlError} when the row is refused */
  readonly write?: (engine: Engine, row: SystemWrite) => DatumObject | null;
  /** True: changes are sent when they happen. False: the table is looked at every second. */
  readonly pushes: boolean;
}

export interface SystemWrite {
  readonly key: Datum;
  readonly before: DatumObject | null;
  readonly after: DatumObject | null;
  readonly generatedKey: boolean;
  readonly user: string;
}

const POLL_MS = 1000;
const TABLE_NAMESPACE = Buffer.from("0eabef016deb40699a2d448db057ab1e", "hex");

export class SystemTable implements SelectionTable, ChangeStream {
  readonly id: string;
  readonly name: string;
  readonly databaseId = SYSTEM_DATABASE_ID;
  readonly databaseName = "rethinkdb";
  readonly primaryKey = "id";
  readonly isSystem = true;
  readonly pushes: boolean;
  readonly #engine: Engine;
  readonly #definition: SystemTableDefinition;
  readonly #hub: ChangeHub;
  readonly #watchers = new Set<Subscriber>();
  #seen = new Map<string, DatumObject>();
  #timer: TimerHandle;

  constructor(engine: Engine, definition: SystemTableDefinition) {
    this.#engine = engine;
    this.#definition = definition;
    this.name = definition.name;
    this.pushes = definition.pushes;
    this.id = tableId(definition.name);
    this.#hub = engine.makeHub(0);
  }

  get newest(): number {
    return this.#hub.newest;
  }

  checkReadable(user: string): void {
    if (this.#engine.outages.refusedReadings.has(this.name)) throw notPermitted(user, "read");
    this.#engine.users.require(user, "read", this);
  }

  checkWritable(user: string): void {
    this.#engine.users.require(user, "read", this);
    this.#engine.users.require(user, "write", this);
  }

  get(key: Datum, user: string): DatumObject | null {
    return this.#rows(user).find((row) => equal(row.get("id") ?? null, key)) ?? null;
  }

  read(range: IndexRange, order: "asc" | "desc" | undefined, user: string): Source {
    const rows = this.#rows(user)
      .map((row) => ({ row, code: primaryCode(row.get("id") ?? null) }))
      .filter(({ code }) => inRange(code, range));
    if (order) rows.sort((a, b) => (a.code < b.code === (order === "asc") ? -1 : 1));
    return new ArraySource(rows.map(({ row }) => row));
  }

  write(key: Datum, next: WriteFunction, options: WriteOptions): WriteOutcome {
    const before = this.get(key, options.user);
    let after: Datum | undefined;
    try {
      after = next(before);
      checkRow(key, after);
      const { generatedKey, user } = options;
      const result = this.#apply({
        key,
        before,
        after: after as DatumObject | null,
        generatedKey,
        user,
      });
      this.#engine.noteMetadataChange();
      return { before, after: result };
    } catch (error) {
      if (!(error instanceof ReqlError)) throw error;
      if (error.kind === "permission") throw error;
      return { before, ...(after !== undefined && { after }), error: error.message };
    }
  }

  changes(): ChangeStream {
    return this;
  }

  hasIndex(): boolean {
    return false;
  }

  indexCodes(): undefined {
    return undefined;
  }

  shardOf(): number {
    return 0;
  }

  shardRows(): undefined {
    return undefined;
  }

  subscribe(subscriber: Subscriber): void {
    if (this.#watchers.size === 0) this.#seen = this.#snapshot();
    else this.refresh();
    this.#watchers.add(subscriber);
    this.#hub.subscribe(subscriber);
    this.#poll();
  }

  unsubscribe(subscriber: Subscriber): void {
    this.#watchers.delete(subscriber);
    this.#hub.unsubscribe(subscriber);
    if (this.#watchers.size > 0 || this.#timer === undefined) return;
    this.#engine.timers.clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  passed(): number {
    return this.#hub.passed();
  }

  /** Sends what has changed since the last look. */
  refresh(): void {
    if (this.#watchers.size === 0) return;
    const seen = this.#seen;
    const rows = this.#snapshot();
    this.#seen = rows;
    for (const [code, before] of seen) {
      if (!rows.has(code)) this.#emit(code, before, null);
    }
    for (const [code, after] of rows) {
      const before = seen.get(code) ?? null;
      if (!before || !equal(before, after)) this.#emit(code, before, after);
    }
  }

  #poll(): void {
    if (this.pushes || this.#timer !== undefined) return;
    this.#timer = this.#engine.timers.setTimeout(() => {
      this.#timer = undefined;
      this.refresh();
      if (this.#watchers.size > 0) this.#poll();
    }, POLL_MS);
  }

  #emit(code: string, before: DatumObject | null, after: DatumObject | null): void {
    const key = (after ?? before)?.get("id") ?? null;
    this.#hub.emit({ code, shard: 0, key, before, after });
  }

  #snapshot(): Map<string, DatumObject> {
    const rows = this.#definition.rows(this.#engine, "admin");
    return new Map(rows.map((row) => [primaryCode(row.get("id") ?? null), row]));
  }

  #rows(user: string): DatumObject[] {
    return this.#definition.rows(this.#engine, user);
  }

  #apply(write: SystemWrite): DatumObject | null {
    if (!this.#definition.write) {
      throw opFailed(`It's illegal to write to the \`rethinkdb.${this.name}\` table.`);
    }
    return this.#definition.write(this.#engine, write);
  }
}

function checkRow(key: Datum, after: Datum): void {
  if (after === null) return;
  if (!isObject(after)) {
    throw logicError(
      `Inserted value must be an OBJECT (got ${typeName(after)}):\n${prettyText(after)}`,
    );
  }
  if (!equal(after.get("id") ?? null, key)) {
    throw logicError(`Primary key \`id\` cannot be changed (null -> ${prettyText(after)})`);
  }
}

function tableId(name: string): string {
  const bytes = createHash("sha1").update(TABLE_NAMESPACE).update(name).digest();
  bytes[6] = (bytes.readUInt8(6) & 0x0f) | 0x50;
  bytes[8] = (bytes.readUInt8(8) & 0x3f) | 0x80;
  return formatUuid(bytes);
}
