/** Documents by their keys: those in conflict, those that are deleted, those that were left. */
import { useState } from "preact/hooks";
import { counted, countText, Rows } from "../parts/bits.js";
import { keyText } from "./recover-words.js";
import type { ChangePlan } from "./recovery-read.js";

/** So many are drawn at first; all are counted. */
const drawnMax = 20;

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
  return (
    <>
      <h3>
        {counted(conflictCount, "conflict")}
        {overwritten && ", overwritten all the same"}
      </h3>
      <p class="note">These fields were set to something else since.</p>
      <FirstRows
        caption="Conflicts"
        heads={["table", "key", "fields"]}
        count={conflictCount}
        rows={conflicts.map(({ table, key, paths }) => ({
          key: `${table} ${keyText(key)}`,
          cells: [table, <code>{keyText(key)}</code>, paths.join(", ") || "the whole document"],
        }))}
      />
    </>
  );
}

/** The first rows of a list; the others when they are asked for. @param props.count of all, also of those not listed */
export function FirstRows({ rows, count, ...of }: Parameters<typeof Rows>[0] & { count: number }) {
  const [most, setMost] = useState(drawnMax);
  const drawn = rows.slice(0, most);
  const left = rows.length - drawn.length;
  return (
    <>
      <Rows {...of} rows={drawn} />
      {left > 0 && (
        <button type="button" onClick={() => setMost(most + 10 * drawnMax)}>
          Show more: {countText(count - drawn.length)} are left
        </button>
      )}
      {left === 0 && count > rows.length && (
        <p class="note">and {countText(count - rows.length)} more, which are not listed</p>
      )}
    </>
  );
}
