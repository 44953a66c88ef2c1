import type { Instant } from "../instant.js";
import { orderCode } from "../key-order.js";
import { newestBase } from "../repository/base.js";
import { findInBase } from "../repository/base-reader.js";
import type { Version } from "../repository/lines.js";
import { readChain, segmentVersions } from "../repository/log.js";
import { isLater } from "../repository/merge.js";
import type { Repository } from "../repository/repository.js";

/**
 * The last version of one document captured at or before `instant`; its document is null if it was deleted;
 * undefined if it was never there.
 * @param key JSON text of the primary key
 */
export async function versionAt(
  repository: Repository,
  table: string,
  key: Buffer,
  instant: Instant,
): Promise<Version | undefined> {
  const { store } = repository;
  const base = await newestBase(store, table, instant);
  if (!base) return undefined;
  const code = orderCode(key);
  let found = await findInBase(store, base, code);
  for await (const segment of readChain(store, base.logFrom, instant)) {
    for await (const version of segmentVersions(segment, table)) {
      if (version.time <= base.logFrom || version.time > instant) continue;
      if (orderCode(version.key) !== code) continue;
      if (!found || isLater(version, found)) found = version;
    }
  }
  return found;
}
