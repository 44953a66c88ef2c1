/**
 * JSON text of other programs in the form that the server would give it: without blanks, fields in the order of their
 * names' bytes, numbers as doubles, strings in UTF-8 and surrogates as three bytes each, times and binary data tidied.
 * So a document that is imported has the same bytes as one that was captured.
 */
import { jsonOfText } from "../server-text.js";
import { type JsonObject, NotADocument, tidied } from "./pseudo-types.js";
import { keyRefusal } from "./server-key.js";
import { serverNumber } from "./server-number.js";

export interface Row {
  /** JSON texts. */
  key: Buffer;
  document: Buffer;
}

/** Strings cost the most: they are at most so long, and so is what is parsed at once. */
export const documentBytesMax = 256 * 1024 * 1024;

/**
 * A document in the server's form, and its primary key.
 * @throws {NotADocument}
 */
export function rowOf(text: string, primaryKey: string): Row {
  const value = parsed(text);
  if (!isObject(value)) throw new NotADocument("it is not an object");
  if (!Object.hasOwn(value, primaryKey)) {
    throw new NotADocument(`it has no primary key ${JSON.stringify(primaryKey)}`);
  }
  const given = value[primaryKey];
  try {
    const keyText = new ServerText().of(given);
    const key = jsonOfText(keyText);
    const refusal = keyRefusal(JSON.parse(keyText), key);
    if (refusal !== undefined) throw new NotADocument(refusal);
    const server = new ServerText();
    const document = jsonOfText(server.of(value));
    if (hasMoreFields(text, server.fields)) throw new NotADocument("it has a field twice");
    return { key, document };
  } catch (error) {
    if (!(error instanceof NotADocument)) throw error;
    throw new NotADocument(`${error.message}; its primary key is ${shortened(given)}`);
  }
}

const keyCharsMax = 200;

function shortened(key: unknown): string {
  const text = JSON.stringify(key);
  return text.length <= keyCharsMax ? text : `${text.slice(0, keyCharsMax)}…`;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(negativeZero.test(text) ? withoutWholeNegativeZero(text) : text);
  } catch (error) {
    if (error instanceof SyntaxError) throw new NotADocument(`it is not JSON: ${error.message}`);
    throw error;
  }
}

const negativeZero = /-0(?![\d.eE])/;

/** To the server, and to Python, `-0` is the whole number 0; only `-0.0` has a sign. */
function withoutWholeNegativeZero(text: string): string {
  return text.replace(/"(?:[^"\\]|\\.)*"|-0(?![\d.eE])/gs, (part) => (part === "-0" ? "0" : part));
}

/** True if a text has more fields than were read from it: of a name that is there twice, JSON.parse drops one. */
function hasMoreFields(text: string, fields: number): boolean {
  if (namesIn(text) === fields) return false;
  // A string may have what looks like the end of a name.
  return namesIn(text.replace(/"[^"\\]*(?:\\.[^"\\]*)*"/gs, '""')) !== fields;
}

const endOfName = /"[ \t\r\n]*:/g;

function namesIn(text: string): number {
  let count = 0;
  endOfName.lastIndex = 0;
  while (endOfName.test(text)) count += 1;
  return count;
}

const isObject = (value: unknown): value is JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** Deeper values are not read: at some thousands the stack overflows. */
const depthMax = 2000;
/** An array of more items the server does not write to its disk, whatever `array_limit` a query has. */
const itemsMax = 100_000;

/** The server's text of one value. */
class ServerText {
  /** How many fields the objects in it have. */
  fields = 0;

  of(value: unknown, depth = 0): string {
    if (typeof value === "string") return stringText(value);
    if (typeof value === "number") {
      if (!Number.isFinite(value)) throw new NotADocument("it has a number that is too large");
      return serverNumber(value);
    }
    if (typeof value !== "object" || value === null) return String(value);
    if (depth > depthMax)
      throw new NotADocument(`it is nested too deeply: over ${depthMax} levels`);
    if (Array.isArray(value)) return this.ofArray(value, depth);
    const object = value as JsonObject;
    return this.ofObject(Object.hasOwn(object, "$reql_type$") ? tidied(object) : object, depth);
  }

  // Written out, because each call of a callback would take from the depth that the stack allows.
  private ofArray(items: unknown[], depth: number): string {
    if (items.length > itemsMax)
      throw new NotADocument("it has an array of more than 100,000 items");
    let text = "";
    for (const [i, item] of items.entries())
      text += `${i === 0 ? "" : ","}${this.of(item, depth + 1)}`;
    return `[${text}]`;
  }

  private ofObject(object: JsonObject, depth: number): string {
    const names = Object.keys(object);
    this.fields += names.length;
    if (!rises(names)) names.sort(byBytes);
    let text = "";
    for (const name of names) {
      text += `${text === "" ? "" : ","}${stringText(name)}:${this.of(object[name], depth + 1)}`;
    }
    return `{${text}}`;
  }
}

function rises(names: string[]): boolean {
  for (let i = 1; i < names.length; i += 1) {
    if (byBytes(names[i - 1]!, names[i]!) > 0) return false;
  }
  return true;
}

/** The order of the strings' bytes in UTF-8, surrogates as three bytes: that of their code points. */
function byBytes(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i += 1) {
    const [of, other] = [a.charCodeAt(i), b.charCodeAt(i)];
    if (of === other) continue;
    if (of < 0xd800 || other < 0xd800) return of - other;
    return byPoints(a, b);
  }
  return a.length - b.length;
}

function byPoints(a: string, b: string): number {
  const [points, others] = [Array.from(a), Array.from(b)];
  const at = points.findIndex((point, i) => point !== others[i]);
  return (points[at]?.codePointAt(0) ?? -1) - (others[at]?.codePointAt(0) ?? -1);
}

/** JSON.stringify's text, but with upper-case digits. Surrogates stay escapes, which jsonOfText makes bytes of. */
function stringText(text: string): string {
  const json = JSON.stringify(text);
  if (!json.includes("\\u00")) return json;
  return json.replace(/\\(?:u(00[0-9a-f]{2})|.)/gs, (escape, digits?: string) =>
    digits === undefined ? escape : `\\u${digits.toUpperCase()}`,
  );
}
