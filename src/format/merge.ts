/**
 * Merges sorted versions of bases and of runs of the log. One rule holds everywhere: of the versions of a key, the last
 * one wins, by time, then by sequence.
 */
import { damaged } from "../errors.js";
import type { Instant } from "../instant.js";
import type { KeyFilter } from "../key-filter.js";
import { type OrderCode, orderCode } from "../key-order.js";
import { jsonOfText, textOfJson } from "../server-text.js";
import { parseLine, type Version } from "./lines.js";

/** Versions captured after `after` and up to `until`. */
export interface Window {
  after: Instant;
  until: Instant;
}

const always: Window = { after: -1, until: Number.MAX_SAFE_INTEGER };

/** Lines of one frame of a sorted object. */
export interface SortedFrame {
  lines: Buffer;
  /** The object's name, for errors. */
  object: string;
}

/** The surviving version of a key. */
export interface Winner {
  code: OrderCode;
  version: Version;
}

/** How many winners make a batch. Batches spare a promise for each step of the merge. */
const batchRows = 256;

/** Versions in key order, those of a key in the order of capture, one at a time. */
export interface VersionCursor {
  /** The current version; undefined before the first step. */
  readonly version: Version;
  readonly code: OrderCode;
  /** Steps to the next version; false at the end. It returns a promise only if it must fetch something. */
  advance(): boolean | Promise<boolean>;
}

/** A cursor over the versions in a window of sorted frames. It checks that they rise by key and time. */
export class SortedCursor implements VersionCursor {
  version!: Version;
  code: OrderCode = "";
  private frame: SortedFrame = { lines: Buffer.alloc(0), object: "" };
  /** Where the current version's line begins, and where the next line begins. */
  private from = 0;
  private at = 0;

  constructor(
    private readonly frames: AsyncIterator<SortedFrame>,
    private readonly window: Window = always,
    private readonly onVersion?: () => void,
  ) {}

  /** The version's line, without its newline. */
  get line(): Buffer {
    return this.frame.lines.subarray(this.from, this.at - 1);
  }

  advance(): boolean | Promise<boolean> {
    return this.readLine() || this.nextFrame();
  }

  private async nextFrame(): Promise<boolean> {
    do {
      const next = await this.frames.next();
      if (next.done) return false;
      this.frame = next.value;
      this.at = 0;
    } while (!this.readLine());
    return true;
  }

  /** Reads up to the frame's next line that lies in the window; false if there is none. */
  private readLine(): boolean {
    const { lines, object } = this.frame;
    const { after, until } = this.window;
    while (this.at < lines.length) {
      const end = lines.indexOf(0x0a, this.at);
      if (end === -1) throw damaged(object, `line at byte ${this.at} has no end`);
      const version = parseLine(lines, this.at, end, object);
      const code = codeOfKey(version.key, object);
      const rises = code > this.code || (code === this.code && isLater(version, this.version));
      if (!rises) throw damaged(object, `line at byte ${this.at} is out of order`);
      this.code = code;
      this.version = version;
      this.from = this.at;
      this.at = end + 1;
      if (version.time <= after || version.time > until) continue;
      this.onVersion?.();
      return true;
    }
    return false;
  }
}

/** The versions of a cursor whose keys are wanted. */
export class FilteredCursor implements VersionCursor {
  constructor(
    private readonly all: VersionCursor,
    private readonly filter: KeyFilter,
  ) {}

  get version(): Version {
    return this.all.version;
  }

  get code(): OrderCode {
    return this.all.code;
  }

  advance(): boolean | Promise<boolean> {
    for (;;) {
      const more = this.all.advance();
      if (typeof more !== "boolean") return this.advanced(more);
      if (!more || this.filter.has(this.code)) return more;
    }
  }

  private async advanced(fetching: Promise<boolean>): Promise<boolean> {
    if (!(await fetching)) return false;
    return this.filter.has(this.code) || this.advance();
  }
}

/** The order code of a stored key. If it cannot be a primary key, `object` is damaged. */
export function codeOfKey(key: Buffer, object: string): OrderCode {
  try {
    return orderCode(key);
  } catch (error) {
    throw damaged(object, `${textOfJson(key)} is not a primary key`, error);
  }
}

/** The same for a key that is stored as a text, in an index or a manifest. */
export function codeOfText(key: string, object: string): OrderCode {
  return codeOfKey(jsonOfText(key), object);
}

/**
 * Called for each version of a key, in the order of capture, with the version before it; undefined if there is none.
 */
export type OnSuccession = (before: Version | undefined, after: Version) => void;

/** Merges cursors and yields, in key order, the last version of each key; it may be a delete. */
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

/** A version and its line, without its newline. */
export interface MergedLine {
  code: OrderCode;
  version: Version;
  line: Buffer;
}

/** Merges cursors and yields every version, in key order; the versions of a key in the order of capture. */
export async function* mergeAll(cursors: SortedCursor[]): AsyncGenerator<MergedLine[]> {
  const heap: SortedCursor[] = [];
  for (const cursor of cursors) if (await cursor.advance()) insert(heap, cursor);
  let batch: MergedLine[] = [];
  while (heap.length > 0) {
    const { code, version, line } = heap[0]!;
    batch.push({ code, version, line });
    if (batch.length >= batchRows) {
      yield batch;
      batch = [];
    }
    const more = heap[0]!.advance();
    if (typeof more === "boolean" ? more : await more) sink(heap);
    else removeTop(heap);
  }
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

/** Orders by key, and the versions of a key by capture. */
function comesBefore(a: VersionCursor, b: VersionCursor): boolean {
  return a.code < b.code || (a.code === b.code && isLater(b.version, a.version));
}

function removeTop(heap: VersionCursor[]): void {
  const last = heap.pop()!;
  if (heap.length === 0) return;
  heap[0] = last;
  sink(heap);
}

/** Restores the order of the heap after its top cursor has advanced. */
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
