import { idlePatterns } from "../capture/idle-patterns.js";
import { formatInstant, type Instant } from "../instant.js";
import {
  type CoverageClass,
  type CoverageInterval,
  classesWorstFirst,
  isWhole,
} from "../repository/coverage.js";
import type { Proof } from "../repository/drills.js";
import { formatWhole, pinsOnlyMs } from "../repository/keep-policy.js";
import { openRepository, storeAt } from "../repository/repository.js";
import { secondLook } from "../repository/second-look.js";
import {
  behindNoteMs,
  type LateSummary,
  type RepositoryStatus,
  readStatus,
  type SystemStatus,
  type TableStatus,
} from "../repository/status.js";
import { drillResult, failureText } from "./drill-text.js";
import {
  formatBytes,
  formatCount,
  formatOptionalInstant,
  formatTable,
  type Output,
} from "./output.js";
import { lookedAtResult, pinTable } from "./pin.js";

export async function statusCommand(args: { repo: string }, output: Output): Promise<void> {
  const repository = await openRepository(storeAt(args.repo));
  const status = await secondLook(() => readStatus(repository));
  const rows = status.tables.map((table) => [
    table.name,
    table.damagedSince === undefined ? table.state : `${table.state}, DAMAGED`,
    documentsText(table),
    formatBytes(table.logBytes),
    formatOptionalInstant(table.firstRestorable),
    formatOptionalInstant(table.lastRestorable),
    gapsOf(table).length,
    lateText(table.late),
  ]);
  output.line(
    formatTable(
      ["table", "state", "documents", "log", "first restorable", "last restorable", "gaps", "late"],
      rows,
    ),
  );
  output.line("");
  output.line(`restorable until        ${formatOptionalInstant(status.restorableUntil)}`);
  output.line(`last proven restorable  ${provenText(status)}`);
  output.line(
    `last segment            ${formatOptionalInstant(status.lastSegment)}${clockNote(status)}`,
  );
  const idle = idlePatterns(status.chosen, namesOf(status));
  for (const pattern of idle) output.line(idleText(pattern));
  printStopped(status, output);
  printSystem(status, output);
  printDamaged(status, output);
  printUnproven(status, output);
  printDrills(status, output);
  printCoverage(status, output);
  printResolutions(status, output);
  if (status.pins.length > 0) output.line(`\n${pinTable(status.pins)}`);
  output.result({
    repository: status.repository,
    restorableUntil:
      status.restorableUntil === undefined ? null : formatInstant(status.restorableUntil),
    proofBoundMs: status.proofBoundMs ?? null,
    catalog: status.catalog ? systemResult(status.catalog) : null,
    access: status.access ? systemResult(status.access) : null,
    missingServers: status.missingServers,
    lastProven: status.lastProven ? { ...status.lastProven, ...isoProof(status.lastProven) } : null,
    lastDrillFailed: status.lastDrillFailed ? drillResult(status.lastDrillFailed) : null,
    damagedDrills: status.damagedDrills,
    lastSegment: status.lastSegment === undefined ? null : formatInstant(status.lastSegment),
    segments: status.segments,
    foldedSegments: status.foldedSegments,
    keep: status.keep,
    chosen: { ...status.chosen, idle },
    resolutions: status.resolutions.map((span) => ({
      ...span,
      from: formatInstant(span.from),
      to: formatInstant(span.to),
    })),
    serverClock: status.serverClock,
    clockAheadMs: status.clockAheadMs,
    clockWaitedOutMs: status.clockWaitedOutMs,
    aheadOfSource: status.aheadOfSource ? aheadResult(status.aheadOfSource) : null,
    pins: status.pins.map(lookedAtResult),
    tables: status.tables.map((table) => ({
      ...table,
      firstRestorable: isoOrNull(table.firstRestorable),
      lastRestorable: isoOrNull(table.lastRestorable),
      stopped: table.stopped
        ? { ...table.stopped, since: formatInstant(table.stopped.since) }
        : null,
      provenTo: isoOrNull(table.provenTo),
      damagedSince: isoOrNull(table.damagedSince),
      lastProven: table.lastProven ? isoProof(table.lastProven) : null,
      failedDrill: table.failedDrill ? drillResult(table.failedDrill) : null,
      late: lateResult(table.late),
      intervals: table.intervals.map(intervalResult),
    })),
  });
}

