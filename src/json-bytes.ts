/**
 * Cuts JSON text without parsing it, so that hot paths handle documents as the server's own bytes.
 * The input is compact JSON as RethinkDB writes it, without blanks between tokens. Every function throws for other text
 * rather than return a wrong slice.
 */
import { jsonOfText } from "./server-text.js";

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
  return endOfOpenString(bytes, start + 1);
}

/** Position after the value that begins at `start`. */
export function endOfValue(bytes: Buffer, start: number): number {
  if (bytes[start] === quote) return endOfString(bytes, start);
  return new JsonText(bytes).endOfValue(start);
}

/** Like JsonText.fieldOf, for a text that is searched only once. */
export function fieldOf(bytes: Buffer, start: number, name: Buffer): Span | undefined {
  return new JsonText(bytes).fieldOf(start, name);
}

/** Where a value lies; both offsets are into the buffer that was searched. */
export interface Span {
  start: number;
  end: number;
}

/** The places of an array's objects, and of one field's value in each. Made once and filled again and again. */
export class RowPlaces {
  /** Four offsets for each row: start and end of the object, start and end of the value. */
  private offsets: Uint32Array;
  count = 0;

  /** @param capacity the number of rows that there is room for at first */
  constructor(capacity = 1024) {
    this.offsets = new Uint32Array(4 * capacity);
  }

  clear(): void {
    this.count = 0;
  }

  add(start: number, end: number, valueStart: number, valueEnd: number): void {
    const at = 4 * this.count;
    if (at === this.offsets.length) {
      const larger = new Uint32Array(2 * at);
      larger.set(this.offsets);
      this.offsets = larger;
    }
    this.offsets[at] = start;
    this.offsets[at + 1] = end;
    this.offsets[at + 2] = valueStart;
    this.offsets[at + 3] = valueEnd;
    this.count += 1;
  }

  object(bytes: Buffer, row: number): Buffer {
    return bytes.subarray(this.offsets[4 * row], this.offsets[4 * row + 1]);
  }

  value(bytes: Buffer, row: number): Buffer {
    return bytes.subarray(this.offsets[4 * row + 2], this.offsets[4 * row + 3]);
  }

  values(bytes: Buffer): Buffer[] {
    return Array.from({ length: this.count }, (_, row) => this.value(bytes, row));
  }
}

/** JSON text that is searched many times. */
export class JsonText {
  /** The same bytes, for reading four at once. */
  private readonly words: DataView;

