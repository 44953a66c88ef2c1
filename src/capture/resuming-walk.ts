import type { Clock } from "../clock.js";
import { ThinkbackError } from "../errors.js";
import { ConnectionLost } from "../rethinkdb/response.js";
import type { Source } from "../rethinkdb/source.js";
import type { TableReference } from "../rethinkdb/table-reference.js";
import type { WalkBatch, WalkOptions } from "../rethinkdb/walk.js";

/**
 * At most so many losses in a row without a row between them: a walk of hours may lose its connection often, but one
 * that gets nowhere is the business of whoever opens the table again.
 */
const lossesMax = 5;
const resumePauseMs = 500;

/**
 * Walks a table. If only the walk's own connection is lost, it goes on after the last
 * key that it had; the feed, on another connection, has not missed anything.
 */
export async function* resumingWalk(
  source: Source,
  table: TableReference,
  options: WalkOptions,
  clock: Clock,
): AsyncGenerator<WalkBatch> {
  const { signal } = options;
  let { after } = options;
  for (let losses = 0; ; ) {
    try {
      const left = after === undefined ? options : { ...options, after };
      for await (const batch of source.walk(table, left)) {
        signal.throwIfAborted();
        yield batch;
        if (batch.lastKey === undefined) continue;
        after = batch.lastKey;
        losses = 0;
      }
      return;
    } catch (error) {
      const lostConnection =
        error instanceof ConnectionLost ||
        (error instanceof ThinkbackError && error.code === "source");
      losses += 1;
      if (signal.aborted || !lostConnection || losses > lossesMax) throw error;
      await clock.sleep(resumePauseMs, signal);
    }
  }
}