function systemResult({ state, frontier, intervals, late, behindMs }: SystemStatus): object {
  return {
    state,
    frontier: isoOrNull(frontier),
    behindMs,
    late: lateResult(late),
    intervals: intervals.map(intervalResult),
  };
}

function intervalResult({ from, to, kept, ...interval }: CoverageInterval): object {
  return {
    ...interval,
    from: formatInstant(from),
    to: formatInstant(to),
    ...(kept ? { kept: kept.map(formatInstant) } : {}),
  };
}

function lateResult({ last, ...late }: LateSummary): object {
  return { ...late, last: isoOrNull(last) };
}

/** Tables that a defect has stopped, with what that costs. */
function printStopped({ tables }: RepositoryStatus, output: Output): void {
  for (const { name, state, stopped, lastRestorable } of tables) {
    if (!stopped) continue;
    const upTo =
      lastRestorable === undefined
        ? "nothing of it can be restored"
        : `it can be restored to ${formatInstant(lastRestorable)}, and no later instant,`;
    const now = state === "stopped" ? "" : ` (it is tried again now: ${state})`;
    output.line(
      `THE CAPTURE OF ${name} IS STOPPED since ${formatInstant(stopped.since)} by a defect: ${stopped.reason}; ` +
        `${upTo} until it is captured again${now}`,
    );
  }
}

/** Tables that are captured, and of which nothing new can be restored. */
function printDamaged({ tables }: RepositoryStatus, output: Output): void {
  for (const { name, damagedSince, intervals } of tables) {
    if (damagedSince === undefined) continue;
    output.line(
      `${name}: NOTHING SINCE ${formatInstant(damagedSince)} CAN BE RESTORED: ${intervals.at(-1)?.reason ?? ""}. ` +
        "That ends when it is put back, or when the table is copied anew: a running capture does so as soon as maintenance has found this",
    );
  }
}

/** Tables that are watched, and of which nothing has been proven for a while. */
function printUnproven({ tables, lastSegment = 0 }: RepositoryStatus, output: Output): void {
  for (const { name, state, provenTo } of tables) {
    if (state !== "live" || provenTo === undefined || lastSegment - provenTo <= behindNoteMs)
      continue;
    output.line(
      `${name} is not proven since ${formatInstant(provenTo)}: its feed is behind what is written, or the source does not ` +
        "say how much that is; what comes is kept, and can be restored exactly once it is proven",
    );
  }
}
/** The tables that are there. */
function namesOf({ tables }: RepositoryStatus): { db: string; name: string }[] {
  return tables
    .filter(({ state }) => state !== "dropped")
    .map(({ name }) => {
      const dot = name.indexOf(".");
      return { db: name.slice(0, dot), name: name.slice(dot + 1) };
    });
}

function idleText(pattern: string): string {
  return `--include ${pattern} of the capture chooses no table that is there: if it is misspelt, nothing of what it means is captured`;
}

