/** Documents by their keys: those in conflict, those that are deleted, those that were left. */
import { counted, countText, Rows } from "../parts/bits.js";
import { keyText } from "./recover-words.js";
import type { ChangePlan } from "./recovery-read.js";

/** So many are drawn; all are counted. */
const drawnMax = 100;

export function KeyList({
  title,
  keys,
  count,
}: {
  title: string;
  keys: readonly unknown[];
  count: number;
}) {
  const more = count - keys.length;
  return (
    <>
      <h3>
        {title} ({countText(count)})
      </h3>
      <p class="recovery-keys">
        {keys.map((key) => (
          <code key={keyText(key)}>{keyText(key)}</code>
        ))}
        {more > 0 && <span class="note">and {countText(more)} more</span>}
      </p>
    </>
  );
}

export function ConflictList({
  of,
}: {
  of: Pick<ChangePlan, "conflicts" | "conflictCount" | "overwritten">;
}) {
  const { conflicts, conflictCount, overwritten } = of;
  if (conflictCount === 0) return null;
  const drawn = conflicts.slice(0, drawnMax);
  const more = conflictCount - drawn.length;
  return (
    <>
      <h3>
        {counted(conflictCount, "conflict")}
        {overwritten && ", overwritten all the same"}
      </h3>
      <p class="note">These fields were set to something else since.</p>
      <Rows
        caption="Conflicts"
        heads={["table", "key", "fields"]}
        rows={drawn.map(({ table, key, paths }) => ({
          key: `${table} ${keyText(key)}`,
          cells: [table, <code>{keyText(key)}</code>, paths.join(", ") || "the whole document"],
        }))}
      />
      {more > 0 && <p class="note">and {countText(more)} more</p>}
    </>
  );
}
