import type { Version } from "../format/lines.js";
import { isLater, type Window } from "../format/merge.js";
import type { Instant } from "../instant.js";
import { type OrderCode, orderCode } from "../key-order.js";
import type { BaseManifest } from "../repository/bases/base.js";
import { findInBase } from "../repository/bases/base-reader.js";
import { versionsInFolded } from "../repository/log/folded-reader.js";
import { type Segment, segmentVersions } from "../repository/log/log.js";
import type { LogView } from "../repository/log/log-view.js";
import type { FoldedPiece } from "../repository/log/pieces.js";
import type { ObjectStore } from "../storage/object-store.js";

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
  const { store } = log;
  const { table } = base;
  const code = orderCode(key);
  let found = await findInBase(store, base, code);
  const window = { after: base.logFrom, until: instant };
  for await (const piece of log.chain(window.after, window.until)) {
    for await (const version of versionsOfKey(store, piece, table, code, window)) {
      if (!found || isLater(version, found)) found = version;
    }
  }
  return found;
}

async function* versionsOfKey(
  store: ObjectStore,
  piece: Segment | FoldedPiece,
  table: string,
  code: OrderCode,
  window: Window,
): AsyncGenerator<Version> {
  if ("manifest" in piece) {
    yield* await versionsInFolded(store, piece, table, code, window);
    return;
  }
  for await (const version of segmentVersions(piece, table)) {
    if (version.time <= window.after || version.time > window.until) continue;
    if (orderCode(version.key) === code) yield version;
  }
}
