/**
 * Converts the server's JSON text into a JavaScript string, and back.
 *
 * The text is UTF-8 except for surrogates. The server stores each surrogate as three bytes, ED A0 80 to ED BF BF, even
 * two that would make a pair. Decoded as UTF-8, all of them would become U+FFFD. So in the string they are escapes,
 * `\ud800` to `\udfff`. The server never writes such an escape, so each one stands for its three bytes.
 *
 * Invariant: jsonOfText(textOfJson(bytes)) gives the same bytes. Break it and a key that is stored as a string becomes
 * another key, or a document comes back altered.
 */
import { isUtf8 } from "node:buffer";

export function textOfJson(bytes: Buffer): string {
  if (isUtf8(bytes)) return bytes.toString("utf8");
  let text = "";
  let from = 0;
  for (let at = bytes.indexOf(0xed); at !== -1; at = bytes.indexOf(0xed, at + 1)) {
    const [second, third] = [bytes[at + 1] ?? 0, bytes[at + 2] ?? 0];
    if (second < 0xa0 || second > 0xbf || third >> 6 !== 0b10) continue;
    const unit = 0xd000 | ((second & 0x3f) << 6) | (third & 0x3f);
    text += `${bytes.toString("utf8", from, at)}\\u${unit.toString(16)}`;
    from = at + 3;
  }
  return text + bytes.toString("utf8", from);
}

/** The bytes of JSON text. It may come from JSON.stringify, which escapes only surrogates without a partner. */
export function jsonOfText(text: string): Buffer {
  const bytes = Buffer.from(text);
  if (!surrogateEscape.test(text)) return bytes;
  const raw = bytes
    .toString("latin1")
    .replace(anyEscape, (escape, digits?: string) =>
      digits === undefined ? escape : surrogateBytes(Number.parseInt(digits, 16)),
    );
  return Buffer.from(raw, "latin1");
}

/** Parses the server's JSON text. To write a key or document again, keep its bytes instead. */
export function parseJson(bytes: Buffer): unknown {
  return JSON.parse(textOfJson(bytes));
}

const surrogateEscape = /\\ud[89a-f]/i;
/** Matches an escaped backslash too, because what follows it is no escape. */
const anyEscape = /\\(?:u(d[89a-f][0-9a-f]{2})|.)/gis;

/** The three bytes of a surrogate, as characters 0 to 255. */
export function surrogateBytes(unit: number): string {
  return String.fromCharCode(0xed, 0x80 | ((unit >> 6) & 0x3f), 0x80 | (unit & 0x3f));
}
