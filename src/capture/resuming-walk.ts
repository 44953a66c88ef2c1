import type { Clock } from "../clock.js";
import { ThinkbackError } from "../errors.js";
import { ConnectionLost } from "../rethinkdb/response.js";
import type { Source, TableReference } from "../rethinkdb/source.js";
import type { WalkBatch, WalkOptions } from "../rethinkdb/walk.js";

const resumesMax = 5;
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
  for (let resumes = 0; ; resumes += 1) {
    try {
      const left = after === undefined ? options : { ...options, after };
      for await (const batch of source.walk(table, left)) {
        signal.throwIfAborted();
        yield batch;
        after = batch.lastKey ?? after;
      }
      return;
    } catch (error) {
      const lostConnection =
        error instanceof ConnectionLost ||
        (error instanceof ThinkbackError && error.code === "source");
      if (signal.aborted || !lostConnection || resumes >= resumesMax) throw error;
      await clock.sleep(resumePauseMs, signal);
    }
  }
}
