/** Tells which versions of a document an operation has written. */

import { operationsPrefix, parseOperationName } from "../format/names.js";
import { isSameText } from "../json-bytes.js";
import { theseKeys } from "../key-filter.js";
import { orderCode } from "../key-order.js";
import {
  changesOf,
  type Operation,
  readOperation,
  readOperationEnd,
} from "../repository/records/operations.js";
import type { ObjectStore } from "../storage/object-store.js";
import type { KeptVersion } from "./versions.js";

/** By how much the clock of an operation's machine and the log's time may differ; and how late a change may come in. */
const clocksMs = 60_000;

/** By version: the operation that has written it. */
export async function writtenBy(
  store: ObjectStore,
  table: string,
  key: Buffer,
  versions: readonly KeptVersion[],
): Promise<Map<KeptVersion, Operation>> {
  const written = new Map<KeptVersion, Operation>();
  const [first, last] = [versions[0], versions.at(-1)];
  if (!first || !last) return written;
  for await (const { name } of store.list(operationsPrefix)) {
    const named = parseOperationName(name);
    if (!named || named.made - clocksMs > last.time) continue;
    const operation = await readOperation(store, name);
    if (operation.table !== table) continue;
    for await (const change of changesOf(store, operation, theseKeys([orderCode(key)]))) {
      const ended = (await readOperationEnd(store, operation))?.ended ?? Number.MAX_SAFE_INTEGER;
      const fitting = versions.filter(
        (one) =>
          !written.has(one) &&
          one.time >= operation.made - clocksMs &&
          one.time <= ended + clocksMs &&
          isSameText(one.document, change.after),
      );
      const isAfter = ({ before }: KeptVersion) => isSameText(before, change.before);
      const since = fitting.filter((one) => one.time >= operation.made);
      // The log's time may be behind the clock of the operation's machine. Where the history is thinned, the version
      // before may be another one than the operation has met.
      const version = since.find(isAfter) ?? fitting.findLast(isAfter) ?? since[0];
      if (version) written.set(version, operation);
    }
  }
  return written;
}
