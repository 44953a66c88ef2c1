/**
 * The lines of data objects. A line is one version of one document (or of one catalog or coverage record):
 *
 *   {"k":<key>,"t":<time>,"n":<sequence>,"u":"<table>","p":<digest | null>,"d":<document | null>}
 *
 * `t` is the capture time in ms, and `p` the digest of the version before. `u` and `p` are in segments only. The
 * document is the server's own JSON bytes. It comes last, so that a reader takes key, time and sequence from the front
 * without parsing it. docs/format.md §4.
 */
import { digestDigits, digestOf, writeDigestOf } from "../digest.js";
import { damaged } from "../errors.js";
import type { Instant } from "../instant.js";
import { endOfValue, JsonBytesError, type Span } from "../json-bytes.js";

/** One version. Its buffers are slices of the buffer that was read, and valid as long as that is. */
export interface Version {
  /** JSON text of the primary key. */
  key: Buffer;
  /** Capture time, ms. */
  time: Instant;
  /** The writer's sequence number: orders versions of equal time. */
  sequence: number;
  /** Segments: the table's id, or the name of a system stream. */
  table: string | undefined;
  /** Segments: digest of the version before this one; null for an insert. */
  previous: string | null | undefined;
  /** Runs: this version is the last of several; capture time of the first of them, whose `previous` is kept here. */
  firstTime?: Instant;
  /** The document's JSON text; null for a delete. */
  document: Buffer | null;
}

const keyPrefix = Buffer.from('{"k":');
const timePrefix = Buffer.from(',"t":');
const sequencePrefix = Buffer.from(',"n":');
const tablePrefix = Buffer.from(',"u":"');
const previousPrefix = Buffer.from(',"p":');
const firstTimePrefix = Buffer.from(',"f":');
const documentPrefix = Buffer.from(',"d":');
const digestPrefix = Buffer.from(',"h":"');
const nullText = Buffer.from("null");
const quote = 0x22;
const lineEnd = Buffer.from("}\n");
const keyLineEnd = Buffer.from('"}\n');

/** At most this many bytes of a line are neither key nor document. */
export const lineOverheadBytes = 160;

/** Writes a segment's line into `into` at `at`; returns the position after it. */
export function writeChangeLine(
  into: Buffer,
  at: number,
  key: Buffer,
  time: Instant,
  sequence: number,
  table: string,
  previous: string | null,
  document: Buffer | null,
): number {
  let end = writeFront(into, at, key, time, sequence);
  end = writeBytes(into, end, textOfTable(table));
  if (previous === null) {
    end = writeBytes(into, end, nullText);
  } else {
    into[end] = quote;
    end += 1 + into.write(previous, end + 1, "latin1");
    into[end++] = quote;
  }
  return writeDocument(into, end, document);
}

/** Writes a sorted object's line into `into` at `at`; returns the position after it. */
export function writeVersionLine(
  into: Buffer,
  at: number,
  key: Buffer,
  time: Instant,
  sequence: number,
  document: Buffer | null,
): number {
  return writeDocument(into, writeFront(into, at, key, time, sequence), document);
}

/**
 * Writes the line of a version in a frame of keys, with the digest of `document` in its place; returns the position
 * after it.
 */
export function writeDigestLine(
  into: Buffer,
  at: number,
  key: Buffer,
  time: Instant,
  sequence: number,
  document: Buffer | null,
): number {
  const digest = document && Buffer.from(`"${digestOf(document)}"`);
  return writeVersionLine(into, at, key, time, sequence, digest);
}

/** Writes a run's line; returns the position after it. */
export function writeRunLine(into: Buffer, at: number, version: Version): number {
  const { key, time, sequence, previous, firstTime, document } = version;
  let end = writeFront(into, at, key, time, sequence);
  if (previous !== undefined) {
    const p = previous === null ? "null" : `"${previous}"`;
    end += into.write(`,"p":${p},"f":${firstTime ?? time}`, end, "latin1");
  }
  return writeDocument(into, end, document);
}

