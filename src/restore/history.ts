import type { Version } from "../format/lines.js";
import { mergeLatest } from "../format/merge.js";
import type { Instant } from "../instant.js";
import { theseKeys } from "../key-filter.js";
import { orderCode } from "../key-order.js";
import type { BaseManifest } from "../repository/bases/base.js";
import { baseCursor } from "../repository/bases/base-reader.js";
import type { LogView } from "../repository/log/log-view.js";
import { LogCollection } from "../repository/log/runs.js";

/**
 * The last version of one document captured at or before `instant`. Its `document` is null if it was deleted; undefined
 * if there is no version.
 * @param log the look by which `instant` is known to be exact: in a later look the history may be thinned there
 * @param base a base of the table, no later than `instant`
 * @param key JSON text of the primary key
 */
export async function versionAt(
  log: LogView,
  base: BaseManifest,
  key: Buffer,
  instant: Instant,
): Promise<Version | undefined> {
  const filter = theseKeys([orderCode(key)]);
  const { table, logFrom } = base;
  const wanted = [{ table, after: logFrom, until: instant }];
  const collected = await LogCollection.read(log, wanted, instant, { filterOf: () => filter });
  try {
    const cursors = [baseCursor(log.store, base, filter), ...collected.cursors(table)];
    for await (const [winner] of mergeLatest(cursors)) return winner?.version;
    return undefined;
  } finally {
    await collected.dispose();
  }
}
