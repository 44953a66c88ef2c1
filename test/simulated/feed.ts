/**
 * A changefeed on one connection. Invariant: between subscribing and its end a feed gives every change of its range
 * once, in order per document, except what an overflow row counts; an initial row is never followed by a change that
 * it already contains. Without it no client could tell a complete feed from one with gaps.
 */
import { Batch, type BatchLimits } from "./batch.js";
import type { Change } from "./change-hub.js";
import { type ChangeSpec, watches } from "./change-spec.js";
import { type Datum, equal, isObject, objectOf, record } from "./datum.js";
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
  /** Of a feed that follows other rows in a union that keeps its order: what is to be given next. */
  #inOrder: Datum[] | undefined;

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
    if (options.includeStates && !this.#initial) this.#owed.push(this.#state("ready"));
  }

  get tableId(): string {
    return this.#spec.table.id;
  }

  /** Changes that wait until the feed is read. */
  get queued(): number {
    return this.#queue.length;
  }

  accept(change: Change): void {
    const before = this.#visible(change.before, change.code);
    const after = this.#visible(change.after, change.code);
    if (before === after || equal(before, after)) return;
    this.#queue.push({ change, before, after });
    if (this.#queue.length > this.#options.queueSize) this.overflow();
  }

  wake(): void {
    this.onWake?.();
  }

  fail(error: ReqlError): void {
    this.#error = error;
    this.wake();
  }

  /** Throws the queue away, as a reader that is too slow makes the server do. `extra` more elements are said to be lost. */
  overflow(extra = 0): void {
    this.#skipped += this.#queue.length + extra;
    this.#queue = [];
  }

  /** Ends the feed after this many more elements. */
  limitTo(count: number): void {
    this.#left = Math.min(this.#left, count);
  }

  /**
   * Gives these rows first, and looks for nothing before they are given; then one row after the other, until a response
   * has as many as it may. (The server waits until it has; here it may have fewer.)
   */
  follow(rows: readonly Datum[]): void {
    this.#inOrder = [...rows];
  }

  get ended(): boolean {
    return this.#left <= 0;
  }

  /** Whether an empty batch means that the copy waits for changes on their way, which the server looks for in a while. */
  get copying(): boolean {
    return this.#initial !== undefined && !this.#initial.finished;
  }

  close(): void {
    this.onWake = undefined;
    this.#stream.unsubscribe(this);
  }

  /**
   * What there is for one response; empty when there is nothing yet.
   * @throws {ReqlError} when the feed has ended
   */
  take(limits: BatchLimits): Batch {
    if (this.#error) throw this.#error;
    for (;;) {
      const batch = new Batch(limits);
      this.#fill(batch);
      const result = this.#finished(batch);
      if (batch.empty || !result.empty || this.ended) {
        if (!batch.empty) this.#error = this.#check();
        return result;
      }
    }
  }

  #fill(batch: Batch): void {
    const rows = this.#inOrder;
    if (!rows) {
      this.#look(batch);
      return;
    }
    while (!batch.full) {
      if (rows.length === 0) {
        const looked = new Batch(batch.limits);
        this.#look(looked);
        rows.push(...looked.items);
      }
      const row = rows.shift();
      if (row === undefined) return;
      batch.add(row);
    }
  }

  #look(batch: Batch): void {
    if (this.#initial && !this.#initial.finished) this.#copy(batch, this.#initial);
    else this.#takeChanges(batch);
  }

  /** What the rest of the query makes of a batch; a batch of which it leaves nothing is not sent. */
  #finished(batch: Batch): Batch {
    if (this.transforms.length === 0 && this.#left === Infinity) return batch;
    const result = new Batch(batch.limits);
    for (const item of batch.items) {
      for (const element of applyAll(this.transforms, item)) {
        if (this.ended) return result;
        this.#left -= 1;
        result.addUncounted(element);
      }
    }
    return result;
  }

  /** Point feeds and those of system tables are copied in one answer. */
  get #copiesAtOnce(): boolean {
    return this.#spec.point === true || this.#spec.table.isSystem;
  }

  /** One round of the server's own loop: changes of what is read, then a read if there is room, until something is found. */
  #copy(batch: Batch, initial: InitialRead): void {
    for (;;) {
      if (initial.exhausted && initial.ready) {
        this.#endCopy(batch, initial);
        return;
      }
      if (initial.begun) this.#takeCovered(batch, initial);
      else if (this.#options.includeStates) batch.addUncounted(this.#state("initializing"));
      if (!initial.exhausted && !batch.full) this.#takeRows(batch, initial);
      else if (batch.empty) return;
      if (!batch.empty && !this.#copiesAtOnce) return;
    }
  }

  #endCopy(batch: Batch, initial: InitialRead): void {
    initial.finished = true;
    if (this.#options.includeStates) this.#owed.push(this.#state("ready"));
    this.#takeChanges(batch);
  }

  #takeCovered(batch: Batch, initial: InitialRead): void {
    let taken = 0;
    for (; taken < this.#queue.length && !batch.full; taken += 1) {
      const queued = this.#queue[taken]!;
      if (initial.covers(queued.change)) batch.add(this.#changeElement(queued));
    }
    this.#queue.splice(0, taken);
    if (this.#queue.length === 0) initial.skipToFeed();
  }

  #takeRows(batch: Batch, initial: InitialRead): void {
    const rows = initial.read(batch.limits, (row) => this.#transformed(row));
    for (const row of rows) batch.addUncounted(this.#typed([["new_val", row]], "initial"));
    if (this.#copiesAtOnce) initial.skipToFeed();
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
    for (const element of this.#owed.splice(0)) batch.add(element);
    let taken = 0;
    for (; taken < this.#queue.length && !batch.full; taken += 1) {
      batch.add(this.#changeElement(this.#queue[taken]!));
    }
    this.#queue.splice(0, taken);
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
    const member = watches(this.#spec, code, document);
    return member ? this.#transformed(document) : null;
  }

  #transformed(row: Datum): Datum {
    if (this.#spec.transforms.length === 0 || row === null) return row;
    return applyAll(this.#spec.transforms, row)[0] ?? null;
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
