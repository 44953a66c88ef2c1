/** Counting, summing, reducing, grouping, ordering. */
import type { Call } from "./call.js";
import { compare, type Datum, equal, record } from "./datum.js";
import { define, defineForGroups } from "./define-term.js";
import { wholeRange } from "./index-range.js";
import { logicError, ReqlError } from "./reql-error.js";
import { constantFunction, fieldFunction, type ReqlFunction } from "./reql-function.js";
import { Sequence } from "./sequence.js";
import type { TermDefinition } from "./term-definition.js";
import { termId } from "./term-ids.js";
import { times } from "./terms-core.js";
import {
  expectNumber,
  Grouped,
  isFunction,
  TableRef,
  toDatum,
  toSequence,
  truth,
  type Value,
} from "./value.js";

export const aggregateTerms: TermDefinition[] = [
  defineForGroups("COUNT", [1, 2], count),
  defineForGroups("SUM", [1, 2], (call) => numbers(call).reduce((sum, value) => sum + value, 0)),
  defineForGroups("AVG", [1, 2], (call) => {
    const values = numbers(call);
    if (values.length === 0) throw emptyError("avg");
    return values.reduce((sum, value) => sum + value, 0) / values.length;
  }),
  defineForGroups("MIN", [1, 2], (call) => extreme(call, -1, "min"), { optargs: ["index"] }),
  defineForGroups("MAX", [1, 2], (call) => extreme(call, 1, "max"), { optargs: ["index"] }),
  defineForGroups("REDUCE", 2, reduce, { optargs: ["base"] }),
  define("GROUP", [1, Infinity], group, { optargs: ["index", "multi"] }),
  define("UNGROUP", 1, ungroup),
  defineForGroups("ORDER_BY", [1, Infinity], orderBy, { optargs: ["index"] }),
  define("ASC", 1, (call) => call.arg(0)),
  define("DESC", 1, (call) => call.arg(0)),
];

function count(call: Call): Datum {
  const sequence = call.sequence(0);
  let total = 0;
  const wanted = call.has(1) ? call.arg(1) : undefined;
  sequence.forEach((row) => {
    if (wanted === undefined) total += 1;
    else if (isFunction(wanted)) total += truth(call.apply(wanted, row)) ? 1 : 0;
    else total += equal(row, toDatum(wanted, call.user)) ? 1 : 0;
  });
  return total;
}

/** The elements' own numbers, or those that a function or field gives; elements without are left out. */
function numbers(call: Call): number[] {
  const by = call.has(1) ? call.function(1, "field") : undefined;
  const values: number[] = [];
  call.sequence(0).forEach((row) => {
    const value = by ? valueBy(call, by, row) : row;
    if (value !== undefined) values.push(expectNumber(value));
  });
  return values;
}

function valueBy(call: Call, by: ReqlFunction, row: Datum): Datum | undefined {
  try {
    return call.apply(by, row);
  } catch (error) {
    if (error instanceof ReqlError && error.kind === "nonExistence") return undefined;
    throw error;
  }
}

function extreme(call: Call, sign: 1 | -1, name: string): Datum {
  const index = call.stringOption("index");
  const by = call.has(1)
    ? call.function(1, "field")
    : index === undefined
      ? undefined
      : fieldFunction(index);
  let best: { row: Datum; value: Datum } | undefined;
  call.sequence(0).forEach((row) => {
    const value = by ? valueBy(call, by, row) : row;
    if (value === undefined) return;
    if (!best || compare(value, best.value) * sign > 0) best = { row, value };
  });
  if (!best) throw emptyError(name);
  return best.row;
}

function emptyError(name: string): ReqlError {
  const hint = `  (If you passed \`${name}\` a field name, it may be that no elements of the stream had that field.)`;
  return new ReqlError(
    "nonExistence",
    `Cannot take the ${name === "avg" ? "average" : name} of an empty stream.${hint}`,
  );
}

function reduce(call: Call): Datum {
  const fn = call.function(1);
  let result: Datum | undefined;
  call.sequence(0).forEach((row) => {
    result = result === undefined ? row : call.apply(fn, result, row);
  });
  if (result === undefined) {
    throw new ReqlError(
      "nonExistence",
      "Cannot reduce over an empty stream.",
      call.argNode(1).args[0],
    );
  }
  return result;
}

