/** Tells which versions of a document an operation has written. */

import type { Instant } from "../instant.js";
import { isSameText } from "../json-bytes.js";
import { type KeyFilter, theseKeys } from "../key-filter.js";
import { orderCode } from "../key-order.js";
import {
  changesOf,
  type DocumentChange,
  type Operation,
} from "../repository/records/operations.js";
import type { ObjectStore } from "../storage/object-store.js";
import { type NearRound, roundsNear } from "./rounds-near.js";
import type { KeptVersion } from "./versions.js";

/** A round that may have written some of the versions, and what it was to do to the document. */
interface Round extends NearRound {
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
  const code = orderCode(key);
  const isMet = (from: Instant, to: Instant) =>
    versions.some(({ time }) => from <= time && time <= to);
  for await (const near of roundsNear(store, (one) => one === table, isMet)) {
    if (near.notWritten.has(code)) continue;
    const round = { ...near, changes: await changesIn(store, near, theseKeys([code])) };
    for (const change of round.changes) {
      const version = writtenIn(round, change, versions, written);
      if (version) written.set(version, round.operation);
    }
  }
  return written;
}

async function changesIn(
  store: ObjectStore,
  { operation }: NearRound,
  filter: KeyFilter,
): Promise<DocumentChange[]> {
  const changes: DocumentChange[] = [];
  for await (const { code, key, before, after } of changesOf(store, operation, filter)) {
    changes.push({
      code,
      key: Buffer.from(key),
      before: before && Buffer.from(before),
      after: after && Buffer.from(after),
    });
  }
  return changes;
}

function writtenIn(
  { operation: { made }, from, to }: Round,
  change: DocumentChange,
  versions: readonly KeptVersion[],
  written: ReadonlyMap<KeptVersion, Operation>,
): KeptVersion | undefined {
  const fitting = versions.filter(
    (one) =>
      !written.has(one) &&
      from <= one.time &&
      one.time <= to &&
      isSameText(one.document, change.after),
  );
  const isAfter = ({ before }: KeptVersion) => isSameText(before, change.before);
  const since = fitting.filter((one) => one.time >= made);
  // The log's time may be behind the clock of the operation's machine. Where the history is thinned, the version before
  // may be another one than the operation has met.
  return since.find(isAfter) ?? fitting.findLast(isAfter) ?? since[0];
}
