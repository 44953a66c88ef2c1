/** What a term gives: data, or something that stands for a table, rows, a database or a function. */
import { type Datum, isArray, isObject, typeName } from "./datum.js";
import type { IndexRange } from "./index-range.js";
import { prettyText } from "./json-text.js";
import { logicError, ReqlError } from "./reql-error.js";
import type { ReqlFunction } from "./reql-function.js";
import type { ReadMode, SelectionTable } from "./selection-table.js";
import { LazySource, Sequence } from "./sequence.js";

export class DatabaseRef {
  readonly id: string;
  readonly name: string;

  constructor(id: string, name: string) {
    this.id = id;
    this.name = name;
  }
}

/** A table or, after `between` or `orderBy` on an index, a slice of one. */
export class TableRef {
  readonly table: SelectionTable;
  readonly mode: ReadMode;
  readonly range: IndexRange;
  readonly order: "asc" | "desc" | undefined;
  readonly isSlice: boolean;

  constructor(
    table: SelectionTable,
    mode: ReadMode,
    range: IndexRange,
    slice?: { order: "asc" | "desc" | undefined },
  ) {
    this.table = table;
    this.mode = mode;
    this.range = range;
    this.order = slice?.order;
    this.isSlice = slice !== undefined;
  }

  rows(user: string): Sequence {
    const source = new LazySource(() => {
      this.table.checkReadable(user, this.mode);
      return this.table.read(this.range, this.order, user);
    });
    return new Sequence(source, {
      selection: this.table,
      changes: { table: this.table, range: this.range, transforms: [] },
    });
  }
}

/** One row, present or not. */
export class RowRef {
  readonly table: SelectionTable;
  readonly mode: ReadMode;
  readonly key: Datum;
  /** The row as it was when the reference was made; undefined: it is read when it is used. */
  readonly #known: Datum | undefined;

  constructor(table: SelectionTable, mode: ReadMode, key: Datum, known?: Datum) {
    this.table = table;
    this.mode = mode;
    this.key = key;
    this.#known = known;
  }

  read(user: string): Datum {
    if (this.#known !== undefined) return this.#known;
    this.table.checkReadable(user, this.mode);
    return this.table.get(this.key, user);
  }
}

/** Elements by group, in the order of the groups' values. */
export class Grouped {
  readonly groups: readonly { readonly key: Datum; readonly value: Datum | Sequence }[];

  constructor(groups: readonly { key: Datum; value: Datum | Sequence }[]) {
    this.groups = groups;
  }
}

export type Value = Datum | DatabaseRef | TableRef | RowRef | Sequence | Grouped | ReqlFunction;

export function isDatum(value: Value): value is Datum {
  if (typeof value !== "object" || value === null) return typeof value !== "function";
  return !(
    value instanceof DatabaseRef ||
    value instanceof TableRef ||
    value instanceof RowRef ||
    value instanceof Sequence ||
    value instanceof Grouped ||
    "call" in value
  );
}

export function isFunction(value: Value): value is ReqlFunction {
  return typeof value === "object" && value !== null && "call" in value;
}

/** The type's name as `typeOf` and error messages give it. */
export function valueTypeName(value: Value): string {
  if (value instanceof DatabaseRef) return "DB";
  if (value instanceof TableRef) return value.isSlice ? "TABLE_SLICE" : "TABLE";
  if (value instanceof RowRef) return "SELECTION<OBJECT>";
  if (value instanceof Grouped) return "GROUPED_DATA";
  if (value instanceof Sequence) return sequenceTypeName(value);
  return isFunction(value) ? "FUNCTION" : typeName(value);
}

function sequenceTypeName({ traits }: Sequence): string {
  const name = traits.isArray ? "ARRAY" : "STREAM";
  return traits.selection ? `SELECTION<${name}>` : name;
}

/** @throws {ReqlError} when a value is not data and cannot become it */
export function toDatum(value: Value, user: string): Datum {
  if (isDatum(value)) return value;
  if (value instanceof RowRef) return value.read(user);
  if (value instanceof Sequence && value.traits.isArray) return value.toArray();
  const found = value instanceof Sequence ? "SEQUENCE" : rawName(value);
  throw logicError(`Expected type DATUM but found ${found}:\nVALUE ${found}`);
}

function rawName(value: Value): string {
  return value instanceof DatabaseRef ? "DATABASE" : valueTypeName(value);
}

/** @throws {ReqlError} when a value has no elements */
export function toSequence(value: Value, user: string): Sequence {
  if (value instanceof Sequence) return value;
  if (value instanceof TableRef) return value.rows(user);
  const datum = toDatum(value, user);
  if (isArray(datum)) return Sequence.ofArray(datum, { unwatchable: "eager" });
  if (isObject(datum) && !datum.has("$reql_type$")) {
    return Sequence.ofArray(
      [...datum].map(([name, field]) => [name, field]),
      { unwatchable: "eager" },
    );
  }
  throw logicError(`Cannot convert ${typeName(datum)} to SEQUENCE`);
}

export function expectType(datum: Datum, wanted: string): ReqlError {
  const kind = datum === null ? "nonExistence" : "logic";
  return new ReqlError(kind, `Expected type ${wanted} but found ${typeName(datum)}.`);
}

export function expectString(datum: Datum): string {
  if (typeof datum === "string") return datum;
  throw expectType(datum, "STRING");
}

export function expectNumber(datum: Datum): number {
  if (typeof datum === "number") return datum;
  throw expectType(datum, "NUMBER");
}

export function expectInteger(datum: Datum): number {
  const number = expectNumber(datum);
  if (Number.isInteger(number)) return number;
  throw logicError(`Number not an integer: ${number}`);
}

/** Everything but `false` and `null` is true. */
export function truth(datum: Datum): boolean {
  return datum !== false && datum !== null;
}

export function missingField(name: string, object: Datum): ReqlError {
  return new ReqlError(
    "nonExistence",
    `No attribute \`${name}\` in object:\n${prettyText(object)}`,
  );
}
