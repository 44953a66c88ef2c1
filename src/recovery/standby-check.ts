/** Compares a standby with the repository, document by document. */
import type { Repository } from "../format/description.js";
import type { Instant } from "../instant.js";
import { lookAt } from "../repository/repository-view.js";
import { planRestore } from "../restore/plan.js";
import type { Target } from "../rethinkdb/target.js";
import { textOfJson } from "../server-text.js";
import { liveKeys } from "./differences.js";
import { joined } from "./joined.js";
import { keysOf, pastTable } from "./past.js";
import { keyText } from "./standby-writer.js";

export interface CheckedTable {
  table: string;
  documents: number;
  /** Documents that only one side has, or both with different texts. */
  different: number;
  /** Of those that differ: the first keys, as JSON texts. */
  keys: string[];
  /** Documents that differ because the target refuses to store them; they do not count as different. */
  leftOut: number;
}

/** So many keys are named. */
const keysMax = 3;

/**
 * Compares the digest of every document of a table of the target with that of the repository at an instant.
 * @param name "db.table", the same on both sides
 * @param refused the keys of documents that the target refuses: see FollowedTable
 */
export async function checkTable(
  repository: Repository,
  target: Target,
  name: string,
  instant: Instant,
  refused: readonly string[],
  onCompared: (documents: number) => void,
  signal: AbortSignal,
): Promise<CheckedTable> {
  const request = { at: instant, tables: [name], databases: [], renames: new Map() };
  const allowed = { allowInexact: true, nearest: false, exactOnly: true };
  const plan = await lookAt(repository, (view) => planRestore(view, { ...request, ...allowed }));
  const past = pastTable(repository, plan);
  const { config } = await target.settings(past.table.to);
  const live = { ...past.table.to, id: config.id, primaryKey: config.primary_key };
  const checked: CheckedTable = { table: name, documents: 0, different: 0, keys: [], leftOut: 0 };
  const refusedKeys = new Set(refused);
  for await (const [then, now] of joined(keysOf(past), liveKeys(target, live, signal))) {
    checked.documents += 1;
    if (checked.documents % 1000 === 0) onCompared(checked.documents);
    if (then?.digest === now?.digest) continue;
    const { key } = (then ?? now)!;
    if (refusedKeys.has(keyText(key))) checked.leftOut += 1;
    else if ((checked.different += 1) <= keysMax) checked.keys.push(textOfJson(key));
  }
  return checked;
}
