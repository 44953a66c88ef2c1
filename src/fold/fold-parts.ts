/**
 * Merges the log into a base, part by part. Part i of a base owns the keys after the last key of part i - 1 up to its
 * own last key; the last part also owns all keys after that.
 *
 * Invariant: every version of the log is merged with the part that owns its key, and a part without such versions is
 * taken over into the new base as it is. Break it and a change is lost, or a document occurs twice.
 */

import { codeOfText, mergeLatest, type OnSuccession, type VersionCursor } from "../format/merge.js";
import type { BaseManifest } from "../repository/bases/base.js";
import { openPart, partCursor } from "../repository/bases/base-reader.js";
import type { BaseWriter } from "../repository/bases/base-writer.js";
import type { ObjectStore } from "../storage/object-store.js";
import type { LogRanges } from "./log-ranges.js";

export interface PartsFold {
  store: ObjectStore;
  base: BaseManifest;
  log: LogRanges;
  writer: BaseWriter;
  /** Told of each version of the log and the version before it, which may be in the log or the base. */
  onSuccession: OnSuccession;
  /** Told how many rows the new base has so far. */
  onRows: (rows: number) => void;
}

/**
 * Gives `writer` all rows of the new base. A part is not read if the log holds nothing in its range, unless the parts
 * rewritten before it end in a small one: then the two are joined, so that small parts do not accumulate. At most one
 * such part is read after each stretch of changed ones.
 * @returns the bytes of the stored parts that were read
 */
export async function foldParts(fold: PartsFold): Promise<number> {
  const { store, base, log, writer } = fold;
  let bytesRead = 0;
  let behindChanged = false;
  for (const [i, part] of base.parts.entries()) {
    const isLast = i === base.parts.length - 1;
    const end = isLast ? undefined : codeOfText(part.lastKey, part.name);
    const { next } = log;
    const isChanged = next !== undefined && (end === undefined || next <= end);
    if (isChanged || (behindChanged && writer.hasSmallPart)) {
      const object = await openPart(store, part);
      writer.announce(object.lineBytes);
      await merge(fold, [partCursor(object), ...log.take(end)]);
      bytesRead += part.bytes;
    } else {
      writer.keep(part);
    }
    behindChanged = isChanged;
  }
  if (base.parts.length === 0) await merge(fold, log.take());
  return bytesRead;
}

async function merge({ writer, onSuccession, onRows }: PartsFold, cursors: VersionCursor[]) {
  for await (const winners of mergeLatest(cursors, onSuccession)) {
    for (const { version } of winners) {
      const { key, time, sequence, document } = version;
      if (document !== null) writer.add(key, time, sequence, document);
    }
    await writer.drain();
    onRows(writer.rows);
  }
}
