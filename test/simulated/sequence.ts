/**
 * Sequences of data, read lazily: a source that gives one element after another, and the transformations on it.
 * A source never reads ahead, because a row read before it is asked for would be older than its batch.
 */

import type { ChangeSpec } from "./change-spec.js";
import type { Datum } from "./datum.js";
import type { Feed } from "./feed.js";
import type { SelectionTable } from "./selection-table.js";

export interface Source {
  /** The next element, or undefined at the end. */
  next(): Datum | undefined;
  /** True when it is certain that `next` has no more to give. */
  exhausted(): boolean;
  /** True if more comes from the same look at the table: a response holds all of it, whatever its limits are. */
  readonly midLook?: boolean;
}

/** Turns an element into none, one or several. */
export type Transform = (element: Datum, emit: (result: Datum) => void) => void;

export class ArraySource implements Source {
  readonly items: readonly Datum[];
  #at = 0;

  constructor(items: readonly Datum[]) {
    this.items = items;
  }

  next(): Datum | undefined {
    return this.items[this.#at++];
  }

  exhausted(): boolean {
    return this.#at >= this.items.length;
  }
}

export class TransformSource implements Source {
  readonly #inner: Source;
  readonly #transform: Transform;
  #ready: Datum[] = [];

  constructor(inner: Source, transform: Transform) {
    this.#inner = inner;
    this.#transform = transform;
  }

  next(): Datum | undefined {
    while (this.#ready.length === 0) {
      const element = this.#inner.next();
      if (element === undefined) return undefined;
      this.#transform(element, (result) => this.#ready.push(result));
    }
    return this.#ready.shift();
  }

  exhausted(): boolean {
    return this.#ready.length === 0 && this.#inner.exhausted();
  }

  get midLook(): boolean {
    return this.#inner.midLook === true;
  }
}

/** A source that tells of each element taken. */
export class WatchedSource implements Source {
  readonly #inner: Source;
  readonly #taken: () => void;

  constructor(inner: Source, taken: () => void) {
    this.#inner = inner;
    this.#taken = taken;
  }

  next(): Datum | undefined {
    const element = this.#inner.next();
    if (element !== undefined) this.#taken();
    return element;
  }

  exhausted(): boolean {
    return this.#inner.exhausted();
  }

  get midLook(): boolean {
    return this.#inner.midLook === true;
  }
}

/** The elements from number `from` up to, not including, number `to`. */
export class SliceSource implements Source {
  readonly #inner: Source;
  #skip: number;
  #take: number;

  constructor(inner: Source, from: number, to: number) {
    this.#inner = inner;
    this.#skip = from;
    this.#take = to - from;
  }

  next(): Datum | undefined {
    for (; this.#skip > 0; this.#skip -= 1) {
      if (this.#inner.next() === undefined) return undefined;
    }
    if (this.#take <= 0) return undefined;
    this.#take -= 1;
    return this.#inner.next();
  }

  exhausted(): boolean {
    return this.#take <= 0 || this.#inner.exhausted();
  }
}

/** One source after the other. */
export class UnionSource implements Source {
  readonly #parts: Source[];

  constructor(parts: Source[]) {
    this.#parts = [...parts];
  }

  next(): Datum | undefined {
    for (;;) {
      const [part] = this.#parts;
      if (!part) return undefined;
      const element = part.next();
      if (element !== undefined) return element;
      this.#parts.shift();
    }
  }

  exhausted(): boolean {
    return this.#parts.every((part) => part.exhausted());
  }
}

/** A source that is opened when it is first read, for what may only be watched. */
export class LazySource implements Source {
  readonly #open: () => Source;
  #source: Source | undefined;

  constructor(open: () => Source) {
    this.#open = open;
  }

  next(): Datum | undefined {
    this.#source ??= this.#open();
    return this.#source.next();
  }

  exhausted(): boolean {
    this.#source ??= this.#open();
    return this.#source.exhausted();
  }

  get midLook(): boolean {
    return this.#source?.midLook === true;
  }
}

/** A source made of a function. */
export class GeneratedSource implements Source {
  readonly next: () => Datum | undefined;
  readonly exhausted: () => boolean;

  constructor(next: () => Datum | undefined, exhausted: () => boolean) {
    this.next = next;
    this.exhausted = exhausted;
  }
}

export interface SequenceTraits {
  /** An array in the guise of a sequence: answered whole, not in batches. */
  readonly isArray?: boolean;
  /** The table whose rows these are, so that they can be written. */
  readonly selection?: SelectionTable;
  /** How `changes` would watch this sequence. */
  readonly changes?: ChangeSpec;
  /** Why `changes` cannot watch this sequence. */
  readonly unwatchable?: string;
  /** Set for changefeeds, which have no source. */
  readonly feed?: Feed;
}

export class Sequence {
  readonly source: Source;
  readonly traits: SequenceTraits;

  constructor(source: Source, traits: SequenceTraits = {}) {
    this.source = source;
    this.traits = traits;
  }

  static ofArray(items: readonly Datum[], traits: SequenceTraits = {}): Sequence {
    return new Sequence(new ArraySource(items), { ...traits, isArray: true });
  }

  /** The rest of the elements. */
  toArray(): Datum[] {
    const items: Datum[] = [];
    this.forEach((item) => items.push(item));
    return items;
  }

  forEach(visit: (item: Datum) => void): void {
    for (let item = this.source.next(); item !== undefined; item = this.source.next()) visit(item);
  }

  /** @param keeps what the result still is: a filtered selection is a selection, a mapped one is not */
  transformed(transform: Transform, keeps: { selection?: boolean } = {}): Sequence {
    const { isArray, selection, changes, unwatchable, feed } = this.traits;
    if (feed) feed.transforms.push(transform);
    return new Sequence(new TransformSource(this.source, transform), {
      ...(isArray && { isArray }),
      ...(keeps.selection && selection && { selection }),
      ...(changes && { changes: { ...changes, transforms: [...changes.transforms, transform] } }),
      ...(unwatchable !== undefined && { unwatchable }),
      ...(feed && { feed }),
    });
  }
}
