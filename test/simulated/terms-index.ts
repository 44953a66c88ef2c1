/** Secondary indexes and write hooks. */
import type { Call } from "./call.js";
import { BinaryDatum, type Datum, type DatumObject, record } from "./datum.js";
import { define } from "./define-term.js";
import { functionText } from "./function-blob.js";
import { indexNames } from "./metadata-rows.js";
import { logicError, NotYet, opFailed } from "./reql-error.js";
import type { StoredFunction } from "./reql-function.js";
import {
  type IndexDefinition,
  indexBlob,
  readIndexBlob,
  SecondaryIndex,
} from "./secondary-index.js";
import { StoredTable } from "./stored-table.js";
import type { TermDefinition } from "./term-definition.js";
import { termId } from "./term-ids.js";
import { times } from "./terms-core.js";
import { isFunction } from "./value.js";
import { readHookBlob, WriteHook } from "./write-hook.js";

const changing = { deterministic: false };

export const indexTerms: TermDefinition[] = [
  define("INDEX_CREATE", [2, 3], indexCreate, { optargs: ["multi", "geo"], ...changing }),
  define("INDEX_DROP", 2, indexDrop, changing),
  define("INDEX_LIST", 1, (call) => indexNames(storedTable(call)), changing),
  define("INDEX_STATUS", [1, Infinity], (call) => statuses(call), changing),
  define("INDEX_WAIT", [1, Infinity], indexWait, changing),
  define("INDEX_RENAME", 3, indexRename, { optargs: ["overwrite"], ...changing }),
  define("SET_WRITE_HOOK", 2, setWriteHook, changing),
  define("GET_WRITE_HOOK", 1, (call) => configurable(call).writeHook?.row ?? null, changing),
];

/** @throws {ReqlError} for system tables, which have no indexes */
export function storedTable(call: Call): StoredTable {
  const { table } = call.table(0);
  if (table instanceof StoredTable) return table;
  throw opFailed(
    `Database \`rethinkdb\` is special; you can't create secondary indexes on the tables in it.`,
  );
}

/** The table, for a user who may configure it. */
function configurable(call: Call): StoredTable {
  const table = storedTable(call);
  call.engine.users.require(call.user, "config", table);
  return table;
}

function fullName(table: StoredTable): string {
  return `${table.databaseName}.${table.name}`;
}

function indexCreate(call: Call): Datum {
  const table = storedTable(call);
  const name = call.string(1);
  if (name === table.primaryKey) throw primaryKeyName(name);
  const definition = indexDefinition(call, name);
  call.engine.users.require(call.user, "config", table);
  if (table.indexes.has(name)) {
    throw opFailed(`Index \`${name}\` already exists on table \`${fullName(table)}\`.`);
  }
  const { timers, options } = call.engine;
  const readyAtMs = timers.now() + options.indexBuildMs;
  table.indexes.set(
    name,
    new SecondaryIndex(definition, call.engine.restore(definition.stored), readyAtMs),
  );
  // Seen on the real server: its construction counts as a read and a write of each document.
  table.noteRead(table.rows.size);
  table.noteWritten(table.rows.size);
  return record({ created: 1 });
}

function indexDefinition(call: Call, name: string): IndexDefinition {
  const given = call.has(2) ? call.arg(2) : undefined;
  let definition: IndexDefinition;
  if (given instanceof BinaryDatum) definition = readIndexBlob(given);
  else if (given === undefined) definition = plain(fieldOf(name));
  else if (isFunction(given) && given.stored) {
    if (!given.isDeterministic)
      throw logicError(
        "Could not prove function deterministic.  Index functions must be deterministic.",
      );
    definition = plain(given.stored);
  } else throw call.error(2, logicError("Expected type FUNCTION but found DATUM:\nVALUE DATUM"));
  const flag = (option: "multi" | "geo") =>
    call.node.optargs.has(option) ? call.flag(option) : definition[option];
  return { ...definition, multi: flag("multi"), geo: flag("geo") };
}

function plain(stored: StoredFunction): IndexDefinition {
  return { stored, multi: false, geo: false };
}

