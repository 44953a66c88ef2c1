/**
 * JSON text of other programs in the form that the server would give it: without blanks, fields in the order of their
 * names' bytes, numbers as doubles, strings in UTF-8 and surrogates as three bytes each, times and binary data tidied.
 * So a document that is imported has the same bytes as one that was captured.
 */
import { canBeKey } from "../key-order.js";
import { jsonOfText } from "../server-text.js";
import { serverNumber } from "./server-number.js";

/** A text that is no document, or one that no server could hold; its message says why. */
export class NotADocument extends Error {}

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
  const key = value[primaryKey];
  if (!canBeKey(key)) throw new NotADocument("its primary key is of a type that no key has");
  return { key: jsonOfText(textOf(key)), document: jsonOfText(textOf(value)) };
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

type JsonObject = Record<string, unknown>;

const isObject = (value: unknown): value is JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** Deeper values are not read: at some thousands the stack overflows. */
const depthMax = 2000;

function textOf(value: unknown, depth = 0): string {
  if (typeof value === "string") return stringText(value);
  if (typeof value === "number") {
    if (!Number.isFinite(value)) throw new NotADocument("it has a number that is too large");
    return serverNumber(value);
  }
  if (typeof value !== "object" || value === null) return String(value);
  if (depth > depthMax) throw new NotADocument("it is nested too deeply");
  if (Array.isArray(value)) return `[${value.map((item) => textOf(item, depth + 1)).join(",")}]`;
  const object = value as JsonObject;
  return objectText(Object.hasOwn(object, "$reql_type$") ? tidied(object) : object, depth);
}

function objectText(object: JsonObject, depth: number): string {
  const names = Object.keys(object);
  if (!rises(names)) names.sort(byBytes);
  let text = "";
  for (const name of names) {
    text += `${text === "" ? "" : ","}${stringText(name)}:${textOf(object[name], depth + 1)}`;
  }
  return `{${text}}`;
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

/** A pseudo type as the server would keep it. What it would refuse is refused here. */
function tidied(object: JsonObject): JsonObject {
  const type = object["$reql_type$"];
  switch (type) {
    case "TIME":
      return tidiedTime(object);
    case "BINARY":
      return tidiedBinary(object);
    case "GEOMETRY":
      if (typeof object["type"] === "string" && Array.isArray(object["coordinates"])) return object;
      throw new NotADocument("it has a geometry without type or coordinates");
    default:
      throw new NotADocument(`it has a value of the unknown type ${JSON.stringify(type)}`);
  }
}

function tidiedTime(object: JsonObject): JsonObject {
  const { epoch_time: seconds, timezone, ...rest } = object;
  const zone = typeof timezone === "string" ? zoneOf(timezone) : undefined;
  if (typeof seconds !== "number" || zone === undefined || Object.keys(rest).length !== 1) {
    throw new NotADocument("it has a time that is not one");
  }
  // To milliseconds; halves away from zero, as C rounds.
  const rounded = (Math.sign(seconds) * Math.round(Math.abs(seconds) * 1000)) / 1000;
  return { ...rest, epoch_time: rounded, timezone: zone };
}

/** `Z`, `+hh`, `+hhmm` and `+hh:mm` as `+hh:mm`; undefined for what is no zone. */
function zoneOf(text: string): string | undefined {
  if (text === "Z") return "+00:00";
  const match = /^([+-])([01]\d|2[0-4]):?([0-5]\d)?$/.exec(text);
  if (!match || text === "-00" || text === "-00:00") return undefined;
  return `${match[1]}${match[2]}:${match[3] ?? "00"}`;
}

const base64LineChars = 76;

/** The server breaks base64 into lines. */
function tidiedBinary(object: JsonObject): JsonObject {
  const { data, ...rest } = object;
  if (typeof data !== "string" || Object.keys(rest).length !== 1) {
    throw new NotADocument("it has binary data without its bytes");
  }
  const bare = data.replace(/\s/g, "");
  if (!/^[A-Za-z0-9+/]*={0,2}$/.test(bare))
    throw new NotADocument("it has binary data that is not base64");
  const text = Buffer.from(bare, "base64").toString("base64");
  const lines = text.match(new RegExp(`.{1,${base64LineChars}}`, "g")) ?? [];
  return { ...rest, data: lines.join("\r\n") };
}