/** Writes a key sidecar's line with the digest of `document`; returns the position after it. */
export function writeKeyLine(
  into: Buffer,
  at: number,
  key: Buffer,
  time: Instant,
  sequence: number,
  document: Buffer,
): number {
  let end = writeFront(into, at, key, time, sequence);
  end = writeBytes(into, end, digestPrefix);
  writeDigestOf(document, into, end);
  return writeBytes(into, end + digestDigits, keyLineEnd);
}

/** Where the digest begins in a key sidecar's line that ends at `end`. */
export function digestInKeyLine(end: number): number {
  return end - keyLineEnd.length - digestDigits;
}

function writeFront(
  into: Buffer,
  at: number,
  key: Buffer,
  time: Instant,
  sequence: number,
): number {
  let end = writeBytes(into, at, keyPrefix);
  end = writeBytes(into, end, key);
  end = writeBytes(into, end, textOfTime(time));
  return writeInteger(into, end, sequence);
}

let timeText = Buffer.alloc(0);
let timeInText = Number.NaN;

/** The text between key and sequence. It is kept, because the rows of a request, and many changes, share one time. */
function textOfTime(time: Instant): Buffer {
  if (time === timeInText) return timeText;
  const length = timePrefix.length + digitsOf(time) + sequencePrefix.length;
  if (timeText.length !== length) timeText = Buffer.alloc(length);
  const end = writeInteger(timeText, writeBytes(timeText, 0, timePrefix), time);
  writeBytes(timeText, end, sequencePrefix);
  timeInText = time;
  return timeText;
}

let tableText = Buffer.alloc(0);
let tableInText = "";

/** The text between sequence and digest. It is kept, because changes come table by table. */
function textOfTable(table: string): Buffer {
  if (table === tableInText) return tableText;
  tableText = Buffer.concat([tablePrefix, Buffer.from(`${table}"`), previousPrefix]);
  tableInText = table;
  return tableText;
}

function writeDocument(into: Buffer, at: number, document: Buffer | null): number {
  let end = writeBytes(into, at, documentPrefix);
  end = writeBytes(into, end, document ?? nullText);
  return writeBytes(into, end, lineEnd);
}

function writeBytes(into: Buffer, at: number, bytes: Buffer): number {
  into.set(bytes, at);
  return at + bytes.length;
}

/** Writes an integer of 0 to 2^53 - 1 in decimal. Making a string of it would cost as much as the rest of the line. */
function writeInteger(into: Buffer, at: number, value: number): number {
  const end = at + digitsOf(value);
  let rest = value;
  for (let digit = end - 1; digit >= at; digit -= 1) {
    const tenth = Math.floor(rest / 10);
    into[digit] = 0x30 + (rest - 10 * tenth);
    rest = tenth;
  }
  return end;
}

function digitsOf(value: number): number {
  let digits = 1;
  for (let power = 10; power <= value; power *= 10) digits += 1;
  return digits;
}

/** The spans of a frame's lines: each from its first byte up to the newline, exclusive. */
export function* lineSpans(lines: Buffer, object: string): Generator<Span> {
  for (let start = 0; start < lines.length; ) {
    const end = lines.indexOf(0x0a, start);
    if (end === -1) throw damaged(object, `line at byte ${start} has no end`);
    yield { start, end };
    start = end + 1;
  }
}

/** The versions in a frame's lines, in their order. Throws, naming `object`, on a line that is not a version. */
export function* parseLines(lines: Buffer, object: string): Generator<Version> {
  for (const { start, end } of lineSpans(lines, object)) yield parseLine(lines, start, end, object);
}

