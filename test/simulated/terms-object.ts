/** Objects: fields, selection of fields, merging. */
import type { Call } from "./call.js";
import {
  type Datum,
  type DatumObject,
  isArray,
  isObject,
  objectOf,
  withoutField,
} from "./datum.js";
import { define, defineForGroups } from "./define-term.js";
import { jsonText } from "./json-text.js";
import { isLiteral, merge, strayLiteral } from "./pseudo-types.js";
import { logicError, ReqlError } from "./reql-error.js";
import { Sequence } from "./sequence.js";
import type { TermDefinition } from "./term-definition.js";
import { times } from "./terms-core.js";
import { nth } from "./terms-sequence.js";
import {
  expectString,
  expectType,
  isFunction,
  missingField,
  RowRef,
  TableRef,
  toDatum,
  toSequence,
  type Value,
} from "./value.js";

export const objectTerms: TermDefinition[] = [
  defineForGroups("GET_FIELD", 2, (call) =>
    getField(call, call.arg(0), call.string(1), "get_field"),
  ),
  defineForGroups("BRACKET", 2, bracket),
  defineForGroups("HAS_FIELDS", [1, Infinity], hasFields),
  defineForGroups("WITH_FIELDS", [1, Infinity], withFields),
  defineForGroups("PLUCK", [1, Infinity], (call) =>
    eachObject(call, (row, paths) => pluck(row, paths), "pluck"),
  ),
  defineForGroups("WITHOUT", [1, Infinity], (call) =>
    eachObject(call, (row, paths) => withoutPaths(row, paths), "without"),
  ),
  defineForGroups("MERGE", [1, Infinity], mergeTerm),
  define("KEYS", 1, (call) => [...call.object(0).keys()]),
  define("VALUES", 1, (call) => [...call.object(0).values()]),
  define("OBJECT", [0, Infinity], (call) => {
    if (call.count % 2 !== 0) {
      throw logicError(`OBJECT expects an even number of arguments (but found ${call.count}).`);
    }
    return objectOf(
      times(call.count / 2, (i) => [call.string(2 * i), call.datum(2 * i + 1)] as const),
    );
  }),
];

function bracket(call: Call): Value {
  const key = call.datum(1);
  if (typeof key === "number") return nth(call);
  return getField(
    call,
    call.arg(0),
    call.at(1, () => expectString(key)),
    "bracket",
  );
}

function getField(call: Call, of: Value, name: string, term: string): Value {
  if (of instanceof Sequence || of instanceof TableRef)
    return fieldOfEach(toSequence(of, call.user), name);
  const datum = of instanceof RowRef ? of.read(call.user) : toDatum(of, call.user);
  if (isObject(datum)) {
    const value = datum.get(name);
    if (value === undefined) throw missingField(name, datum);
    return value;
  }
  if (isArray(datum)) return fieldOfEach(Sequence.ofArray(datum), name);
  const kind = datum === null ? "nonExistence" : "logic";
  const message = `Cannot perform ${term} on a non-object non-sequence \`${jsonText(datum)}\`.`;
  throw call.error(0, new ReqlError(kind, message));
}

function fieldOfEach(sequence: Sequence, name: string): Sequence {
  return sequence.transformed((row, emit) => {
    const value = isObject(row) ? row.get(name) : undefined;
    if (value !== undefined) emit(value);
  });
}

/** Applies to an object, or to each element of a sequence. */
function eachObject(
  call: Call,
  change: (row: DatumObject, paths: readonly Datum[]) => Datum,
  term: string,
): Value {
  const paths = times(call.count - 1, (i) => call.datum(i + 1));
  return mapObjects(call, (row) => {
    if (!isObject(row)) {
      throw new ReqlError(
        row === null ? "nonExistence" : "logic",
        `Cannot perform ${term} on a non-object non-sequence \`${jsonText(row)}\`.`,
      );
    }
    return change(row, paths);
  });
}