  constructor(readonly bytes: Buffer) {
    this.words = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  /** Position after the value that begins at `start`. */
  endOfValue(start: number): number {
    const first = this.bytes[start];
    if (first === quote) return this.endOfString(start);
    if (first === openBrace || first === openBracket) return this.endOfNested(start);
    return this.endOfScalar(start);
  }

  /**
   * The value of the field whose name's JSON text (with quotes) is `name`, in the object that begins at `start`;
   * undefined if there is none. Only the object's own level is searched.
   */
  fieldOf(start: number, name: Buffer): Span | undefined {
    const { bytes } = this;
    if (bytes[start] !== openBrace) throw new JsonBytesError(`no object at byte ${start}`);
    if (bytes[start + 1] === closeBrace) return undefined;
    for (let at = start + 1; ; at += 1) {
      const nameEnd = this.endOfName(at);
      const end = this.endOfField(nameEnd);
      if (nameEnd - at === name.length && hasAt(bytes, at, name))
        return { start: nameEnd + 1, end };
      if (bytes[end] === closeBrace) return undefined;
      at = end;
    }
  }

  /** The values of the array that begins at `start`. */
  *items(start: number): Generator<Span> {
    const { bytes } = this;
    if (bytes[start] !== openBracket) throw new JsonBytesError(`no array at byte ${start}`);
    if (bytes[start + 1] === closeBracket) return;
    for (let at = start + 1; ; at += 1) {
      const end = this.endOfValue(at);
      yield { start: at, end };
      if (bytes[end] === closeBracket) return;
      if (bytes[end] !== comma) throw new JsonBytesError(`no comma at byte ${end}`);
      at = end;
    }
  }

  /** The fields of the object that begins at `start`; a name lies before its value, with its quotes. */
  *fields(start: number): Generator<{ name: Span; value: Span }> {
    const { bytes } = this;
    if (bytes[start] !== openBrace) throw new JsonBytesError(`no object at byte ${start}`);
    if (bytes[start + 1] === closeBrace) return;
    for (let at = start + 1; ; at += 1) {
      const nameEnd = this.endOfName(at);
      const end = this.endOfField(nameEnd);
      yield { name: { start: at, end: nameEnd }, value: { start: nameEnd + 1, end } };
      if (bytes[end] === closeBrace) return;
      at = end;
    }
  }

  /**
   * Adds to `places` the object that begins at `start`, and its value of the field `name`. Returns the position after
   * the object. Throws if the object does not have the field.
   */
  cutObject(start: number, name: Buffer, places: RowPlaces): number {
    const value = this.fieldOf(start, name);
    if (!value)
      throw new JsonBytesError(`no field ${name.toString()} in the object at byte ${start}`);
    const end = this.endOfObject(value.end);
    places.add(start, end, value.start, value.end);
    return end;
  }

  /** Does what cutObject does, for each object of an array whose first object, or closing bracket, is at `start`. */
  cutRows(start: number, name: Buffer, places: RowPlaces): void {
    const { bytes } = this;
    places.clear();
    if (bytes[start] === closeBracket) return;
    for (let at = start; ; at += 1) {
      at = this.cutObject(at, name, places);
      if (bytes[at] === closeBracket) return;
      if (bytes[at] !== comma) throw new JsonBytesError(`no comma at byte ${at}`);
    }
  }

  /** Position after the object in which a value ends at `at`. */
  private endOfObject(at: number): number {
    let end = at;
    while (this.bytes[end] !== closeBrace) end = this.endOfField(this.endOfName(end + 1));
    return end + 1;
  }

  private endOfName(start: number): number {
    if (this.bytes[start] !== quote) throw new JsonBytesError(`no field name at byte ${start}`);
    return this.endOfString(start);
  }

  /** Position of the comma or brace after the value whose field's name ends at `nameEnd`. */
  private endOfField(nameEnd: number): number {
    const { bytes } = this;
    if (bytes[nameEnd] !== colon) throw new JsonBytesError(`no colon at byte ${nameEnd}`);
    const end = this.endOfValue(nameEnd + 1);
    // Checked because a number that was cut short still looks like a number.
    const next = bytes[end];
    if (next !== comma && next !== closeBrace) throw new JsonBytesError(`no comma at byte ${end}`);
    return end;
  }

  private endOfNested(start: number): number {
    const { bytes } = this;
    const { length } = bytes;
    let depth = 0;
    let at = start;
    while (at < length) {
      const byte = bytes[at]!;
      if (byte === quote) {
        at = this.endOfString(at);
        continue;
      }
      if (byte === openBrace || byte === openBracket) depth += 1;
      else if (byte === closeBrace || byte === closeBracket) depth -= 1;
      at += 1;
      if (depth === 0) return at;
    }
    throw new JsonBytesError(`unterminated value at byte ${start}`);
  }

  /** Searches four bytes at once, because most of a document is inside strings. */
  private endOfString(start: number): number {
    const { bytes, words } = this;
    const lastWord = bytes.length - 4;
    let at = start + 1;
    while (at <= lastWord) {
      const word = words.getInt32(at, true);
      const found = zeroBytes(word ^ fourQuotes) | zeroBytes(word ^ fourBackslashes);
      if (found === 0) {
        at += 4;
        continue;
      }
      // The lowest set bit is in the first byte that is a quote or a backslash.
      at += (31 - Math.clz32(found & -found)) >> 3;
      if (bytes[at] === quote) return at + 1;
      at += 2;
    }
    return endOfOpenString(bytes, at);
  }

  private endOfScalar(start: number): number {
    const { bytes } = this;
    let at = start;
    while (at < bytes.length && isScalarByte[bytes[at]!] === 1) at += 1;
    if (at === start) throw new JsonBytesError(`no value at byte ${start}`);
    return at;
  }
}

const fourQuotes = 0x22222222;
const fourBackslashes = 0x5c5c5c5c;

/** Sets the high bit of each byte of `word` that is 0, and maybe of bytes above such a byte. */
function zeroBytes(word: number): number {
  return (word - 0x01010101) & ~word & 0x80808080;
}

/** Position after the string that is open at `from`. */
function endOfOpenString(bytes: Buffer, from: number): number {
  const { length } = bytes;
  let at = from;
  while (at < length) {
    const byte = bytes[at];
    if (byte === quote) return at + 1;
    at += byte === backslash ? 2 : 1;
  }
  throw new JsonBytesError(`unterminated string before byte ${length}`);
}

/** 1 for each byte that numbers, true, false and null are made of. */
const isScalarByte = new Uint8Array(256);
for (const byte of Buffer.from("0123456789+-.eEtrufalsn")) isScalarByte[byte] = 1;

/** True if both are the same text, or both null. */
export function isSameText(a: Buffer | null, b: Buffer | null): boolean {
  return a === null || b === null ? a === b : a.equals(b);
}

/** True if `bytes` has `text` at `at`. */
export function hasAt(bytes: Buffer, at: number, text: Buffer): boolean {
  for (let i = 0; i < text.length; i += 1) if (bytes[at + i] !== text[i]) return false;
  return true;
}

/** A field name as the server writes it in JSON text, quotes included. */
export function fieldName(name: string): Buffer {
  // The server escapes control characters only, and with upper-case digits.
  const text = JSON.stringify(name).replace(
    /\\(?:u(00[0-9a-f]{2})|.)/gs,
    (escape, digits?: string) => (digits === undefined ? escape : `\\u${digits.toUpperCase()}`),
  );
  return jsonOfText(text);
}
