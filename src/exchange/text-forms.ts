/** Documents, which are the server's JSON text, in the forms of text that other programs read. */
import { isUtf8 } from "node:buffer";
import { textOfJson } from "../server-text.js";

/** The same JSON text in ASCII: every other character is an escape, as Python writes it. */
export function asciiJson(text: Buffer): Buffer {
  return isAscii(text) ? text : Buffer.from(escaped(textOfJson(text)), "latin1");
}

/** The same JSON text in UTF-8: only surrogates, which have no UTF-8, are escapes. */
export function utf8Json(text: Buffer): Buffer {
  return isUtf8(text) ? text : Buffer.from(textOfJson(text));
}

/** A value as JSON text in ASCII. */
export const asciiOf = (value: unknown) => escaped(JSON.stringify(value));

/**
 * True if a text has a high surrogate that stands alone, or two surrogates that are kept apart. As an escape, the
 * server refuses the first and makes one character of the second.
 */
export function hasHighSurrogate(text: Buffer): boolean {
  if (isUtf8(text)) return false;
  for (let at = text.indexOf(0xed); at !== -1; at = text.indexOf(0xed, at + 1)) {
    const second = text[at + 1] ?? 0;
    if (second >= 0xa0 && second < 0xb0) return true;
  }
  return false;
}

function isAscii(text: Buffer): boolean {
  for (let at = 0; at < text.length; at += 1) if (text[at]! >= 0x80) return false;
  return true;
}

const beyondAscii = /[\u0080-\uffff]/g;

function escaped(json: string): string {
  return json.replace(
    beyondAscii,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}
