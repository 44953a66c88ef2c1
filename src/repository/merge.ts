/**
 * Merging sorted versions: bases, runs of the log. One rule decides everywhere: of the versions of a key, the last one
 * wins, by time, then by sequence.
 */
import { damaged } from "../errors.js";
import { type OrderCode, orderCode } from "../key-order.js";
import { parseLine, type Version } from "./lines.js";

/** Lines of one frame of a sorted object. */
export interface SortedFrame {
  lines: Buffer;
  /** For errors. */
  object: string;
}

/** The surviving version of a key. */
export interface Winner {
  code: OrderCode;
  version: Version;
}

/** Winners are handed on in batches of this many, so that one step of the merge costs no promise. */
const batchRows = 256;

/** Versions in key order, those of a key in the order of capture, one at a time. */
export interface VersionCursor {
  /** Where the cursor stands; nothing before the first step. */
  readonly version: Version;
  readonly code: OrderCode;
  /** Steps to the next version; false at the end. A promise only where something must be fetched. */
  advance(): boolean | Promise<boolean>;
}

/** Walks the versions of sorted frames; checks that the keys rise. */
export class SortedCursor implements VersionCursor {
  version!: Version;
  code: OrderCode = "";
  private frame: SortedFrame = { lines: Buffer.alloc(0), object: "" };
  private at = 0;

  constructor(private readonly frames: AsyncIterator<SortedFrame>) {}

  advance(): boolean | Promise<boolean> {
    if (this.at < this.frame.lines.length) return this.readLine();
    return this.nextFrame();
  }

  private async nextFrame(): Promise<boolean> {
    const next = await this.frames.next();
    if (next.done) return false;
    this.frame = next.value;
    this.at = 0;
    return this.frame.lines.length > 0 ? this.readLine() : this.nextFrame();
  }

  private readLine(): boolean {
    const { lines, object } = this.frame;
    const end = lines.indexOf(0x0a, this.at);
    if (end === -1) throw damaged(object, `line at byte ${this.at} has no end`);
    this.version = parseLine(lines, this.at, end, object);
    const code = codeOfKey(this.version.key, object);
    if (code < this.code) throw damaged(object, `line at byte ${this.at} is out of order`);
    this.code = code;
    this.at = end + 1;
    return true;
  }
}

/** The order code of a stored key; a key that cannot be one is damage. */
export function codeOfKey(key: Buffer, object: string): OrderCode {
  try {
    return orderCode(key);
  } catch (error) {
    throw damaged(object, `${key.toString()} is not a primary key`, error);
  }
}

/** Told of each version of a key and the one before it; undefined if there is none. In the order of capture. */
export type OnSuccession = (before: Version | undefined, after: Version) => void;

/** Merges cursors by key and yields, in key order, the last version of each key; deletes included. */
export async function* mergeLatest(
  cursors: VersionCursor[],
  onSuccession: OnSuccession = () => undefined,
): AsyncGenerator<Winner[]> {
  const heap: VersionCursor[] = [];
  for (const cursor of cursors) if (await cursor.advance()) insert(heap, cursor);
  let batch: Winner[] = [];
  let winner: Winner | undefined;
  while (heap.length > 0) {
    const top = heap[0]!;
    if (winner && winner.code === top.code) {
      onSuccession(winner.version, top.version);
      winner.version = top.version;
    } else {
      if (winner) batch.push(winner);
      onSuccession(undefined, top.version);
      winner = { code: top.code, version: top.version };
      if (batch.length >= batchRows) {
        yield batch;
        batch = [];
      }
    }
    const more = top.advance();
    if (typeof more === "boolean" ? more : await more) sink(heap);
    else removeTop(heap);
  }
  if (winner) batch.push(winner);
  if (batch.length > 0) yield batch;
}

/** True if `a` was captured after `b`. */
export function isLater(
  a: { time: number; sequence: number },
  b: { time: number; sequence: number },
): boolean {
  return a.time > b.time || (a.time === b.time && a.sequence > b.sequence);
}

function insert(heap: VersionCursor[], cursor: VersionCursor): void {
  heap.push(cursor);
  heap.sort((a, b) => (comesBefore(a, b) ? -1 : 1));
}

/** By key; the versions of a key in the order of capture. */
function comesBefore(a: VersionCursor, b: VersionCursor): boolean {
  return a.code < b.code || (a.code === b.code && isLater(b.version, a.version));
}

function removeTop(heap: VersionCursor[]): void {
  const last = heap.pop()!;
  if (heap.length === 0) return;
  heap[0] = last;
  sink(heap);
}

/** Restores the heap after its top has moved on. */
function sink(heap: VersionCursor[]): void {
  const moving = heap[0]!;
  let at = 0;
  for (;;) {
    const left = 2 * at + 1;
    if (left >= heap.length) break;
    const right = left + 1;
    const least = right < heap.length && comesBefore(heap[right]!, heap[left]!) ? right : left;
    if (!comesBefore(heap[least]!, moving)) break;
    heap[at] = heap[least]!;
    at = least;
  }
  heap[at] = moving;
}
