/** Compares a standby with the repository, document by document. */
import type { Repository } from "../format/description.js";
import type { Instant } from "../instant.js";
import { lookAt } from "../repository/repository-view.js";
import { planRestore } from "../restore/plan.js";
import type { Target } from "../rethinkdb/target.js";
import { liveKeys } from "./differences.js";
import { joined } from "./joined.js";
import { keysOf, pastTable } from "./past.js";

export interface CheckedTable {
  table: string;
  documents: number;
  /** Documents that only one side has, or both with different texts. */
  different: number;
}

/**
 * Compares the digest of every document of a table of the target with that of the repository at an instant.
 * @param name "db.table", the same on both sides
 */
export async function checkTable(
  repository: Repository,
  target: Target,
  name: string,
  instant: Instant,
  onCompared: (documents: number) => void,
  signal: AbortSignal,
): Promise<CheckedTable> {
  const request = { at: instant, tables: [name], databases: [], renames: new Map() };
  const allowed = { allowInexact: true, nearest: false, exactOnly: true };
  const plan = await lookAt(repository, (view) => planRestore(view, { ...request, ...allowed }));
  const past = pastTable(repository, plan);
  const { config } = await target.settings(past.table.to);
  const live = { ...past.table.to, id: config.id, primaryKey: config.primary_key };
  const checked: CheckedTable = { table: name, documents: 0, different: 0 };
  for await (const [then, now] of joined(keysOf(past), liveKeys(target, live, signal))) {
    checked.documents += 1;
    if (then?.digest !== now?.digest) checked.different += 1;
    if (checked.documents % 1000 === 0) onCompared(checked.documents);
  }
  return checked;
}
