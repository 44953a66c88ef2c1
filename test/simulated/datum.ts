/**
 * ReQL data. Every datum is immutable once made; an object is a Map whose keys stand in the order of their bytes, as the
 * server stores them, so that iterating it is the canonical order and no key is special.
 */
import { isHigh } from "./wtf8.js";

export type Datum =
  | null
  | boolean
  | number
  | string
  | readonly Datum[]
  | DatumObject
  | BinaryDatum
  | Extremum;

export type DatumObject = ReadonlyMap<string, Datum>;

export class BinaryDatum {
  readonly bytes: Buffer;

  constructor(bytes: Buffer) {
    this.bytes = bytes;
  }
}

/** `r.minval` and `r.maxval`: bounds only, never stored. */
export class Extremum {
  readonly name: "MINVAL" | "MAXVAL";

  constructor(name: "MINVAL" | "MAXVAL") {
    this.name = name;
  }
}

export const minval = new Extremum("MINVAL");
export const maxval = new Extremum("MAXVAL");

export const emptyObject: DatumObject = new Map();

export function isObject(datum: Datum): datum is DatumObject {
  return datum instanceof Map;
}

export function isArray(datum: Datum): datum is readonly Datum[] {
  return Array.isArray(datum);
}

/** An object of these fields; a later field of the same name wins. */
export function objectOf(fields: Iterable<readonly [string, Datum]>): DatumObject {
  const list = [...fields];
  if (isSorted(list)) return new Map(list);
  const byName = new Map(list);
  return new Map([...byName].sort(([a], [b]) => compareStrings(a, b)));
}

/** The same, from an object literal whose names are known not to be special to JavaScript. */
export function record(fields: Record<string, Datum>): DatumObject {
  return objectOf(Object.entries(fields));
}

function isSorted(fields: readonly (readonly [string, Datum])[]): boolean {
  for (let i = 1; i < fields.length; i += 1) {
    if (compareStrings(fields[i - 1]![0], fields[i]![0]) >= 0) return false;
  }
  return true;
}

export function withField(object: DatumObject, name: string, value: Datum): DatumObject {
  if (!object.has(name)) return objectOf([...object, [name, value]]);
  const copy = new Map(object);
  copy.set(name, value);
  return copy;
}

export function withoutField(object: DatumObject, name: string): DatumObject {
  if (!object.has(name)) return object;
  const copy = new Map(object);
  copy.delete(name);
  return copy;
}

/** Orders strings by their bytes, which is by their code points, surrogates without a partner among them. */
export function compareStrings(a: string, b: string): number {
  if (a === b) return 0;
  let at = 0;
  while (at < a.length && a.charCodeAt(at) === b.charCodeAt(at)) at += 1;
  const order = codePointAt(a, at) - codePointAt(b, at);
  // A high surrogate before it makes one code point with it, if it is the partner.
  const isHalf = at > 0 && isHigh(a.charCodeAt(at - 1));
  return (isHalf && codePointAt(a, at - 1) - codePointAt(b, at - 1)) || order;
}

/** Less than any where there is none. */
function codePointAt(text: string, at: number): number {
  return text.codePointAt(at) ?? -1;
}

/** The name in `$reql_type$`, for pseudo types kept as objects. */
export function pseudoType(datum: Datum): string | undefined {
  if (datum instanceof BinaryDatum) return "BINARY";
  if (!isObject(datum)) return undefined;
  const name = datum.get("$reql_type$");
  return typeof name === "string" ? name : undefined;
}

export function isTime(datum: Datum): datum is DatumObject {
  return pseudoType(datum) === "TIME";
}

/** The type's name as error messages and `typeOf` give it. */
export function typeName(datum: Datum): string {
  const pseudo = pseudoType(datum);
  if (pseudo !== undefined) return `PTYPE<${pseudo}>`;
  return rawTypeName(datum);
}

function rawTypeName(datum: Datum): string {
  if (datum === null) return "NULL";
  if (datum instanceof Extremum) return datum.name;
  if (datum instanceof BinaryDatum) return "PTYPE<BINARY>";
  if (isArray(datum)) return "ARRAY";
  if (isObject(datum)) return "OBJECT";
  if (typeof datum === "boolean") return "BOOL";
  return typeof datum === "number" ? "NUMBER" : "STRING";
}

/** The order of types among values that are no pseudo types: alphabetical, with the extrema outside. */
const typeRanks: Record<string, number> = {
  MINVAL: 0,
  ARRAY: 1,
  BOOL: 2,
  NULL: 3,
  NUMBER: 4,
  OBJECT: 5,
  STRING: 7,
  MAXVAL: 8,
};

/** ReQL's total order of values. */
export function compare(a: Datum, b: Datum): number {
  if (typeof a === "number" && typeof b === "number") return a === b ? 0 : a < b ? -1 : 1;
  if (typeof a === "string" && typeof b === "string") return compareStrings(a, b);
  const pseudoA = ordersAsPseudoType(a);
  const pseudoB = ordersAsPseudoType(b);
  if (pseudoA && pseudoB) return comparePseudoTypes(a, b);
  if (pseudoA || pseudoB) return compareStrings(sortName(a), sortName(b));
  const rank = (typeRanks[rawTypeName(a)] ?? 0) - (typeRanks[rawTypeName(b)] ?? 0);
  if (rank !== 0) return rank;
  if (isArray(a) && isArray(b)) return compareArrays(a, b);
  if (isObject(a) && isObject(b)) return compareObjects(a, b);
  return Number(a) - Number(b) || 0;
}

export function equal(a: Datum, b: Datum): boolean {
  return a === b || compare(a, b) === 0;
}

/** Geometry compares as the object it is. */
function ordersAsPseudoType(datum: Datum): boolean {
  const pseudo = pseudoType(datum);
  return pseudo !== undefined && pseudo !== "GEOMETRY";
}

function sortName(datum: Datum): string {
  if (datum instanceof Extremum) return datum === minval ? "\x01MINVAL" : "\xffMAXVAL";
  return typeName(datum);
}

function comparePseudoTypes(a: Datum, b: Datum): number {
  if (a instanceof BinaryDatum && b instanceof BinaryDatum) return a.bytes.compare(b.bytes);
  if (isTime(a) && isTime(b)) {
    return compare(a.get("epoch_time") ?? null, b.get("epoch_time") ?? null);
  }
  return compareStrings(typeName(a), typeName(b));
}

function compareArrays(a: readonly Datum[], b: readonly Datum[]): number {
  for (let i = 0; i < a.length && i < b.length; i += 1) {
    const order = compare(a[i]!, b[i]!);
    if (order !== 0) return order;
  }
  return a.length - b.length;
}

function compareObjects(a: DatumObject, b: DatumObject): number {
  const fieldsOfB = b.entries();
  for (const [name, value] of a) {
    const next = fieldsOfB.next();
    if (next.done) return 1;
    const order = compareStrings(name, next.value[0]) || compare(value, next.value[1]);
    if (order !== 0) return order;
  }
  return a.size - b.size;
}

/** The string that a datum is, or `""` for any other. */
export function textOf(datum: Datum | undefined): string {
  return typeof datum === "string" ? datum : "";
}
