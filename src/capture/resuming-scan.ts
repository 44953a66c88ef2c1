import type { Clock } from "../clock.js";
import { ThinkbackError } from "../errors.js";
import { ConnectionLost } from "../rethinkdb/response.js";
import type { ScanBatch, ScanOptions } from "../rethinkdb/scan.js";
import type { Source } from "../rethinkdb/source.js";
import type { TableReference } from "../rethinkdb/table-reference.js";

/**
 * At most so many losses in a row without a row between them. A scan of hours may lose its connection often; but a scan
 * that gets nowhere ends, and the table is opened again.
 */
const lossesMax = 5;
const resumePauseMs = 500;

/**
 * Scans a table. If only the scan's own connection is lost, the scan goes on after the last key that it had: the feed,
 * on another connection, has not missed anything.
 */
export async function* resumingScan(
  source: Source,
  table: TableReference,
  options: ScanOptions,
  clock: Clock,
): AsyncGenerator<ScanBatch> {
  const { signal } = options;
  let { after } = options;
  for (let losses = 0; ; ) {
    try {
      const left = after === undefined ? options : { ...options, after };
      for await (const batch of source.scan(table, left)) {
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
