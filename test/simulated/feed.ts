/**
 * A changefeed on one connection. Invariant: between subscribing and its end a feed gives every change of its range
 * once, in order per document, except what an overflow row counts; an initial row is never followed by a change that
 * it already contains. Without it no client could tell a complete feed from one with holes.
 */
import type { Batch } from "./batch.js";
import type { Change } from "./change-hub.js";
import type { ChangeSpec } from "./change-spec.js";
import { type Datum, equal, isObject, objectOf, record } from "./datum.js";
import { inRange } from "./index-range.js";
import { InitialRead } from "./initial-read.js";
import type { ReqlError } from "./reql-error.js";
import type { ChangeStream, Subscriber } from "./selection-table.js";
import type { Transform } from "./sequence.js";

export interface FeedOptions {
  readonly queueSize: number;
  readonly includeInitial: boolean;
  readonly includeStates: boolean;
  readonly includeTypes: boolean;
}

/** The order of a change's two halves in the queue of a feed. */
export interface QueuedChange {
  readonly change: Change;
  readonly before: Datum;
  readonly after: Datum;
}

const note = { sequence: 1, atom: 2, includesStates: 5 };

export class Feed implements Subscriber {
  /** What the query does with the feed's elements. */
  readonly transforms: Transform[] = [];
  readonly notes: number[];
  /** Called when there is something to take, or the feed has failed. */
  onWake: (() => void) | undefined;
  readonly #spec: ChangeSpec;
  readonly #options: FeedOptions;
  readonly #stream: ChangeStream;
  readonly #check: () => ReqlError | undefined;
  readonly #initial: InitialRead | undefined;
  #queue: QueuedChange[] = [];
  #skipped = 0;
  #error: ReqlError | undefined;
  #owed: Datum[] = [];
  #left = Infinity;

  /** @param check what ends the feed after a batch: a dropped table or a lost permission */
  constructor(
    spec: ChangeSpec,
    options: FeedOptions,
    user: string,
    check: () => ReqlError | undefined,
  ) {
    this.#spec = spec;
    this.#options = options;
    this.#check = check;
    this.#stream = spec.table.changes();
    this.notes = [spec.point ? note.atom : note.sequence];
    if (options.includeStates) this.notes.push(note.includesStates);
    this.#stream.subscribe(this);
    if (options.includeInitial) this.#initial = new InitialRead(spec, this.#stream, user);
    if (options.includeStates)
      this.#owed.push(this.#state(this.#initial ? "initializing" : "ready"));
  }

  get tableId(): string {
    return this.#spec.table.id;
  }

  accept(change: Change): void {
    const before = this.#visible(change.before, change.code);
    const after = this.#visible(change.after, change.code);
    if (before === after || equal(before, after)) return;
    this.#queue.push({ change, before, after });
    if (this.#queue.length > this.#options.queueSize) this.overflow();
    this.#wake();
  }

  fail(error: ReqlError): void {
    this.#error = error;
    this.#wake();
  }

  /** Throws the queue away, as a reader that is too slow makes the server do. `extra` more elements are said to be lost. */
  overflow(extra = 0): void {
    this.#skipped += this.#queue.length + extra;
    this.#queue = [];
    if (this.#skipped > 0) this.#wake();
  }

  /** Ends the feed after this many more elements. */
  limitTo(count: number): void {
    this.#left = Math.min(this.#left, count);
  }

  get ended(): boolean {
    return this.#left <= 0;
  }

  /** True if another `take` may come later even though this one gave nothing: the copy waits for changes on their way. */
  get copying(): boolean {
    return this.#initial !== undefined && !this.#initial.finished;
  }

  close(): void {
    this.onWake = undefined;
    this.#stream.unsubscribe(this);
  }

  /**
   * Moves what there is into a batch; leaves it empty when there is nothing yet.
   * @throws {ReqlError} when the feed has ended
   */
  take(batch: Batch): void {
    if (this.#error) throw this.#error;
    const wasEmpty = batch.empty;
    if (this.#initial && !this.#initial.finished) this.#takeInitial(batch, this.#initial);
    // The real server tells that a stored table is copied only in the batch after the last that held rows of it.
    if (!this.copying && (batch.empty || this.#copiesAtOnce)) this.#takeChanges(batch);
    if (wasEmpty && !batch.empty) this.#error = this.#check();
  }

  get #copiesAtOnce(): boolean {
    return this.#spec.point === true || this.#spec.table.isSystem;
  }

  #takeInitial(batch: Batch, initial: InitialRead): void {
    this.#giveOwed(batch);
    for (let queued = this.#queue[0]; queued && !batch.full; queued = this.#queue[0]) {
      this.#queue.shift();
      if (initial.covers(queued.change)) this.#give(batch, this.#changeElement(queued));
    }
    initial.read(batch, (row) => {
      const shown = this.#transformed(row);
      if (shown !== null || this.#spec.point)
        this.#give(batch, this.#typed([["new_val", shown]], "initial"));
    });
    if (!batch.empty && !this.#copiesAtOnce) return;
    if (this.#queue.length > 0 || !initial.settled()) return;
    initial.finished = true;
    if (this.#options.includeStates) this.#owed.push(this.#state("ready"));
  }

  #takeChanges(batch: Batch): void {
    if (this.#skipped > 0) {
      if (!batch.empty) return;
      batch.add(
        record({
          error: `Changefeed cache over array size limit, skipped ${this.#skipped} elements.`,
        }),
      );
      this.#skipped = 0;
      return;
    }
    this.#giveOwed(batch);
    let taken = 0;
    while (taken < this.#queue.length && !batch.full && !this.ended) {
      this.#give(batch, this.#changeElement(this.#queue[taken]!));
      taken += 1;
    }
    this.#queue.splice(0, taken);
  }

  #giveOwed(batch: Batch): void {
    for (const element of this.#owed.splice(0)) this.#give(batch, element);
  }

  #give(batch: Batch, element: Datum): void {
    const results = applyAll(this.transforms, element);
    for (const result of results) {
      if (this.ended) return;
      this.#left -= 1;
      batch.add(result);
    }
  }

  #changeElement({ before, after }: QueuedChange): Datum {
    const type = before === null ? "add" : after === null ? "remove" : "change";
    return this.#typed(
      [
        ["new_val", after],
        ["old_val", before],
      ],
      type,
    );
  }

  #state(state: string): Datum {
    return this.#typed([["state", state]], "state");
  }

  #typed(fields: [string, Datum][], type: string): Datum {
    return objectOf(this.#options.includeTypes ? [...fields, ["type", type]] : fields);
  }

  /** What the feed shows of one side of a change. */
  #visible(document: Datum, code: string): Datum {
    if (document === null || !isObject(document)) return null;
    const { range, table } = this.#spec;
    const member =
      range.index === undefined
        ? inRange(code, range)
        : (table.indexCodes(range.index, document) ?? []).some((value) => inRange(value, range));
    return member ? this.#transformed(document) : null;
  }

  #transformed(row: Datum): Datum {
    if (this.#spec.transforms.length === 0 || row === null) return row;
    return applyAll(this.#spec.transforms, row)[0] ?? null;
  }

  #wake(): void {
    this.onWake?.();
  }
}

function applyAll(transforms: readonly Transform[], element: Datum): Datum[] {
  let elements: Datum[] = [element];
  for (const transform of transforms) {
    const results: Datum[] = [];
    for (const item of elements) transform(item, (result) => results.push(result));
    elements = results;
  }
  return elements;
}