/** The version in the line from `start` up to the newline at `end`. */
export function parseLine(lines: Buffer, start: number, end: number, object: string): Version {
  const cursor = new LineCursor(lines, start, end, object);
  const { key, time, sequence } = cursor.front();
  const table = cursor.skip(tablePrefix) ? cursor.textToQuote() : undefined;
  const previous = cursor.skip(previousPrefix) ? cursor.digestOrNull() : undefined;
  const firstTime = cursor.skip(firstTimePrefix) ? cursor.number() : undefined;
  cursor.expect(documentPrefix);
  const text = cursor.rest();
  const document = text.equals(nullText) ? null : text;
  const version = { key, time, sequence, table, previous, document };
  return firstTime === undefined ? version : { ...version, firstTime };
}

/** A line of a key sidecar: a version without its document. */
export interface KeyVersion {
  key: Buffer;
  time: Instant;
  sequence: number;
  digest: string;
}

/** The key and digest in the key sidecar's line from `start` up to the newline at `end`. */
export function parseKeyLine(
  lines: Buffer,
  start: number,
  end: number,
  object: string,
): KeyVersion {
  const cursor = new LineCursor(lines, start, end, object);
  const front = cursor.front();
  cursor.expect(digestPrefix);
  const digest = cursor.textToQuote();
  if (digest.length !== 16)
    throw damaged(object, `line at byte ${start} is not a key and its digest`);
  return { ...front, digest };
}

/** Parses a key or document of a stored line. If it is not JSON, `object` is damaged. */
export function parseStored(json: Buffer, object: string): unknown {
  try {
    return JSON.parse(json.toString("utf8"));
  } catch (error) {
    throw damaged(object, "a line of it is not JSON", error);
  }
}

class LineCursor {
  private at: number;

  constructor(
    private readonly lines: Buffer,
    private readonly start: number,
    private readonly end: number,
    private readonly object: string,
  ) {
    this.at = start;
  }

  /** Key, time and sequence, with which every line begins. */
  front(): { key: Buffer; time: Instant; sequence: number } {
    this.expect(keyPrefix);
    const key = this.value();
    this.expect(timePrefix);
    const time = this.number();
    this.expect(sequencePrefix);
    return { key, time, sequence: this.number() };
  }

  expect(text: Buffer): void {
    if (!this.skip(text)) throw this.bad();
  }

  skip(text: Buffer): boolean {
    for (let i = 0; i < text.length; i += 1) {
      if (this.lines[this.at + i] !== text[i]) return false;
    }
    this.at += text.length;
    return true;
  }

  value(): Buffer {
    try {
      const from = this.at;
      this.at = endOfValue(this.lines, from);
      if (this.at > this.end) throw this.bad();
      return this.lines.subarray(from, this.at);
    } catch (error) {
      if (error instanceof JsonBytesError) throw this.bad();
      throw error;
    }
  }

  number(): number {
    let value = 0;
    const from = this.at;
    for (;;) {
      const digit = this.lines[this.at]! - 0x30;
      if (!(digit >= 0 && digit <= 9) || this.at >= this.end) break;
      value = value * 10 + digit;
      this.at += 1;
    }
    if (this.at === from || !Number.isSafeInteger(value)) throw this.bad();
    return value;
  }

  /** ASCII text up to the quote that ends it. */
  textToQuote(): string {
    const close = this.lines.indexOf(0x22, this.at);
    if (close === -1 || close > this.end) throw this.bad();
    const text = this.lines.toString("latin1", this.at, close);
    this.at = close + 1;
    return text;
  }

  digestOrNull(): string | null {
    if (this.skip(nullText)) return null;
    this.at += 1;
    return this.textToQuote();
  }

  /** The rest of the line up to its closing brace. */
  rest(): Buffer {
    if (this.at >= this.end - 1 || this.lines[this.end - 1] !== 0x7d) throw this.bad();
    return this.lines.subarray(this.at, this.end - 1);
  }

  private bad() {
    return damaged(this.object, `line at byte ${this.start} is not a version of a document`);
  }
}
