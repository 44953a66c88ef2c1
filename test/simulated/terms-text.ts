/** Strings, JSON, conversions, identifiers, binary. */
import { createHash } from "node:crypto";
import type { Call } from "./call.js";
import {
  BinaryDatum,
  type Datum,
  isArray,
  isObject,
  isTime,
  objectOf,
  record,
  typeName,
} from "./datum.js";
import { define } from "./define-term.js";
import { jsonText } from "./json-text.js";
import { formatUuid } from "./random.js";
import { readDatum } from "./read-json.js";
import { logicError } from "./reql-error.js";
import { Sequence } from "./sequence.js";
import type { TermDefinition } from "./term-definition.js";
import { isoText } from "./terms-time.js";
import {
  expectString,
  RowRef,
  TableRef,
  toDatum,
  toSequence,
  type Value,
  valueTypeName,
} from "./value.js";
import { decodeWtf8, encodeWtf8 } from "./wtf8.js";

export const textTerms: TermDefinition[] = [
  define("UPCASE", 1, (call) => call.string(0).replace(/[a-z]/g, (char) => char.toUpperCase())),
  define("DOWNCASE", 1, (call) => call.string(0).replace(/[A-Z]/g, (char) => char.toLowerCase())),
  define("SPLIT", [1, 3], split),
  define("MATCH", 2, match),
  define("JSON", 1, (call) => readDatum(call.string(0))),
  define("TO_JSON_STRING", 1, (call) => jsonText(call.datum(0))),
  define("COERCE_TO", 2, coerce),
  define("UUID", [0, 1], (call) =>
    call.count === 0 ? call.engine.random.uuid() : hashUuid(call.string(0)),
  ),
  define("BINARY", 1, (call) => {
    const datum = call.datum(0);
    return datum instanceof BinaryDatum ? datum : new BinaryDatum(encodeWtf8(expectString(datum)));
  }),
];

const UUID_NAMESPACE = Buffer.from("91461c99f89d49d2af96d8e2e14e9b58", "hex");

/** The server's deterministic UUID: version 5 in its own namespace. */
export function hashUuid(text: string): string {
  const bytes = createHash("sha1").update(UUID_NAMESPACE).update(encodeWtf8(text)).digest();
  bytes[6] = (bytes.readUInt8(6) & 0x0f) | 0x50;
  bytes[8] = (bytes.readUInt8(8) & 0x3f) | 0x80;
  return formatUuid(bytes);
}

function split(call: Call): Datum {
  const text = call.string(0);
  const separator = call.has(1) ? call.datum(1) : null;
  const most = call.has(2) ? call.integer(2) : Infinity;
  const isBlank = separator === null;
  const parts = isBlank
    ? text.split(/\s+/).filter((part) => part !== "")
    : text.split(expectString(separator));
  if (parts.length <= most + 1) return parts;
  const joint = isBlank ? " " : expectString(separator);
  return [...parts.slice(0, most), parts.slice(most).join(joint)];
}

/** JavaScript's regular expressions stand in for RE2. */
function match(call: Call): Datum {
  const pattern = call.string(1);
  const flags = /^\(\?([ims]+)\)/.exec(pattern);
  const found = new RegExp(pattern.slice(flags?.[0].length ?? 0), flags?.[1] ?? "").exec(
    call.string(0),
  );
  if (!found) return null;
  const groups = found
    .slice(1)
    .map((text) =>
      text === undefined
        ? null
        : record({ start: found[0].indexOf(text) + found.index, str: text }),
    );
  return record({ start: found.index, end: found.index + found[0].length, str: found[0], groups });
}

function coerce(call: Call): Value {
  const of = call.arg(0);
  const to = call.string(1).toUpperCase();
  if (of instanceof Sequence || of instanceof TableRef)
    return coerceSequence(call, toSequence(of, call.user), to);
  const datum = of instanceof RowRef ? of.read(call.user) : toDatum(of, call.user);
  if (typeName(datum) === to) return datum;
  if (to === "STRING") return typeof datum === "string" ? datum : coerceToString(datum);
  if (to === "BOOL") return datum !== null && datum !== false;
  if (to === "NUMBER" && typeof datum === "string") return parseNumber(datum);
  if (to === "BINARY" && typeof datum === "string") return new BinaryDatum(encodeWtf8(datum));
  if (to === "ARRAY" && isObject(datum)) return [...datum].map(([name, value]) => [name, value]);
  if (to === "OBJECT" && isArray(datum)) return objectFromPairs(datum);
  throw logicError(`Cannot coerce ${valueTypeName(of)} to ${to}.`);
}

function coerceSequence(call: Call, sequence: Sequence, to: string): Value {
  if (to === "ARRAY") return sequence.toArray();
  if (to === "STREAM") return sequence;
  if (to === "OBJECT") return objectFromPairs(sequence.toArray());
  if (to === "STRING") return jsonText(sequence.toArray());
  throw call.error(1, logicError(`Cannot coerce ${valueTypeName(sequence)} to ${to}.`));
}

function coerceToString(datum: Datum): string {
  if (datum instanceof BinaryDatum) return decodeWtf8(datum.bytes);
  return isTime(datum) ? isoText(datum) : jsonText(datum);
}

function objectFromPairs(pairs: readonly Datum[]): Datum {
  return objectOf(
    pairs.map((pair) => {
      if (!isArray(pair) || pair.length !== 2) {
        throw logicError(
          `Expected array of size 2, but got size ${isArray(pair) ? pair.length : 1}.`,
        );
      }
      return [expectString(pair[0]!), pair[1]!] as const;
    }),
  );
}

/** As C's `strtod` reads: hexadecimal too. */
function parseNumber(text: string): number {
  const hex = /^\s*([+-]?)0[xX]([0-9a-fA-F]+)$/.exec(text);
  const value = hex ? Number(`0x${hex[2]}`) * (hex[1] === "-" ? -1 : 1) : Number(text);
  if (text.trim() === "" || !Number.isFinite(value)) {
    throw logicError(`Could not coerce \`${text}\` to NUMBER.`);
  }
  return value;
}
