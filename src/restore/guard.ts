/**
 * The guard of a standby's table: a write hook that refuses every write but those of the process that follows, which
 * pass hooks by. So no application writes what the next step would overwrite.
 */
import type { TableConfig } from "../catalog-record.js";
import { hookText, ownMark } from "../own-hook.js";

const mark = `${ownMark}-standby]`;

/** What a server answers to a write to the table. */
export const guardText = `this table follows another cluster, and takes no writes before \`thinkback follow --finish\` ${mark}`;

/** True if a write hook is the guard of a standby's table. */
export function isGuard(hook: TableConfig["write_hook"] | undefined): boolean {
  return hookText(hook)?.includes(mark) === true;
}
