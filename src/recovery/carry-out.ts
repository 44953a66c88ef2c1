/** Writes the changes of an operation to a live table, each guarded by the server. */
import { isSameText } from "../json-bytes.js";
import type { DocumentChange } from "../repository/records/operations.js";
import type { TableReference } from "../rethinkdb/table-reference.js";
import type { Target, WriteOutcome } from "../rethinkdb/target.js";
import { type BatchBounds, batchesOf, bytesOfBoth } from "./batches.js";
import { Tally } from "./tally.js";

/** So many keys of a kind that were not written are held and stored; more are counted. They take some 20 MiB. */
export const keysMax = 100_000;

/** A document that an operation has left as it is. */
export interface LeftDocument extends Pick<DocumentChange, "code" | "key"> {
  /** What the server says why it refuses the document; undefined if the document was changed by somebody else. */
  refused?: string;
}

export interface CarriedOut {
  written: Tally;
  /** How many were as they should be already: an earlier run had written them. */
  already: number;
  /** The keys of these, at most `keysMax`. */
  found: Buffer[];
  /** At most `keysMax`. */
  left: LeftDocument[];
  /** How many more were left. */
  leftUnlisted: number;
}

/** What one request writes. The server splits a write of more than 128 documents, and does one part after the other. */
const writes: BatchBounds = { countMax: 100, bytesMax: 1024 * 1024 };

/**
 * Writes changes in the order given, several batches at once. They are durable when it resolves. Called again with the
 * same changes, after it was ended anywhere, it writes none of them twice.
 * @param onWritten called with the number of documents that are done; for progress
 * @param signal ends it between two batches, with the signal's reason
 */
export async function carryOut(
  target: Target,
  table: TableReference,
  changes: AsyncIterable<DocumentChange>,
  onWritten: (done: number) => void,
  signal: AbortSignal,
): Promise<CarriedOut> {
  const done: CarriedOut = {
    written: new Tally(),
    already: 0,
    found: [],
    left: [],
    leftUnlisted: 0,
  };
  const underWay = new Set<Promise<void>>();
  let failure: unknown;
  const begin = (batch: DocumentChange[]) => {
    const writing = writeBatch(target, table, batch, done)
      .then(() =>
        onWritten(done.written.documents + done.already + done.left.length + done.leftUnlisted),
      )
      .catch((error: unknown) => (failure ??= error));
    const ended: Promise<void> = writing.then(() => void underWay.delete(ended));
    underWay.add(ended);
  };
  try {
    const bytesOf = ({ before, after }: DocumentChange) => bytesOfBoth(before, after);
    for await (const batch of batchesOf(changes, bytesOf, writes)) {
      signal.throwIfAborted();
      begin(batch);
      while (underWay.size >= target.writesAtOnce) await Promise.race(underWay);
      if (failure) break;
    }
  } finally {
    await Promise.all(underWay);
  }
  if (failure) throw failure as Error;
  // What an earlier run has written may not be durable yet, either.
  if (done.written.documents + done.already > 0) await target.sync(table);
  return done;
}

async function writeBatch(
  target: Target,
  table: TableReference,
  batch: readonly DocumentChange[],
  done: CarriedOut,
): Promise<void> {
  const replacements = batch.map(({ key, before, after }) => ({
    key,
    expected: before,
    document: after,
  }));
  const outcomes = await target.replace(table, replacements, "soft");
  const moved = batch.filter((_, i) => outcomes[i] === "moved");
  const live = await documentsNow(target, table, moved);
  for (const [i, change] of batch.entries()) note(change, outcomes[i]!, live, done);
}

async function documentsNow(
  target: Target,
  table: TableReference,
  moved: readonly DocumentChange[],
): Promise<Map<string, Buffer | null>> {
  if (moved.length === 0) return new Map();
  const documents = await target.documents(
    table,
    moved.map(({ key }) => key),
  );
  return new Map(moved.map(({ code }, i) => [code, documents[i]!]));
}

function note(
  change: DocumentChange,
  outcome: WriteOutcome,
  live: ReadonlyMap<string, Buffer | null>,
  done: CarriedOut,
): void {
  const { code, key, after } = change;
  if (outcome === "written") done.written.add(change);
  else if (outcome !== "moved") addLeft(done, { code, key, refused: outcome.refused });
  else if (!isSameText(live.get(code) ?? null, after)) addLeft(done, { code, key });
  else {
    done.already += 1;
    if (done.found.length < keysMax) done.found.push(Buffer.from(key));
  }
}

/** The key is a part of a frame, which is not to be held for it. */
function addLeft(done: CarriedOut, { key, ...more }: LeftDocument): void {
  if (done.left.length < keysMax) done.left.push({ ...more, key: Buffer.from(key) });
  else done.leftUnlisted += 1;
}

export const leftCount = (of: Pick<CarriedOut, "leftUnlisted"> & { left: readonly unknown[] }) =>
  of.left.length + of.leftUnlisted;
