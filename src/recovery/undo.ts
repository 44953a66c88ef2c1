/** What an undo changes: it takes changes between two instants back, and keeps what others have changed since. */
import { isSameText } from "../json-bytes.js";
import type { OrderCode } from "../key-order.js";
import type { DocumentChange } from "../repository/records/operations.js";
import type { TableReference } from "../rethinkdb/table-reference.js";
import { batchesOf, bytesOfBoth, liveReads } from "./batches.js";
import type { Difference, LiveReader } from "./differences.js";
import type { FieldPath } from "./field-tree.js";
import { type MeantFields, meant, takeBack, type Versions } from "./three-way.js";

/** What happens to a document of which a field was set to something else since. */
export const conflictWays = ["refuse", "skip", "cascade", "force"] as const;
export type ConflictWay = (typeof conflictWays)[number];

/** A document with fields that the changes have set, and that were set to something else since. */
export interface Conflict extends Versions {
  code: OrderCode;
  /** JSON text. */
  key: Buffer;
  paths: FieldPath[];
}

/** What is to be done for one document. All are undefined if it is as it should be already. */
export interface UndoStep {
  change?: DocumentChange;
  conflict?: Conflict;
  /** Of a document with fields that were set since, if it is not known whether the change was ever made: it is left. */
  unknown?: OrderCode;
}

/**
 * One step for each document that differs between the two instants.
 * @param way "skip" and "refuse" leave a document in conflict as it is; "force" gives the fields in conflict what they
 * held before; "cascade" gives the whole document what it was before, with what was changed since
 * @param fields which fields are taken back
 */
export async function* undoSteps(
  differences: AsyncIterable<Difference>,
  target: Pick<LiveReader, "documents">,
  table: TableReference,
  way: ConflictWay,
  fields: MeantFields = {},
): AsyncGenerator<UndoStep> {
  const bytesOf = ({ before, after }: Difference) => bytesOfBoth(before, after);
  for await (const batch of batchesOf(differences, bytesOf, liveReads)) {
    yield* stepsOf(batch, target, table, way, fields);
  }
}

async function* stepsOf(
  batch: readonly Difference[],
  target: Pick<LiveReader, "documents">,
  table: TableReference,
  way: ConflictWay,
  fields: MeantFields,
): AsyncGenerator<UndoStep> {
  const live = await target.documents(
    table,
    batch.map(({ key }) => key),
  );
  for (const [i, difference] of batch.entries()) yield stepOf(difference, live[i]!, way, fields);
}

function stepOf(
  { code, key, isUncertain, ...changed }: Difference,
  live: Buffer | null,
  way: ConflictWay,
  fields: MeantFields,
): UndoStep {
  const versions = meant({ ...changed, live }, fields);
  if (!versions) return {};
  const { before, after } = versions;
  if (isUncertain && hasNothingOf(versions)) {
    return takeBack(versions).conflicts.length > 0 ? { unknown: code } : {};
  }
  const { document, conflicts: paths } = takeBack({ before, after, live }, way === "force");
  const conflict = paths.length > 0 ? { conflict: { code, key, paths, before, after, live } } : {};
  const isLeft = paths.length > 0 && (way === "skip" || way === "refuse");
  const wanted = paths.length > 0 && way === "cascade" ? before : document;
  if (isLeft || isSameText(wanted, live)) return conflict;
  return { change: { code, key, before: live, after: wanted }, ...conflict };
}

/** True if no field of a live document holds what the change would have made of it: it was not made, or is gone. */
function hasNothingOf(versions: Versions): boolean {
  return versions.before !== null && isSameText(takeBack(versions).document, versions.live);
}
