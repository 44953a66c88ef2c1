/**
 * Data as the server writes it, byte for byte: no blanks, keys in UTF-8 order, `-0.0`, whole numbers beyond 2^53 with
 * `.0`, exponents without a plus, control characters as upper-case `\u00XX`, base64 broken into lines of 76.
 */
import { serverNumber } from "../../src/exchange/server-number.js";
import { BinaryDatum, type Datum, type DatumObject, Extremum, isArray, isObject } from "./datum.js";
import { logicError } from "./reql-error.js";

/** Texts of documents, which are written many times: to feeds, readers and oracles. */
const documentTexts = new WeakMap<DatumObject, string>();

/** @throws {ReqlError} for `r.minval` and `r.maxval`, which have no JSON. */
export function jsonText(datum: Datum): string {
  if (typeof datum === "string") return stringText(datum);
  if (typeof datum === "number") return numberText(datum);
  if (datum === null) return "null";
  if (typeof datum === "boolean") return datum ? "true" : "false";
  if (isArray(datum)) return `[${datum.map(jsonText).join(",")}]`;
  if (isObject(datum)) return documentTexts.get(datum) ?? objectText(datum);
  if (datum instanceof BinaryDatum) return binaryText(datum);
  throw extremumError(datum);
}

/** The text of a stored document, kept as long as the document lives. */
export function documentText(document: DatumObject): string {
  const known = documentTexts.get(document);
  if (known !== undefined) return known;
  const text = objectText(document);
  documentTexts.set(document, text);
  return text;
}

function objectText(object: DatumObject): string {
  let text = "";
  for (const [name, value] of object) {
    text += `${text === "" ? "" : ","}${stringText(name)}:${jsonText(value)}`;
  }
  return `{${text}}`;
}

function extremumError(datum: Extremum): Error {
  return logicError(`Cannot convert \`r.${datum.name.toLowerCase()}\` to JSON.`);
}

/** JSON.stringify's text, but control characters in upper-case hexadecimal, and surrogates as they are. */
export function stringText(text: string): string {
  const json = JSON.stringify(text);
  if (!json.includes("\\u")) return json;
  return json.replace(/\\\\|\\u([0-9a-f]{4})/g, (part, digits?: string) => {
    if (digits?.startsWith("d")) return String.fromCharCode(Number.parseInt(digits, 16));
    return digits === undefined ? part : `\\u${digits.toUpperCase()}`;
  });
}

/** The server's digits; conformance-numbers.test.ts compares them with those of a real one. */
export const numberText = serverNumber;

function binaryText(datum: BinaryDatum): string {
  return `{"$reql_type$":"BINARY","data":"${base64Lines(datum.bytes).replaceAll("\r\n", "\\r\\n")}"}`;
}

const BASE64_LINE_CHARS = 76;

/** Base64 in lines of 76 characters, as the server's encoder breaks them. */
export function base64Lines(bytes: Buffer): string {
  const text = bytes.toString("base64");
  if (text.length <= BASE64_LINE_CHARS) return text;
  const lines: string[] = [];
  for (let at = 0; at < text.length; at += BASE64_LINE_CHARS) {
    lines.push(text.slice(at, at + BASE64_LINE_CHARS));
  }
  return lines.join("\r\n");
}

const PRINT_LIMIT_CHARS = 300;

/** The indented form of error messages: tabs, and a tab behind each colon. */
export function prettyText(datum: Datum, indent = ""): string {
  const inner = `${indent}\t`;
  if (isArray(datum)) {
    if (datum.length === 0) return "[]";
    const items = datum.map((item) => inner + prettyText(item, inner));
    return `[\n${items.join(",\n")}\n${indent}]`;
  }
  if (isObject(datum)) {
    if (datum.size === 0) return "{}";
    const fields = [...datum].map(
      ([name, value]) => `${inner}${stringText(name)}:\t${prettyText(value, inner)}`,
    );
    return `{\n${fields.join(",\n")}\n${indent}}`;
  }
  return jsonText(datum);
}

/** The indented form, cut at 300 characters. */
export function prettyTextCut(datum: Datum): string {
  const text = prettyText(datum);
  return text.length > PRINT_LIMIT_CHARS ? `${text.slice(0, PRINT_LIMIT_CHARS - 3)}...` : text;
}