function mapObjects(call: Call, change: (row: Datum) => Datum): Value {
  const of = call.arg(0);
  if (of instanceof Sequence || of instanceof TableRef) {
    return toSequence(of, call.user).transformed((row, emit) => emit(change(row)));
  }
  const datum = toDatum(of, call.user);
  if (isArray(datum)) return datum.map(change);
  return change(datum);
}

function mergeTerm(call: Call): Value {
  const parts = times(call.count - 1, (i) => call.arg(i + 1));
  return mapObjects(call, (row) => {
    if (!isObject(row)) {
      const kind = row === null ? "nonExistence" : "logic";
      throw new ReqlError(
        kind,
        `Cannot perform merge on a non-object non-sequence \`${jsonText(row)}\`.`,
      );
    }
    let merged: Datum = row;
    for (const part of parts) {
      const right = isFunction(part) ? call.apply(part, merged) : toDatum(part, call.user);
      merged = merge(merged, right);
      if (isLiteral(merged)) throw strayLiteral();
    }
    return merged;
  });
}

function hasFields(call: Call): Value {
  const paths = times(call.count - 1, (i) => call.datum(i + 1));
  const of = call.arg(0);
  if (of instanceof Sequence || of instanceof TableRef) {
    return toSequence(of, call.user).transformed(
      (row, emit) => {
        if (hasPaths(row, paths)) emit(row);
      },
      { selection: true },
    );
  }
  const datum = toDatum(of, call.user);
  if (isArray(datum)) return datum.filter((row) => hasPaths(row, paths));
  return hasPaths(datum, paths);
}

function withFields(call: Call): Value {
  const paths = times(call.count - 1, (i) => call.datum(i + 1));
  return call.sequence(0).transformed((row, emit) => {
    if (isObject(row) && hasPaths(row, paths)) emit(pluck(row, paths));
  });
}

/** A path is a field's name, an object that goes on below fields, or a list of paths. */
function hasPaths(row: Datum, paths: readonly Datum[]): boolean {
  if (!isObject(row)) return false;
  return paths.every((path) => {
    if (isArray(path)) return hasPaths(row, path);
    if (typeof path === "string") return (row.get(path) ?? null) !== null;
    if (!isObject(path)) throw expectType(path, "STRING");
    return [...path].every(([name, below]) => {
      const value = row.get(name) ?? null;
      return value !== null && (below === true || hasPaths(value, [below]));
    });
  });
}

function pluck(row: DatumObject, paths: readonly Datum[]): DatumObject {
  let result: Datum = new Map();
  for (const path of paths) {
    if (isArray(path)) result = merge(result, pluck(row, path));
    else if (typeof path === "string") result = merge(result, only(row, path));
    else if (isObject(path)) result = merge(result, pluckBelow(row, path));
    else throw expectType(path, "STRING");
  }
  return result as DatumObject;
}

function only(row: DatumObject, name: string): DatumObject {
  const value = row.get(name);
  return value === undefined ? new Map() : new Map([[name, value]]);
}

function pluckBelow(row: DatumObject, path: DatumObject): DatumObject {
  const fields: [string, Datum][] = [];
  for (const [name, below] of path) {
    const value = row.get(name);
    if (value === undefined) continue;
    if (below === true) fields.push([name, value]);
    else if (isObject(value)) fields.push([name, pluck(value, [below])]);
    else if (isArray(value)) {
      fields.push([name, value.filter(isObject).map((item) => pluck(item, [below]))]);
    }
  }
  return objectOf(fields);
}

function withoutPaths(row: DatumObject, paths: readonly Datum[]): DatumObject {
  return paths.reduce((rest: DatumObject, path) => {
    if (isArray(path)) return withoutPaths(rest, path);
    if (typeof path === "string") return withoutField(rest, path);
    if (!isObject(path)) throw expectType(path, "STRING");
    return [...path].reduce((left: DatumObject, [name, below]) => {
      if (below === true) return withoutField(left, name);
      const value = left.get(name);
      if (value === undefined || !isObject(value)) return left;
      return new Map(left).set(name, withoutPaths(value, [below]));
    }, rest);
  }, row);
}
