import { BinaryDatum, type Datum, type DatumObject, isArray } from "./datum.js";
import { readStored, storedBlob } from "./function-blob.js";
import { type IndexRange, inRange } from "./index-range.js";
import { secondaryCode } from "./key-code.js";
import type { QueryContext } from "./query-context.js";
import { ReqlError } from "./reql-error.js";
import type { ReqlFunction, StoredFunction } from "./reql-function.js";
import type { RowStore } from "./row-store.js";
import { toDatum } from "./value.js";

export interface IndexDefinition {
  readonly stored: StoredFunction;
  readonly multi: boolean;
  readonly geo: boolean;
}

const PREFIX = "$reql_index_function$";

export function indexBlob(definition: IndexDefinition): BinaryDatum {
  return storedBlob(PREFIX, { ...definition });
}

/** @throws {ReqlError} for a blob that `indexStatus` did not make */
export function readIndexBlob(blob: BinaryDatum): IndexDefinition {
  const refusal =
    "Cannot create an sindex except from a reql_index_function returned from `index_status` in the field `function`.";
  return readStored(PREFIX, blob, refusal) as IndexDefinition;
}

interface Entry {
  readonly code: string;
  readonly rowCode: string;
}

/** An index: its entries are made anew when they are read after a write. */
export class SecondaryIndex {
  readonly definition: IndexDefinition;
  /** When the index has been built, in the clock of the timers. */
  readonly readyAtMs: number;
  readonly #function: ReqlFunction;
  #entries: Entry[] = [];
  #version = -1;

  constructor(definition: IndexDefinition, fn: ReqlFunction, readyAtMs: number) {
    this.definition = definition;
    this.#function = fn;
    this.readyAtMs = readyAtMs;
  }

  /** The codes of a document's values; none for a document that the index leaves out. */
  codes(document: DatumObject, context: QueryContext): string[] {
    const value = this.#value(document, context);
    if (value === undefined) return [];
    const values = this.definition.multi && isArray(value) ? value : [value];
    return values.flatMap((item) => secondaryCode(item) ?? []);
  }

  /** The rows of a range in the index's order, then by primary key. A row may come more than once in a multi index. */
  rows(store: RowStore, version: number, range: IndexRange, context: QueryContext): DatumObject[] {
    if (version !== this.#version) this.#build(store, context);
    this.#version = version;
    return this.#entries
      .filter(({ code }) => inRange(code, range))
      .flatMap(({ rowCode }) => store.get(rowCode)?.document ?? []);
  }

  #value(document: DatumObject, context: QueryContext): Datum | undefined {
    try {
      return toDatum(this.#function.call([document], context), context.user);
    } catch (error) {
      if (error instanceof ReqlError) return undefined;
      throw error;
    }
  }

  #build(store: RowStore, context: QueryContext): void {
    this.#entries = [];
    for (const rowCode of store.ordered()) {
      const row = store.get(rowCode);
      if (!row) continue;
      for (const code of this.codes(row.document, context)) this.#entries.push({ code, rowCode });
    }
    this.#entries.sort((a, b) => order(a.code, b.code) || order(a.rowCode, b.rowCode));
  }
}

function order(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