/** What is not known of the catalog and of access, where that is more than can be overlooked. */
function printSystem({ catalog, access, missingServers }: RepositoryStatus, output: Output): void {
  const since = (of: SystemStatus) => formatOptionalInstant(of.frontier);
  if (missingServers.length > 0) {
    const known = catalog?.frontier === undefined ? "" : ` since ${since(catalog)}`;
    output.line(
      `NOT EVERY SERVER IS REACHED: ${missingServers.join(", ")}. The catalog, users and grants are not proven${known}, ` +
        "because a server that is cut off changes them by itself. If it is gone for good, start the capture again " +
        "with --forget-server and its name",
    );
  } else if (!catalog) {
    output.line("the catalog was never read: nothing can be restored without --allow-inexact");
  } else if (catalog.behindMs > behindNoteMs) {
    output.line(
      `the catalog could not be read since ${since(catalog)}: ` +
        "new tables, renames, indexes and hooks since then are not known",
    );
  }
  if (!access) {
    output.line("users and grants were never read: a restore of everything wants --without-access");
  } else if (access.behindMs > behindNoteMs && missingServers.length === 0) {
    output.line(
      `users and grants could not be read since ${since(access)}: a restore of everything goes back to then, ` +
        "unless --without-access leaves them out",
    );
  }
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

/** What has a bar: a table, the catalog or access. */
type Covered = Pick<TableStatus, "id" | "name" | "intervals" | "late">;

/** A bar per table, and for the catalog and access, over the whole time that any was captured; and their gaps. */
function printCoverage(status: RepositoryStatus, output: Output): void {
  const { catalog, access } = status;
  const covered: Covered[] = [...status.tables];
  if (catalog) covered.push({ id: "catalog", name: "(catalog)", ...catalog });
  if (access) covered.push({ id: "access", name: "(access)", ...access });
  const intervals = covered.flatMap((one) => one.intervals);
  const from = intervals.reduce((least, one) => Math.min(least, one.from), Infinity);
  const to = intervals.reduce((greatest, one) => Math.max(greatest, one.to), -Infinity);
  if (intervals.length === 0) return;
  const width = Math.max(...covered.map(({ name }) => name.length));
  output.line(`\ncoverage from ${formatInstant(from)} to ${formatInstant(to)}`);
  for (const one of covered) {
    output.line(`${one.name.padEnd(width)}  ${coverageBar(one, from, to)}`);
  }
  const bound =
    status.proofBoundMs === undefined ? "" : `: proven within ${status.proofBoundMs / 1000} s`;
  output.line(`${"".padEnd(width)}  █ exact${bound}  ▓ late  ▒ gap  · unwatched  X damaged`);
  for (const one of covered) printGaps(one, status, output);
}

function printGaps(of: Covered, { acknowledgements }: RepositoryStatus, output: Output): void {
  for (const gap of gapsOf(of)) {
    const note = acknowledgements.find(
      (one) => one.table === of.id && one.from === gap.from && one.to === gap.to,
    )?.note;
    const times = `${formatInstant(gap.from)} to ${formatInstant(gap.to)}`;
    const known = note === undefined ? "" : ` (acknowledged: ${note})`;
    output.line(`${of.name}: ${times} ${gap.class}: ${gap.reason ?? ""}${known}`);
  }
  const { spans, worstMs, last } = of.late;
  if (last === undefined) return;
  const times = `${formatCount(spans)} ${spans === 1 ? "time" : "times"}`;
  output.line(
    `${of.name}: late ${times}, by up to ${secondsText(worstMs)}, last until ${formatInstant(last)}`,
  );
}

/** Each cell shows the worst class of its time, so that no gap is too short to be seen. */
function coverageBar({ intervals }: Covered, from: Instant, to: Instant): string {
  const cellMs = Math.max(1, (to - from) / barCells);
  return Array.from({ length: barCells }, (_, i) => {
    const begin = from + i * cellMs;
    const inCell = intervals.filter(
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

function gapsOf({ intervals }: Pick<TableStatus, "intervals">): CoverageInterval[] {
  return intervals.filter((interval) => !isWhole(interval));
}

function lateText({ spans, worstMs }: LateSummary): string {
  return spans === 0 ? "-" : `${formatCount(spans)} × ≤ ${secondsText(worstMs)}`;
}

function secondsText(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}

function aheadResult({ since, ms }: NonNullable<RepositoryStatus["aheadOfSource"]>) {
  return { since: formatInstant(since), ms };
}

function documentsText({ documents, documentsExact }: TableStatus): string {
  if (documents === undefined) return "-";
  return `${documentsExact ? "" : "~"}${formatCount(documents)}`;
}

function isoOrNull(instant: number | undefined): string | null {
  return instant === undefined ? null : formatInstant(instant);
}
