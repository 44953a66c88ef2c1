import { BinaryDatum, type Datum, type DatumObject, record } from "./datum.js";
import { functionText, readStored, storedBlob } from "./function-blob.js";
import type { QueryContext } from "./query-context.js";
import { opFailed, ReqlError } from "./reql-error.js";
import type { ReqlFunction, StoredFunction } from "./reql-function.js";
import { toDatum } from "./value.js";

const PREFIX = "$reql_write_hook_function$";

/** @throws {ReqlError} for a blob that `getWriteHook` did not make */
export function readHookBlob(blob: BinaryDatum): StoredFunction {
  const refusal =
    "Cannot create a write hook except from a reql_write_hook_function returned from `get_write_hook`.";
  return readStored(PREFIX, blob, refusal).stored;
}

/** A table's write hook: it sees every write that does not ask to ignore it, and may change the document. */
export class WriteHook {
  readonly stored: StoredFunction;
  readonly #function: ReqlFunction;

  constructor(stored: StoredFunction, fn: ReqlFunction) {
    this.stored = stored;
    this.#function = fn;
  }

  /** What `getWriteHook` and `table_config` show. */
  get row(): DatumObject {
    return record({
      function: storedBlob(PREFIX, { stored: this.stored }),
      query: `setWriteHook(${functionText(this.stored)})`,
    });
  }

  /** @throws {ReqlError} when the hook fails, or turns a deletion into a write or a write into a deletion */
  apply(before: Datum, after: Datum, primaryKey: string, context: QueryContext): Datum {
    const document = (after ?? before) as DatumObject | null;
    const info = record({ primary_key: document?.get(primaryKey) ?? null, timestamp: context.now });
    const result = this.#run([info, before, after], context);
    if (after === null && result !== null) {
      throw opFailed("A write hook function must not turn a deletion into a replace/insert.");
    }
    if (after !== null && result === null) {
      throw opFailed("A write hook function must not turn a replace/insert into a deletion.");
    }
    return result;
  }

  #run(args: Datum[], context: QueryContext): Datum {
    try {
      return toDatum(this.#function.call(args, context), context.user);
    } catch (error) {
      if (!(error instanceof ReqlError)) throw error;
      throw new ReqlError(error.kind, `Error in write hook: ${error.message}`);
    }
  }
}
