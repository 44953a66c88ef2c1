/**
 * The order of index keys: arrays < booleans < numbers < binary < times < strings, strings by their bytes. A key code
 * is a string of char codes 0 to 255 whose `<` is that order and whose equality is that of keys.
 */
import {
  BinaryDatum,
  type Datum,
  Extremum,
  isArray,
  isTime,
  minval,
  pseudoType,
  typeName,
} from "./datum.js";
import { jsonText, prettyText, prettyTextCut } from "./json-text.js";
import { logicError, ReqlError } from "./reql-error.js";
import { encodeWtf8 } from "./wtf8.js";

const MAX_PRIMARY_KEY_BYTES = 128;
/** What the server adds to a number's 17 characters: `#` and up to 25 characters of decimal text. */
const NUMBER_CODE_CHARS = 17;

/**
 * The code of a primary key.
 * @throws {ReqlError} for a type that cannot be a key, a NUL in a string, and keys too long
 */
export function primaryCode(key: Datum): string {
  if (typeof key === "string") return checkedLength(`S${checkedString(key)}`, key);
  if (typeof key === "number") return numberCode(key);
  const code = keyCode(key, true);
  if (code === undefined) {
    const why = "Primary keys must be either a number, string, bool, pseudotype or array";
    const kind = key === null ? "nonExistence" : "logic";
    throw new ReqlError(kind, `${why} (got type ${typeName(key)}):\n${prettyTextCut(key)}`);
  }
  return checkedLength(code, key);
}

function checkedLength(code: string, key: Datum): string {
  if (code.length + decimalChars(key) <= MAX_PRIMARY_KEY_BYTES) return code;
  throw logicError(
    `Primary key too long (max ${MAX_PRIMARY_KEY_BYTES - 1} characters): ${prettyText(key)}`,
  );
}

function decimalChars(key: Datum): number {
  if (isArray(key)) return key.reduce((sum: number, item) => sum + decimalChars(item), 0);
  if (isTime(key)) return decimalChars(key.get("epoch_time") ?? 0);
  return typeof key === "number" ? 1 + twentyDigits(key).length : 0;
}

/** C's `%.20g`, closely enough to count its characters. */
function twentyDigits(value: number): string {
  return value.toPrecision(20).replace(/\.?0+(e|$)/, "$1");
}

/** The code of a secondary index's value, or undefined for what an index leaves out. */
export function secondaryCode(value: Datum): string | undefined {
  try {
    return keyCode(value, false);
  } catch (error) {
    if (error instanceof ReqlError) return undefined;
    throw error;
  }
}

function keyCode(key: Datum, isPrimary: boolean): string | undefined {
  if (typeof key === "string") return `S${isPrimary ? checkedString(key) : escaped(utf8(key))}`;
  if (typeof key === "number") return numberCode(key);
  if (typeof key === "boolean") return key ? "Bt" : "Bf";
  if (key instanceof BinaryDatum) return `PBINARY:${escaped(key.bytes.toString("latin1"))}`;
  if (key instanceof Extremum) return key === minval ? "@" : "[";
  if (isTime(key)) return `PTIME:${numberCode(Number(key.get("epoch_time")))}`;
  if (isArray(key)) return `A${key.map((item) => `${elementCode(item, isPrimary)}\0`).join("")}`;
  if (pseudoType(key) === "GEOMETRY") {
    throw logicError(
      "Cannot use a geometry value as a key value in a primary or non-geospatial secondary index.",
    );
  }
  return undefined;
}

function elementCode(item: Datum, isPrimary: boolean): string {
  const code = keyCode(item, isPrimary);
  if (code !== undefined) return code;
  const kind = item === null ? "nonExistence" : "logic";
  throw new ReqlError(
    kind,
    `Array keys can only contain numbers, strings, bools,  pseudotypes, or arrays (got ${jsonText(item)} of type ${typeName(item)}).`,
  );
}

function utf8(text: string): string {
  for (let i = 0; i < text.length; i += 1) {
    if (text.charCodeAt(i) > 0x7f) return encodeWtf8(text).toString("latin1");
  }
  return text;
}

function checkedString(text: string): string {
  const at = text.indexOf("\0");
  if (at < 0) return utf8(text);
  const offset = encodeWtf8(text.slice(0, at)).length;
  throw logicError(
    `String ${quotedBytes(text)} (truncated) contains NULL byte at offset ${offset} in index key.`,
  );
}

function quotedBytes(text: string): string {
  const bytes = encodeWtf8(text).subarray(0, 20);
  const shown = [...bytes].map((byte) =>
    byte < 0x20 || byte > 0x7e
      ? `\\x${byte.toString(16).padStart(2, "0")}`
      : String.fromCharCode(byte),
  );
  return `"${shown.join("")}"`;
}

/** NUL separates the elements of arrays, so inside them 00 is 01 01 and 01 is 01 02, which keeps the order. */
function escaped(code: string): string {
  // oxlint-disable-next-line no-control-regex -- the control characters are the point
  return code.replace(/[\0\x01]/g, (char) => (char === "\0" ? "\x01\x01" : "\x01\x02"));
}

const numberBytes = Buffer.alloc(8);

function numberCode(value: number): string {
  numberBytes.writeDoubleBE(value === 0 ? 0 : value);
  const flip = numberBytes.readUInt8(0) & 0x80 ? 0xff : 0;
  let code = "N";
  for (let i = 0; i < 8; i += 1) {
    const byte = numberBytes.readUInt8(i) ^ (flip || (i === 0 ? 0x80 : 0));
    code += hexPairs[byte];
  }
  return code.slice(0, NUMBER_CODE_CHARS);
}

const hexPairs = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));

const SHARDS = 8;

/** Which of a table's eight hash shards a key lives in: FNV-1a of its code. */
export function hashShard(code: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < code.length; i += 1) {
    hash = Math.imul(hash ^ code.charCodeAt(i), 0x01000193);
  }
  return (hash >>> 13) % SHARDS;
}

export const hashShards = SHARDS;
