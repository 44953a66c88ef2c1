/** Writing rows: insert, update, replace, delete, sync. */
import type { Call } from "./call.js";
import {
  type Datum,
  type DatumObject,
  equal,
  isArray,
  isObject,
  record,
  typeName,
  withField,
} from "./datum.js";
import { define } from "./define-term.js";
import { prettyText } from "./json-text.js";
import { primaryCode } from "./key-code.js";
import { merge } from "./pseudo-types.js";
import { logicError, opFailed, ReqlError } from "./reql-error.js";
import type { ReqlFunction } from "./reql-function.js";
import type {
  SelectionTable,
  WriteFunction,
  WriteOptions,
  WriteOutcome,
} from "./selection-table.js";
import { Sequence } from "./sequence.js";
import { StoredTable } from "./stored-table.js";
import { isDeterministic } from "./term.js";
import type { TermDefinition } from "./term-definition.js";
import { isFunction, RowRef, TableRef, toDatum, type Value } from "./value.js";
import { emptyStats, mergeStats } from "./write-stats.js";

const writeOptargs = ["durability", "return_vals", "return_changes", "ignore_write_hook"];

export const writeTerms: TermDefinition[] = [
  define("INSERT", 2, insert, { optargs: ["conflict", ...writeOptargs], deterministic: false }),
  define("REPLACE", 2, replace, { optargs: ["non_atomic", ...writeOptargs], deterministic: false }),
  define("UPDATE", 2, update, { optargs: ["non_atomic", ...writeOptargs], deterministic: false }),
  define("DELETE", 1, remove, { optargs: writeOptargs, deterministic: false }),
  define("SYNC", 1, sync, { deterministic: false }),
];

type ReturnChanges = "no" | "changed" | "always";

interface Write {
  readonly table: SelectionTable;
  readonly returnChanges: ReturnChanges;
  readonly options: WriteOptions;
}

function writeOn(call: Call, table: SelectionTable): Write {
  const ignoreWriteHook = call.flag("ignore_write_hook");
  if (ignoreWriteHook) call.engine.users.requireUncaught(call.user, "config", table);
  const write: Write = {
    table,
    returnChanges: returnChanges(call),
    options: {
      user: call.user,
      durability: durabilityOption(call),
      ignoreWriteHook,
      generatedKey: false,
    },
  };
  table.checkWritable(call.user);
  return write;
}

/** @throws {ReqlError} for what is neither hard nor soft */
export function durabilityOption(call: Call): "hard" | "soft" | undefined {
  const name = call.stringOption("durability");
  if (name === undefined || name === "hard" || name === "soft") return name;
  throw call.error(
    "durability",
    logicError(`Durability option \`${name}\` unrecognized (options are "hard" and "soft").`),
  );
}

function returnChanges(call: Call): ReturnChanges {
  const datum = call.datumOption("return_changes");
  if (datum === undefined || datum === false || datum === null) return "no";
  if (typeof datum !== "string") return "changed";
  if (datum === "always") return "always";
  throw logicError(
    `Invalid return_changes value \`${datum}\` (options are \`true\`, \`false\`, and \`'always'\`.)`,
  );
}

function insert(call: Call): Datum {
  const { table } = call.table(0);
  const write = writeOn(call, table);
  const resolve = conflictResolution(call, table);
  const generated: string[] = [];
  let stats = emptyStats;
  for (const document of documents(call)) {
    stats = mergeStats(stats, insertOne(call, write, document, resolve, generated));
  }
  return generated.length > 0 ? withField(stats, "generated_keys", generated) : stats;
}

function documents(call: Call): readonly Datum[] {
  const value = call.arg(1);
  if (value instanceof Sequence) return value.toArray();
  if (value instanceof TableRef) return value.rows(call.user).toArray();
  const datum = toDatum(value, call.user);
  if (isArray(datum)) return datum;
  if (isObject(datum) && !datum.has("$reql_type$")) return [datum];
  throw call.error(1, logicError(`Cannot convert ${typeName(datum)} to SEQUENCE`));
}

type Resolve = (before: DatumObject, inserted: DatumObject) => Datum;

function conflictResolution(call: Call, table: SelectionTable): Resolve {
  const conflict = call.optarg("conflict");
  if (conflict !== undefined && isFunction(conflict)) return byFunction(call, conflict, table);
  const name = call.stringOption("conflict") ?? "error";
  if (name === "replace") return (_before, inserted) => inserted;
  if (name === "update") return merge;
  if (name === "error") {
    return (before, inserted) => {
      const rows = `${prettyText(before)}\n${prettyText(inserted)}`;
      throw opFailed(`Duplicate primary key \`${table.primaryKey}\`:\n${rows}`);
    };
  }
  throw call.error(
    "conflict",
    logicError(
      `Conflict option \`${name}\` unrecognized (options are "error", "replace" and "update").`,
    ),
  );
}

