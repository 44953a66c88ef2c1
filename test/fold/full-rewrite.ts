/** The bare way to a newer base: every row of the base before and the log is read, merged and written. */
import type { Repository } from "../../src/format/description.js";
import { mergeLatest } from "../../src/format/merge.js";
import type { Instant } from "../../src/instant.js";
import type { BaseManifest } from "../../src/repository/bases/base.js";
import { baseCursor } from "../../src/repository/bases/base-reader.js";
import { BaseWriter } from "../../src/repository/bases/base-writer.js";
import type { ObjectStore } from "../../src/storage/object-store.js";
import { collect } from "../repository/looks.js";

/** Writes the base of `instant` that follows from `base` and the log into `store`. */
export async function fullRewrite(
  repository: Repository,
  base: BaseManifest,
  instant: Instant,
  store: ObjectStore,
): Promise<{ manifest: BaseManifest; bytesWritten: number }> {
  const { table, primaryKey } = base;
  const identity = { table, primaryKey, epoch: 1, begun: instant, unique: "full" };
  const writer = new BaseWriter({ ...repository, store }, identity);
  const wanted = [{ table, after: base.logFrom }];
  const log = await collect(repository.store, wanted, instant);
  try {
    const cursors = [baseCursor(repository.store, base), ...log.cursors(table)];
    for await (const winners of mergeLatest(cursors)) {
      for (const { version } of winners) {
        const { key, time, sequence, document } = version;
        if (document) writer.add(key, time, sequence, document);
      }
      await writer.drain();
    }
    const manifest = await writer.finish(instant, instant);
    return { manifest, bytesWritten: writer.bytesWritten };
  } finally {
    await log.dispose();
  }
}
