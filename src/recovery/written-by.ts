/** Tells which versions of a document an operation has written. */

import type { Instant } from "../instant.js";
import { isSameText } from "../json-bytes.js";
import { type KeyFilter, theseKeys } from "../key-filter.js";
import { orderCode } from "../key-order.js";
import { listOperationNames, type NamedOperation } from "../repository/records/operation-names.js";
import {
  changesOf,
  type DocumentChange,
  type Operation,
  readOperation,
  readOperationEnd,
} from "../repository/records/operations.js";
import { readsAtOnce, severalAtOnce } from "../several-at-once.js";
import type { ObjectStore } from "../storage/object-store.js";
import type { KeptVersion } from "./versions.js";

/** By how much the clock of an operation's machine and the log's time may differ; and how late a change may come in. */
const clocksMs = 60_000;
/**
 * For so long, at most, a round of an operation is expected to write; what it writes later is not told as its own. So a
 * version is compared with the operations of a month, and not with all that there ever were.
 */
const roundMsMax = 30 * 86_400_000;

/** A round that may have written some of the versions, and what it was to do to the document. */
interface Round {
  operation: Operation;
  ended: Instant;
  changes: DocumentChange[];
}

/** By version: the operation that has written it. */
export async function writtenBy(
  store: ObjectStore,
  table: string,
  key: Buffer,
  versions: readonly KeptVersion[],
): Promise<Map<KeptVersion, Operation>> {
  const written = new Map<KeptVersion, Operation>();
  if (versions.length === 0) return written;
  const filter = theseKeys([orderCode(key)]);
  const isNear = ({ made }: NamedOperation) => isMet(versions, made, made + roundMsMax);
  const near = (await listOperationNames(store)).filter(isNear);
  const reading = severalAtOnce(near, readsAtOnce, (named) =>
    roundOf(store, named, table, filter, versions),
  );
  for await (const round of reading) {
    for (const change of round?.changes ?? []) {
      const version = writtenIn(round!, change, versions, written);
      if (version) written.set(version, round!.operation);
    }
  }
  return written;
}

/** True if a version may have been written between two instants by an operation's clock. */
function isMet(versions: readonly KeptVersion[], from: Instant, to: Instant): boolean {
  return versions.some(({ time }) => from - clocksMs <= time && time <= to + clocksMs);
}

/** Reads a round; undefined if it cannot have written a version. Its end is read first: it is small. */
async function roundOf(
  store: ObjectStore,
  named: NamedOperation,
  table: string,
  filter: KeyFilter,
  versions: readonly KeptVersion[],
): Promise<Round | undefined> {
  const end = await readOperationEnd(store, named);
  const ended = end?.ended ?? Number.MAX_SAFE_INTEGER;
  if (!isMet(versions, named.made, ended)) return undefined;
  const operation = await readOperation(store, named.name);
  if (operation.table !== table) return undefined;
  const changes: DocumentChange[] = [];
  for await (const { code, key, before, after } of changesOf(store, operation, filter)) {
    changes.push({
      code,
      key: Buffer.from(key),
      before: before && Buffer.from(before),
      after: after && Buffer.from(after),
    });
  }
  return { operation, ended, changes };
}

function writtenIn(
  { operation: { made }, ended }: Round,
  change: DocumentChange,
  versions: readonly KeptVersion[],
  written: ReadonlyMap<KeptVersion, Operation>,
): KeptVersion | undefined {
  const fitting = versions.filter(
    (one) =>
      !written.has(one) && isMet([one], made, ended) && isSameText(one.document, change.after),
  );
  const isAfter = ({ before }: KeptVersion) => isSameText(before, change.before);
  const since = fitting.filter((one) => one.time >= made);
  // The log's time may be behind the clock of the operation's machine. Where the history is thinned, the version before
  // may be another one than the operation has met.
  return since.find(isAfter) ?? fitting.findLast(isAfter) ?? since[0];
}
