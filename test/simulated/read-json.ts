/**
 * JSON text into JavaScript values and data, with the server's own rules: `-0` is the integer 0 while `-0.0` keeps its
 * sign, escapes of high surrogates without a low one and numbers beyond a double's range are refused, and pseudo types
 * are checked as they are read.
 */
import { type Datum, type DatumObject, emptyObject, objectOf } from "./datum.js";
import { sanitizePseudoType } from "./pseudo-types.js";
import { logicError, ReqlError } from "./reql-error.js";

/** What JSON.parse gives: an object's own keys may be any string, `__proto__` too. */
export type JsonValue =
  | null
  | boolean
  | number
  | string
  | JsonValue[]
  | { [name: string]: JsonValue };

/**
 * JSON.parse, but `-0` without a fraction is 0.
 * @throws {SyntaxError} for what the server's parser refuses
 */
export function parseJson(text: string): JsonValue {
  const value = JSON.parse(text.includes("-0") ? withoutNegativeZero(text) : text) as JsonValue;
  if (/\\u[dD][89abAB]/.test(text)) rejectLoneHighs(text);
  if (/[eE]\+?\d{3}/.test(text)) rejectInfinity(value);
  return value;
}

/** By hand, because one expression over a text of many megabytes has no room. */
function withoutNegativeZero(text: string): string {
  let without = "";
  for (let at = 0; ; ) {
    const open = text.indexOf('"', at);
    const between = text.slice(at, open === -1 ? text.length : open);
    without += between.replace(/-0(?![\d.eE])/g, "0");
    if (open === -1) return without;
    const close = closingQuote(text, open);
    if (close === -1) return text;
    without += text.slice(open, close + 1);
    at = close + 1;
  }
}

/** Where the string ends that begins at `open`; -1 if it has no end. */
function closingQuote(text: string, open: number): number {
  for (let at = open; ; ) {
    at = text.indexOf('"', at + 1);
    if (at === -1) return -1;
    let backslashes = 0;
    while (text[at - 1 - backslashes] === "\\") backslashes += 1;
    if (backslashes % 2 === 0) return at;
  }
}

/** As escapes: as bytes they are taken, and so are low ones in both ways. */
function rejectLoneHighs(text: string): void {
  const escapes = text.matchAll(/\\(?:u([dD][89abAB]..)(?:\\u[dD][c-fC-F])?|.)/gs);
  for (const [escape, high] of escapes) {
    if (high !== undefined && escape.length === 6) throw new SyntaxError("lone high surrogate");
  }
}

function rejectInfinity(value: JsonValue): void {
  walk(value, (leaf) => {
    if (typeof leaf === "number" && !Number.isFinite(leaf)) throw new SyntaxError("number too big");
  });
}

function walk(value: JsonValue, visit: (leaf: JsonValue) => void): void {
  if (typeof value !== "object" || value === null) {
    visit(value);
  } else if (Array.isArray(value)) {
    for (const item of value) walk(item, visit);
  } else {
    for (const [name, field] of Object.entries(value)) {
      visit(name);
      walk(field, visit);
    }
  }
}

/** The server makes no longer arrays, unless a query says so; and stores none at all. */
const arrayLimit = 100_000;
const overLimit =
  `Array over size limit \`${arrayLimit}\`.  To raise the number of allowed elements, modify the \`array_limit\` ` +
  "option to `.run` (not available in the Data Explorer), or use an index.";

/** A parsed JSON value as a datum. Arrays here are arrays, not terms. */
export function datumOf(value: JsonValue): Datum {
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) {
    if (value.length > arrayLimit) throw new ReqlError("resource", overLimit);
    return value.map(datumOf);
  }
  const names = Object.keys(value);
  if (names.length === 0) return emptyObject;
  const fields = names.map((name) => [name, datumOf(value[name] ?? null)] as const);
  const object: DatumObject = objectOf(fields);
  return object.has("$reql_type$") ? sanitizePseudoType(object) : object;
}

/** What `r.json` makes of a text. */
export function readDatum(text: string): Datum {
  let value: JsonValue;
  try {
    value = parseJson(text);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    const shown = text.length > 40 ? `${text.slice(0, 37)}...` : text;
    throw logicError(`Failed to parse "${shown}" as JSON: Invalid value.`);
  }
  return datumOf(value);
}
