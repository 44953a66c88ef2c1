import { formatInstant, type Instant } from "../instant.js";
import { type CoverageClass, classesWorstFirst } from "../repository/coverage.js";
import type { Proof } from "../repository/drills.js";
import { formatWhole, pinsOnlyMs } from "../repository/keep-policy.js";
import { openRepository, storeAt } from "../repository/repository.js";
import { secondLook } from "../repository/second-look.js";
import { type RepositoryStatus, readStatus, type TableStatus } from "../repository/status.js";
import { drillResult, failureText } from "./drill-text.js";
import {
  formatBytes,
  formatCount,
  formatOptionalInstant,
  formatTable,
  type Output,
} from "./output.js";
import { pinResult, pinTable } from "./pin.js";

export async function statusCommand(args: { repo: string }, output: Output): Promise<void> {
  const repository = await openRepository(storeAt(args.repo));
  const status = await secondLook(() => readStatus(repository));
  const rows = status.tables.map((table) => [
    table.name,
    table.state,
    documentsText(table),
    formatBytes(table.logBytes),
    formatOptionalInstant(table.firstRestorable),
    formatOptionalInstant(table.lastRestorable),
    holesOf(table).length,
  ]);
  output.line(
    formatTable(
      ["table", "state", "documents", "log", "first restorable", "last restorable", "holes"],
      rows,
    ),
  );
  output.line("");
  output.line(`restorable until        ${formatOptionalInstant(status.restorableUntil)}`);
  output.line(`last proven restorable  ${provenText(status)}`);
  output.line(
    `last segment            ${formatOptionalInstant(status.lastSegment)}${clockNote(status)}`,
  );
  printDrills(status, output);
  printCoverage(status, output);
  printResolutions(status, output);
  if (status.pins.length > 0) output.line(`\n${pinTable(status.pins)}`);
  output.result({
    repository: status.repository,
    restorableUntil:
      status.restorableUntil === undefined ? null : formatInstant(status.restorableUntil),
    lastProven: status.lastProven ? { ...status.lastProven, ...isoProof(status.lastProven) } : null,
    lastDrillFailed: status.lastDrillFailed ? drillResult(status.lastDrillFailed) : null,
    damagedDrills: status.damagedDrills,
    lastSegment: status.lastSegment === undefined ? null : formatInstant(status.lastSegment),
    segments: status.segments,
    foldedSegments: status.foldedSegments,
    keep: status.keep,
    resolutions: status.resolutions.map((span) => ({
      ...span,
      from: formatInstant(span.from),
      to: formatInstant(span.to),
    })),
    serverClock: status.serverClock,
    clockAheadMs: status.clockAheadMs,
    clockWaitedOutMs: status.clockWaitedOutMs,
    aheadOfSource: status.aheadOfSource ? aheadResult(status.aheadOfSource) : null,
    pins: status.pins.map(pinResult),
    tables: status.tables.map((table) => ({
      ...table,
      firstRestorable: isoOrNull(table.firstRestorable),
      lastRestorable: isoOrNull(table.lastRestorable),
      lastProven: table.lastProven ? isoProof(table.lastProven) : null,
      failedDrill: table.failedDrill ? drillResult(table.failedDrill) : null,
      intervals: table.intervals.map((interval) => ({
        ...interval,
        from: formatInstant(interval.from),
        to: formatInstant(interval.to),
      })),
    })),
  });
}

function provenText({ lastProven }: RepositoryStatus): string {
  if (!lastProven) return "-  (by no drill yet; see `thinkback drill`)";
  const { instant, done, tables, of } = lastProven;
  const all = tables === of ? "all tables" : `${tables} of ${of} tables`;
  return `${formatInstant(instant)}  (${all}, by the drill of ${formatInstant(done)})`;
}

/** Tables whose last proof is another than the one above, and drills that failed. */
function printDrills(status: RepositoryStatus, output: Output): void {
  const { lastProven, lastDrillFailed } = status;
  for (const { name, lastProven: own, state } of status.tables) {
    if (!lastProven || own?.done === lastProven.done) continue;
    if (own) {
      const by = `by the drill of ${formatInstant(own.done)}`;
      output.line(`${name}: last proven restorable ${formatInstant(own.instant)}, ${by}`);
    } else if (state !== "not captured" && state !== "dropped") {
      output.line(`${name}: proven restorable by no drill`);
    }
  }
  const failed = new Set(status.tables.map(({ failedDrill }) => failedDrill));
  for (const drill of new Set([lastDrillFailed, ...failed])) {
    if (!drill) continue;
    const which = `${formatInstant(drill.ended)} to ${formatInstant(drill.instant)}`;
    output.line(`THE DRILL of ${which} FAILED: ${failureText(drill)}`);
  }
  for (const what of status.damagedDrills) output.line(`a drill cannot be read: ${what}`);
}

