/** The state of one table at an instant, by the functions that a restore uses. */
import { mergeLatest } from "../../src/format/merge.js";
import { baseCursor } from "../../src/repository/bases/base-reader.js";
import type { RepositoryView } from "../../src/repository/repository-view.js";
import type { ObjectStore } from "../../src/storage/object-store.js";
import { collect, newestBase } from "../repository/looks.js";
import { decodeWtf8 } from "../simulated/wtf8.js";

/** The same of a view of one lane. */
export async function restoredIn(
  { store }: RepositoryView,
  table: string,
  instant: number,
): Promise<Map<string, string> | undefined> {
  return restoredState(store, table, instant);
}

/** JSON texts of the documents by those of their keys; undefined if there is no base to begin with. */
export async function restoredState(
  store: ObjectStore,
  table: string,
  instant: number,
): Promise<Map<string, string> | undefined> {
  const base = await newestBase(store, table, instant);
  if (!base) return undefined;
  const log = await collect(store, [{ table, after: base.logFrom }], instant);
  try {
    const state = new Map<string, string>();
    const cursors = [baseCursor(store, base), ...log.cursors(table)];
    for await (const winners of mergeLatest(cursors)) {
      for (const { version } of winners) {
        if (version.document) state.set(decodeWtf8(version.key), decodeWtf8(version.document));
      }
    }
    return state;
  } finally {
    await log.dispose();
  }
}
