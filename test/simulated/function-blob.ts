/**
 * The opaque binary form in which an index's or a write hook's function leaves the server and comes back: a prefix,
 * which is the server's, and JSON, which is not.
 */
import { BinaryDatum, type Datum } from "./datum.js";
import { jsonText } from "./json-text.js";
import { datumOf, type JsonValue, parseJson } from "./read-json.js";
import { logicError } from "./reql-error.js";
import type { StoredFunction } from "./reql-function.js";
import { decodeWtf8, encodeWtf8 } from "./wtf8.js";

interface Stored {
  readonly stored: StoredFunction;
  readonly multi?: boolean;
  readonly geo?: boolean;
}

export function storedBlob(prefix: string, { stored, multi, geo }: Stored): BinaryDatum {
  const outer = stored.outer.map(([variable, value]) => `[${variable},${jsonText(value)}]`);
  const flags = `"multi":${multi === true},"geo":${geo === true}`;
  return new BinaryDatum(
    encodeWtf8(
      `${prefix}{${flags},"outer":[${outer.join(",")}],"term":${JSON.stringify(stored.term)}}`,
    ),
  );
}

/** @throws {ReqlError} with `refusal` for a blob without the prefix */
export function readStored(
  prefix: string,
  blob: BinaryDatum,
  refusal: string,
): { stored: StoredFunction; multi: boolean; geo: boolean } {
  const text = decodeWtf8(blob.bytes);
  if (!text.startsWith(prefix)) throw logicError(refusal);
  const { outer, term, multi, geo } = parseBlob(text.slice(prefix.length));
  const variables = outer.map(([variable, value]) => [variable, datumOf(value)] as [number, Datum]);
  return { stored: { term, outer: variables }, multi, geo };
}

interface BlobContent {
  outer: [number, JsonValue][];
  term: JsonValue;
  multi: boolean;
  geo: boolean;
}

function parseBlob(text: string): BlobContent {
  try {
    return parseJson(text) as unknown as BlobContent;
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw logicError(`Binary blob could not be interpreted as a stored function (${why}).`);
  }
}

/** The informational text that the server prints of a function; here its JSON stands for the source. */
export function functionText(stored: StoredFunction): string {
  return `function() { return ${JSON.stringify(stored.term)}; }`;
}
