/**
 * Cutting JSON text without parsing it: the hot paths handle documents as the server's own bytes.
 * The input is compact JSON as RethinkDB writes it (no blanks between tokens); every function throws on text that
 * is not, rather than return a wrong slice.
 */
const quote = 0x22;
const backslash = 0x5c;
const comma = 0x2c;
const colon = 0x3a;
const openBrace = 0x7b;
const closeBrace = 0x7d;
const openBracket = 0x5b;
const closeBracket = 0x5d;

export class JsonBytesError extends Error {}

/** Position after the string that begins (with its quote) at `start`. */
export function endOfString(bytes: Buffer, start: number): number {
  let at = start + 1;
  for (;;) {
    const close = bytes.indexOf(quote, at);
    if (close === -1) throw new JsonBytesError(`unterminated string at byte ${start}`);
    let slashes = 0;
    while (bytes[close - 1 - slashes] === backslash) slashes += 1;
    if (slashes % 2 === 0) return close + 1;
    at = close + 1;
  }
}

/** Position after the value that begins at `start`. */
export function endOfValue(bytes: Buffer, start: number): number {
  const first = bytes[start];
  if (first === quote) return endOfString(bytes, start);
  if (first === openBrace || first === openBracket) return endOfNested(bytes, start);
  return endOfScalar(bytes, start);
}

function endOfNested(bytes: Buffer, start: number): number {
  const length = bytes.length;
  let depth = 0;
  let at = start;
  while (at < length) {
    const byte = bytes[at]!;
    if (byte === quote) {
      at += 1;
      // A short scan in place: most strings are too short to be worth a call.
      while (at < length) {
        const inner = bytes[at]!;
        if (inner === quote) break;
        at += inner === backslash ? 2 : 1;
      }
    } else if (byte === openBrace || byte === openBracket) {
      depth += 1;
    } else if (byte === closeBrace || byte === closeBracket) {
      depth -= 1;
      if (depth === 0) return at + 1;
    }
    at += 1;
  }
  throw new JsonBytesError(`unterminated value at byte ${start}`);
}

/** What numbers, true, false and null are made of. */
const isScalarByte = new Uint8Array(256);
for (const byte of Buffer.from("0123456789+-.eEtrufalsn")) isScalarByte[byte] = 1;

function endOfScalar(bytes: Buffer, start: number): number {
  let at = start;
  while (at < bytes.length && isScalarByte[bytes[at]!] === 1) at += 1;
  if (at === start) throw new JsonBytesError(`no value at byte ${start}`);
  return at;
}

/** Where a value lies; both offsets are into the buffer that was searched. */
export interface Span {
  start: number;
  end: number;
}

/**
 * The value of the field whose name's JSON text (with quotes) is `name`, in the object that begins at `start`;
 * undefined if there is none. Only the object's own level is searched.
 */
export function fieldOf(bytes: Buffer, start: number, name: Buffer): Span | undefined {
  if (bytes[start] !== openBrace) throw new JsonBytesError(`no object at byte ${start}`);
  let at = start + 1;
  if (bytes[at] === closeBrace) return undefined;
  for (;;) {
    if (bytes[at] !== quote) throw new JsonBytesError(`no field name at byte ${at}`);
    const nameEnd = endOfString(bytes, at);
    if (bytes[nameEnd] !== colon) throw new JsonBytesError(`no colon at byte ${nameEnd}`);
    const valueEnd = endOfValue(bytes, nameEnd + 1);
    // Checked before the value is believed: a number that was cut short looks like a number.
    const next = bytes[valueEnd];
    if (next !== comma && next !== closeBrace) {
      throw new JsonBytesError(`no comma at byte ${valueEnd}`);
    }
    if (nameEnd - at === name.length && bytes.compare(name, 0, name.length, at, nameEnd) === 0) {
      return { start: nameEnd + 1, end: valueEnd };
    }
    if (next === closeBrace) return undefined;
    at = valueEnd + 1;
  }
}

/** A document in an array of documents: where it ends, and where the value of one field of it lies. */
export interface RowPlace {
  end: number;
  value: Span | undefined;
}

/** Like endOfValue and fieldOf on the object that begins at `start`, in one pass. */
export function placeOfRow(bytes: Buffer, start: number, name: Buffer): RowPlace {
  if (bytes[start] !== openBrace) throw new JsonBytesError(`no object at byte ${start}`);
  const value = fieldOf(bytes, start, name);
  return { end: value ? endOfObject(bytes, value.end) : endOfValue(bytes, start), value };
}

/** Position after the object of which a value has just ended at `at`. */
function endOfObject(bytes: Buffer, at: number): number {
  let next = at;
  for (;;) {
    if (bytes[next] === closeBrace) return next + 1;
    if (bytes[next] !== comma) throw new JsonBytesError(`no comma at byte ${next}`);
    const nameEnd = endOfString(bytes, next + 1);
    if (bytes[nameEnd] !== colon) throw new JsonBytesError(`no colon at byte ${nameEnd}`);
    next = endOfValue(bytes, nameEnd + 1);
  }
}

/** A field name as the server writes it in JSON text, quotes included. */
export function fieldName(name: string): Buffer {
  // The server's escapes have upper-case digits.
  const text = JSON.stringify(name).replace(
    /\\u([0-9a-f]{4})/g,
    (_, digits: string) => `\\u${digits.toUpperCase()}`,
  );
  return Buffer.from(text);
}
