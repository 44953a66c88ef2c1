/** The state of a table, in the words of `thinkback status`. */
import type { Overview, TableSummary } from "../app/answers.js";
import { Badge, type Tone } from "./bits.js";

/** The state, with a note where it is damaged, or nobody captures its lane now. */
export function stateWords(table: TableSummary, lanes: Overview["lanes"]): string {
  const capture = lanes.find(({ lane }) => lane === table.lane)?.capture.state;
  const isOver = capture === "ended" || capture === "silent";
  const notes = [
    ...(table.damagedSince === null ? [] : ["damaged"]),
    ...(isOver && isCaptured(table) ? [`capture ${capture}`] : []),
  ];
  return [table.state, ...notes].join(", ");
}

/** False for a table that is not captured any more, or never was. */
export const isCaptured = ({ state }: Pick<TableSummary, "state">): boolean =>
  !["dropped", "moved", "not captured"].includes(state);

/** Good is only what is captured now and complete. */
export function stateTone(words: string): Tone {
  if (words === "live") return "good";
  if (/damaged|gap|stopped|silent/.test(words)) return "bad";
  if (/ended|opening|copying|resyncing/.test(words)) return "warn";
  return "plain";
}

export function TableState({ table, lanes }: { table: TableSummary; lanes: Overview["lanes"] }) {
  const words = stateWords(table, lanes);
  return <Badge tone={stateTone(words)}>{words}</Badge>;
}