function byFunction(call: Call, conflict: ReqlFunction, table: SelectionTable): Resolve {
  if (!conflict.isDeterministic) {
    throw logicError("The conflict function passed to `insert` must be deterministic.");
  }
  if (conflict.arity !== 3 && conflict.arity !== 0) {
    throw logicError("The conflict function passed to `insert` should expect 3 arguments.");
  }
  return (before, inserted) => call.apply(conflict, table.primaryKey, before, inserted);
}

function insertOne(
  call: Call,
  write: Write,
  datum: Datum,
  resolve: Resolve,
  generated: string[],
): DatumObject {
  let document: DatumObject;
  let generatedKey = false;
  try {
    document = insertable(datum);
    if (!document.has(write.table.primaryKey)) {
      const key = call.engine.random.uuid();
      generated.push(key);
      generatedKey = true;
      document = withField(document, write.table.primaryKey, key);
    }
    primaryCode(document.get(write.table.primaryKey) ?? null);
  } catch (error) {
    if (!(error instanceof ReqlError)) throw error;
    return refused(write, null, error.message);
  }
  const key = document.get(write.table.primaryKey) ?? null;
  return writeOne({ ...write, options: { ...write.options, generatedKey } }, key, (before) =>
    before ? resolve(before, document) : document,
  );
}

function insertable(datum: Datum): DatumObject {
  if (isObject(datum) && !datum.has("$reql_type$")) return datum;
  if (isObject(datum)) {
    throw logicError(`Cannot insert a ${typeName(datum)}:\n${prettyText(datum)}`);
  }
  throw logicError(`Expected type OBJECT but found ${typeName(datum)}.`);
}

function writeOne(write: Write, key: Datum, next: WriteFunction): DatumObject {
  const outcome = write.table.write(key, next, write.options);
  if (outcome.error !== undefined) {
    return refused(write, outcome.before, outcome.error);
  }
  return accepted(write, outcome);
}

function accepted(
  { returnChanges: wanted }: Write,
  { before, after }: Extract<WriteOutcome, { error?: undefined }>,
): DatumObject {
  const unchanged = before === after || (before !== null && after !== null && equal(before, after));
  const what = before
    ? after
      ? unchanged
        ? "unchanged"
        : "replaced"
      : "deleted"
    : after
      ? "inserted"
      : "skipped";
  if (wanted === "no") return new Map([[what, 1]]);
  const change = record({ new_val: after, old_val: before });
  const changes = unchanged && wanted === "changed" ? [] : [change];
  return record({ changes, [what]: 1 });
}

function refused(write: Write, before: Datum, message: string): DatumObject {
  const stats = { errors: 1, first_error: message };
  if (write.returnChanges === "no") return record(stats);
  if (write.returnChanges === "changed") return record({ ...stats, changes: [] });
  const change = record({ error: message, new_val: before, old_val: before });
  return record({ ...stats, changes: [change] });
}

function replace(call: Call): Datum {
  checkAtomic(call, 1);
  const by = call.function(1, "constant");
  return writeSelection(call, (before) => call.apply(by, before));
}

function update(call: Call): Datum {
  checkAtomic(call, 1);
  const value = call.arg(1);
  const by = isFunction(value) ? value : undefined;
  const constant = by ? null : toDatum(value, call.user);
  return writeSelection(call, (before) => {
    if (!before) return null;
    const change = by ? call.apply(by, before) : constant;
    if (change === null) return before;
    if (!isObject(change)) {
      throw logicError(
        `Inserted value must be an OBJECT (got ${typeName(change)}):\n${prettyText(change)}`,
      );
    }
    return merge(before, change);
  });
}

function remove(call: Call): Datum {
  return writeSelection(call, () => null);
}

function checkAtomic(call: Call, place: number): void {
  if (call.flag("non_atomic") || isDeterministic(call.argNode(place))) return;
  throw logicError(
    "Could not prove argument deterministic.  Maybe you want to use the non_atomic flag?",
  );
}

function writeSelection(call: Call, next: WriteFunction): Datum {
  const target = call.arg(0);
  if (target instanceof RowRef) {
    const write = writeOn(call, target.table);
    return mergeStats(emptyStats, writeOne(write, target.key, next));
  }
  const { table, rows } = selection(call, target);
  const write = writeOn(call, table);
  let stats = emptyStats;
  for (const row of rows) {
    const key = (row as DatumObject).get(table.primaryKey) ?? null;
    stats = mergeStats(stats, writeOne(write, key, next));
  }
  return stats;
}

function selection(call: Call, target: Value): { table: SelectionTable; rows: Datum[] } {
  const sequence = target instanceof TableRef ? target.rows(call.user) : target;
  if (sequence instanceof Sequence && sequence.traits.selection) {
    return { table: sequence.traits.selection, rows: sequence.toArray() };
  }
  const found = sequence instanceof Sequence ? "SEQUENCE" : "DATUM";
  throw call.error(0, logicError(`Expected type SELECTION but found ${found}:\nVALUE ${found}`));
}

function sync(call: Call): Datum {
  const { table } = call.table(0);
  table.checkWritable(call.user);
  if (!(table instanceof StoredTable)) throw opFailed("Artificial tables don't support `sync()`.");
  table.unflushed.flush();
  return record({ synced: 1 });
}