function group(call: Call): Value {
  const byFields = times(call.count - 1, (i) => call.function(i + 1, "field"));
  const index = call.stringOption("index");
  const by = index === undefined ? byFields : [...byFields, fieldFunction(index)];
  if (by.length === 0) throw logicError("Cannot group by nothing.");
  const groups: { key: Datum; rows: Datum[] }[] = [];
  call.sequence(0).forEach((row) => {
    const keys = by.map((fn) => valueBy(call, fn, row) ?? null);
    const key = keys.length === 1 ? keys[0]! : keys;
    const known = groups.find((other) => equal(other.key, key));
    if (known) known.rows.push(row);
    else groups.push({ key, rows: [row] });
  });
  groups.sort((a, b) => compare(a.key, b.key));
  return new Grouped(groups.map(({ key, rows }) => ({ key, value: Sequence.ofArray(rows) })));
}

function ungroup(call: Call): Datum {
  const grouped = call.arg(0);
  if (!(grouped instanceof Grouped))
    throw logicError("Expected type GROUPED_DATA but found DATUM.");
  return grouped.groups.map(({ key, value }) =>
    record({ group: key, reduction: value instanceof Sequence ? value.toArray() : value }),
  );
}

/** What a query that ends in groups answers. */
export function groupedDatum(grouped: Grouped): Datum {
  const data = grouped.groups.map(({ key, value }) => [
    key,
    value instanceof Sequence ? value.toArray() : value,
  ]);
  return new Map<string, Datum>([
    ["$reql_type$", "GROUPED_DATA"],
    ["data", data],
  ]);
}

interface Ordering {
  by: ReqlFunction;
  sign: 1 | -1;
}

function orderBy(call: Call): Value {
  const indexed = orderByIndex(call);
  if (call.count === 1) {
    if (!indexed) throw logicError("Must specify something to order by.");
    return indexed;
  }
  const sequence = toSequence(indexed ?? call.arg(0), call.user);
  const orderings = times(call.count - 1, (i) => ordering(call, i + 1));
  const rows = sequence.toArray();
  const keyed = rows.map((row) => ({
    row,
    keys: orderings.map(({ by }) => valueBy(call, by, row)),
  }));
  keyed.sort((a, b) => compareKeys(a.keys, b.keys, orderings));
  const { selection } = sequence.traits;
  return Sequence.ofArray(
    keyed.map(({ row }) => row),
    { ...(selection && { selection }), unwatchable: "eager" },
  );
}

/** Rows without a value come first. */
function compareKeys(
  a: readonly (Datum | undefined)[],
  b: readonly (Datum | undefined)[],
  orderings: readonly Ordering[],
): number {
  for (const [i, { sign }] of orderings.entries()) {
    const [x, y] = [a[i], b[i]];
    const order =
      x === undefined || y === undefined
        ? Number(x !== undefined) - Number(y !== undefined)
        : compare(x, y);
    if (order !== 0) return order * sign;
  }
  return 0;
}

function ordering(call: Call, index: number): Ordering {
  const value = call.arg(index);
  const sign = call.argNode(index).definition.id === termId.DESC ? -1 : 1;
  if (isFunction(value)) return { by: value, sign };
  const datum = toDatum(value, call.user);
  return { by: typeof datum === "string" ? fieldFunction(datum) : constantFunction(datum), sign };
}

function orderByIndex(call: Call): TableRef | undefined {
  const node = call.node.optargs.get("index");
  if (!node) return undefined;
  const name = call.stringOption("index") ?? "";
  const target = call.arg(0);
  if (!(target instanceof TableRef)) {
    throw call.error(
      0,
      logicError("Indexed order_by can only be performed on a TABLE or TABLE_SLICE."),
    );
  }
  const { table, mode, range } = target;
  if (target.order)
    throw logicError("Cannot perform multiple indexed ORDER_BYs on the same table.");
  const index = name === table.primaryKey ? undefined : name;
  if (index !== undefined && !table.hasIndex(index)) throw indexNotFound(name, target);
  if (target.isSlice && range.index !== index) {
    throw logicError(
      `Cannot order by index \`${name}\` after calling BETWEEN on index \`${range.index ?? table.primaryKey}\`.`,
    );
  }
  const order = node.definition.id === termId.DESC ? "desc" : "asc";
  return new TableRef(table, mode, target.isSlice ? range : { ...wholeRange, index }, { order });
}

export function indexNotFound(name: string, { table }: TableRef): ReqlError {
  return new ReqlError(
    "opFailed",
    `Index \`${name}\` was not found on table \`${table.databaseName}.${table.name}\`.`,
  );
}