function isoProof({ instant, done }: Proof) {
  return { instant: formatInstant(instant), done: formatInstant(done) };
}

/** Which resolution is kept in which span; nothing where every change is, and nothing else is declared. */
function printResolutions({ keep, resolutions }: RepositoryStatus, output: Output): void {
  if (keep === null && resolutions.every(({ resolutionMs }) => resolutionMs === 1)) return;
  output.line(`\nkept: ${keep ?? "every change, for ever"}`);
  for (const { from, to, resolutionMs } of resolutions) {
    const what = resolutionText(resolutionMs);
    output.line(`${what.padEnd(22)} ${formatInstant(from)} to ${formatInstant(to)}`);
  }
}

function resolutionText(resolutionMs: number): string {
  if (resolutionMs === 1) return "every change";
  return resolutionMs === pinsOnlyMs ? "pinned instants" : `one per ${formatWhole(resolutionMs)}`;
}

const barCells = 60;
const barLetters: Record<CoverageClass, string> = {
  exact: "█",
  late: "▓",
  gap: "▒",
  unwatched: "·",
  damaged: "X",
};

/** A bar per table over the whole time that any was captured, and its holes by name. */
function printCoverage(status: RepositoryStatus, output: Output): void {
  const intervals = status.tables.flatMap((table) => table.intervals);
  const from = Math.min(...intervals.map((interval) => interval.from));
  const to = Math.max(...intervals.map((interval) => interval.to));
  if (intervals.length === 0) return;
  const width = Math.max(...status.tables.map(({ name }) => name.length));
  output.line(`\ncoverage from ${formatInstant(from)} to ${formatInstant(to)}`);
  for (const table of status.tables) {
    output.line(`${table.name.padEnd(width)}  ${coverageBar(table, from, to)}`);
  }
  output.line(`${"".padEnd(width)}  █ exact  ▓ late  ▒ gap  · unwatched  X damaged`);
  for (const table of status.tables) {
    for (const hole of holesOf(table)) {
      const note = status.acknowledgements.find(
        (one) => one.table === table.id && one.from === hole.from && one.to === hole.to,
      )?.note;
      const times = `${formatInstant(hole.from)} to ${formatInstant(hole.to)}`;
      const known = note === undefined ? "" : ` (acknowledged: ${note})`;
      output.line(`${table.name}: ${times} ${hole.class}: ${hole.reason ?? ""}${known}`);
    }
  }
}

/** Each cell shows the worst class of its time, so that no hole is too short to be seen. */
function coverageBar(table: TableStatus, from: Instant, to: Instant): string {
  const cellMs = Math.max(1, (to - from) / barCells);
  return Array.from({ length: barCells }, (_, i) => {
    const begin = from + i * cellMs;
    const inCell = table.intervals.filter(
      (interval) => interval.from < begin + cellMs && interval.to >= begin,
    );
    const worst = classesWorstFirst.find((of) => inCell.some((interval) => interval.class === of));
    return worst ? barLetters[worst] : barLetters.unwatched;
  }).join("");
}

/** A difference of clocks that is worth a word. */
const clockNoteMs = 1000;

/** Says how far the clocks of source and capture differ, where that is more than can be overlooked. */
function clockNote(status: RepositoryStatus): string {
  const { serverClock, clockAheadMs, clockWaitedOutMs, aheadOfSource } = status;
  const notes: string[] = [];
  if (clockWaitedOutMs !== 0) {
    notes.push(
      `its writer's clock is set off by ${clockWaitedOutMs} ms, which the source's clock does not confirm: set it right`,
    );
  } else if (serverClock && Math.abs(serverClock.offsetMs) > clockNoteMs) {
    notes.push(
      `the source's clock is ${serverClock.offsetMs} ms off, ± ${serverClock.uncertaintyMs}`,
    );
  }
  if (clockAheadMs > clockNoteMs)
    notes.push(`the log's time runs ${clockAheadMs} ms ahead of its writer's clock`);
  if (aheadOfSource) {
    notes.push(
      `ahead of it since ${formatInstant(aheadOfSource.since)}: set the one that is wrong`,
    );
  }
  return notes.length === 0 ? "" : `  (${notes.join("; ")})`;
}

function aheadResult({ since, ms }: NonNullable<RepositoryStatus["aheadOfSource"]>) {
  return { since: formatInstant(since), ms };
}

function holesOf(table: TableStatus) {
  return table.intervals.filter((interval) => interval.class !== "exact");
}

function documentsText({ documents, documentsExact }: TableStatus): string {
  if (documents === undefined) return "-";
  return `${documentsExact ? "" : "~"}${formatCount(documents)}`;
}

function isoOrNull(instant: number | undefined): string | null {
  return instant === undefined ? null : formatInstant(instant);
}
