import { formatInstant } from "../instant.js";
import type { RepositoryStatus } from "../repository/status.js";

/** Clocks that differ by no more than this are not mentioned. */
const clockNoteMs = 1000;

/** How far the clocks of source and capture differ, in parentheses; empty if that is too little to mention. */
export function clockNote(status: RepositoryStatus): string {
  const { serverClock, clockAheadMs, clockWaitedOutMs, aheadOfSource } = status;
  const notes: string[] = [];
  if (clockWaitedOutMs !== 0) {
    notes.push(
      `the clock of the capture's machine was set by ${clockWaitedOutMs} ms, which the source's clock does not confirm: set it right`,
    );
  } else if (serverClock && Math.abs(serverClock.offsetMs) > clockNoteMs) {
    notes.push(
      `the source's clock differs from that of the capture's machine by ${serverClock.offsetMs} ms, ± ${serverClock.uncertaintyMs}`,
    );
  }
  if (clockAheadMs > clockNoteMs)
    notes.push(`the log's time is ${clockAheadMs} ms ahead of the clock of the capture's machine`);
  if (aheadOfSource) {
    notes.push(
      `the log's time is ahead of the source's clock since ${formatInstant(aheadOfSource.since)}: set the wrong clock right`,
    );
  }
  return notes.length === 0 ? "" : `  (${notes.join("; ")})`;
}