/** The function that reads the field of the index's own name. */
function fieldOf(name: string): StoredFunction {
  const body = [termId.GET_FIELD, [[termId.VAR, [1]], name]];
  return { term: [termId.FUNC, [[termId.MAKE_ARRAY, [1]], body]], outer: [] };
}

function primaryKeyName(name: string): Error {
  return logicError(`Index name conflict: \`${name}\` is the name of the primary key.`);
}

function indexDrop(call: Call): Datum {
  const table = configurable(call);
  const name = call.string(1);
  if (!table.indexes.delete(name)) {
    throw opFailed(`Index \`${name}\` does not exist on table \`${fullName(table)}\`.`);
  }
  return record({ dropped: 1 });
}

function indexRename(call: Call): Datum {
  const table = configurable(call);
  const [from, to] = [call.string(1), call.string(2)];
  for (const name of [from, to]) if (name === table.primaryKey) throw primaryKeyName(name);
  const overwrite = call.flag("overwrite");
  const index = table.indexes.get(from);
  if (!index && overwrite) {
    throw opFailed(`Index \`${from}\` does not exist on table \`${fullName(table)}\`.`);
  }
  if (!index || (table.indexes.has(to) && !overwrite && from !== to)) {
    throw opFailed(
      `Index \`${from}\` does not exist or index \`${to}\` already exists on table \`${fullName(table)}\`.`,
    );
  }
  table.indexes.delete(from);
  table.indexes.set(to, index);
  return record({ renamed: from === to ? 0 : 1 });
}

function statuses(call: Call): DatumObject[] {
  const table = storedTable(call);
  const wanted = times(call.count - 1, (i) => call.string(i + 1));
  const missing = wanted.find((name) => !table.indexes.has(name));
  if (missing !== undefined) {
    throw opFailed(`Index \`${missing}\` was not found on table \`${fullName(table)}\`.`);
  }
  const shown = indexNames(table).filter((name) => wanted.length === 0 || wanted.includes(name));
  return shown.map((name) => status(call, name, table.indexes.get(name)!));
}

function status(call: Call, name: string, index: SecondaryIndex): DatumObject {
  const { definition } = index;
  const ready = index.readyAtMs <= call.engine.timers.now();
  return record({
    function: indexBlob(definition),
    geo: definition.geo,
    index: name,
    multi: definition.multi,
    outdated: false,
    ...(!ready && { progress: 0 }),
    query: indexQuery(name, definition),
    ready,
  });
}

/** The query that makes such an index. */
export function indexQuery(name: string, { stored, multi, geo }: IndexDefinition): string {
  const options = [multi && "multi: true", geo && "geo: true"].filter(Boolean);
  const tail = options.length > 0 ? `, {${options.join(", ")}}` : "";
  return `indexCreate('${name}', ${functionText(stored)}${tail})`;
}

const INDEX_POLL_MS = 50;

function indexWait(call: Call): Datum {
  const rows = statuses(call);
  if (rows.every((row) => row.get("ready") === true)) return rows;
  throw new NotYet(INDEX_POLL_MS);
}

function setWriteHook(call: Call): Datum {
  const table = storedTable(call);
  const value = call.arg(1);
  const existed = table.writeHook !== undefined;
  if (value === null) {
    call.engine.users.require(call.user, "config", table);
    table.writeHook = undefined;
    return record({ deleted: 1 });
  }
  const stored = value instanceof BinaryDatum ? readHookBlob(value) : hookFunction(call);
  const fn = call.engine.restore(stored);
  if (!fn.isDeterministic)
    throw logicError(
      "Could not prove function deterministic.  Write hook functions must be deterministic.",
    );
  if (fn.arity !== 3) throw logicError("Write hook functions must expect 3 arguments.");
  call.engine.users.require(call.user, "config", table);
  table.writeHook = new WriteHook(stored, fn);
  return record({ [existed ? "replaced" : "created"]: 1 });
}

function hookFunction(call: Call): StoredFunction {
  const { stored } = call.function(1);
  if (stored) return stored;
  throw logicError("Expected type FUNCTION but found DATUM:\nVALUE DATUM");
}
