/** Databases, tables, and reading rows by key, keys and range. */
import type { Call } from "./call.js";
import { compare, type Datum, pseudoType } from "./datum.js";
import { define } from "./define-term.js";
import { checkName } from "./engine.js";
import { rangeBetween, wholeRange } from "./index-range.js";
import { primaryCode } from "./key-code.js";
import { logicError, opFailed, ReqlError } from "./reql-error.js";
import type { ReadMode, SelectionTable } from "./selection-table.js";
import { LazySource, Sequence, UnionSource } from "./sequence.js";
import { ShardsSource } from "./shard-rows.js";
import type { TermDefinition } from "./term-definition.js";
import { indexNotFound } from "./terms-aggregate.js";
import { times } from "./terms-core.js";
import { DatabaseRef, RowRef, TableRef, type Value } from "./value.js";

export const tableTerms: TermDefinition[] = [
  define(
    "DB",
    1,
    (call) => {
      const name = call.string(0);
      call.at(0, () => checkName(name, "Database"));
      const database = call.engine.database(name);
      return new DatabaseRef(database.id, database.name);
    },
    { deterministic: false },
  ),
  define("TABLE", [1, 2], table, {
    optargs: ["read_mode", "use_outdated", "identifier_format"],
    deterministic: false,
  }),
  define("GET", 2, (call) => {
    const { table: of, mode } = call.table(0);
    const key = call.datum(1);
    primaryCode(key);
    return new RowRef(of, mode, key);
  }),
  define("GET_ALL", [1, Infinity], getAll, { optargs: ["index"] }),
  define("BETWEEN", 3, between, { optargs: ["index", "left_bound", "right_bound"] }),
];

function table(call: Call): Value {
  const inDatabase = call.count === 2;
  const database = inDatabase ? call.database(0) : defaultDatabase(call);
  const place = inDatabase ? 1 : 0;
  const name = call.string(place);
  call.at(place, () => checkName(name, "Table"));
  const mode = readMode(call.stringOption("read_mode"));
  return new TableRef(findTable(call, database, name), mode, wholeRange);
}

/** @throws {ReqlError} when there is none of that name */
export function findTable(call: Call, database: DatabaseRef, name: string): SelectionTable {
  const found =
    database.name === "rethinkdb"
      ? call.engine.systemTables.get(name)
      : call.engine.findTable(database.id, name);
  if (found) return found;
  throw opFailed(`Table \`${database.name}.${name}\` does not exist.`);
}

/** The query's `db` option, or `test`. */
export function defaultDatabase(call: Call): DatabaseRef {
  const value = call.optarg("db");
  if (value instanceof DatabaseRef) return value;
  const database = call.engine.database("test");
  return new DatabaseRef(database.id, database.name);
}

function readMode(name: string | undefined): ReadMode {
  if (name === undefined) return "single";
  if (name === "single" || name === "majority" || name === "outdated") return name;
  throw logicError(
    `Read mode \`${name}\` unrecognized (options are "majority", "single", and "outdated").`,
  );
}

function getAll(call: Call): Value {
  const target = call.table(0);
  const index = indexOption(call, target);
  const keys = times(call.count - 1, (i) => lookupKey(call, i + 1)).sort(compare);
  const ranges = keys.map((key) => rangeBetween(index, key, key, { lower: false, upper: false }));
  const codes = new Set(ranges.map(({ lower }) => lower).sort());
  const range = { ...wholeRange, index };
  const rows = new LazySource(() => {
    target.table.checkReadable(call.user, target.mode);
    const shards = index === undefined ? target.table.shardRows(range, codes) : undefined;
    if (shards) return new ShardsSource(shards);
    return new UnionSource(ranges.map((one) => target.table.read(one, undefined, call.user)));
  });
  return new Sequence(rows, {
    selection: target.table,
    changes: { table: target.table, range, codes, transforms: [] },
  });
}

function lookupKey(call: Call, place: number): Datum {
  const key = call.datum(place);
  if (key === null) {
    throw call.error(place, new ReqlError("nonExistence", "Keys cannot be NULL."));
  }
  if (pseudoType(key) === "GEOMETRY") {
    throw call.error(
      place,
      logicError("Cannot use a geospatial index with `get_all`. Use `get_intersecting` instead."),
    );
  }
  return key;
}

/** The index that a term names; undefined for the primary one. */
function indexOption(call: Call, target: TableRef): string | undefined {
  const name = call.stringOption("index");
  if (name === undefined || name === target.table.primaryKey) return undefined;
  if (!target.table.hasIndex(name)) throw indexNotFound(name, target);
  return name;
}

function between(call: Call): Value {
  const target = call.arg(0);
  if (!(target instanceof TableRef)) {
    throw call.error(0, logicError("Expected type TABLE_SLICE but found DATUM."));
  }
  const open = {
    lower: boundOption(call, "left_bound", "closed") === "open",
    upper: boundOption(call, "right_bound", "open") === "open",
  };
  const lower = bound(call, 1);
  const upper = bound(call, 2);
  const index =
    target.order && !call.node.optargs.has("index")
      ? target.range.index
      : indexOption(call, target);
  if (target.isSlice && target.range.index !== index) {
    const named = (name: string | undefined) => name ?? target.table.primaryKey;
    throw logicError(
      `Cannot call BETWEEN on index \`${named(index)}\` after ordering on index \`${named(target.range.index)}\`.`,
    );
  }
  const range = rangeBetween(index, lower, upper, open);
  return new TableRef(target.table, target.mode, range, { order: target.order });
}

function bound(call: Call, place: number): Datum {
  const datum = call.datum(place);
  if (datum !== null) return datum;
  throw call.error(
    place,
    logicError(
      "Cannot use `null` in BETWEEN, use `r.minval` or `r.maxval` to denote unboundedness.",
    ),
  );
}

function boundOption(call: Call, name: string, otherwise: "open" | "closed"): "open" | "closed" {
  const given = call.stringOption(name) ?? otherwise;
  if (given === "open" || given === "closed") return given;
  throw logicError(`Expected \`open\` or \`closed\` for optarg \`${name}\` (got \`"${given}"\`).`);
}
