import { idleChoices, idleText } from "../capture/idle-patterns.js";
import { systemClock } from "../clock.js";
import type { CoverageClass } from "../format/coverage-record.js";
import { formatDuration, formatInstant, type Instant } from "../instant.js";
import { checksText, checkText } from "../recovery/expectations.js";
import { notPassed, type Proof } from "../repository/records/drills.js";
import { formatWhole, pinsOnlyMs } from "../repository/registers/keep-policy.js";
import { openRepository } from "../repository/repository.js";
import { lookAt } from "../repository/repository-view.js";
import {
  behindNoteMs,
  type LateSummary,
  type RepositoryStatus,
  readStatus,
  type SystemStatus,
  type TableStatus,
} from "../repository/status.js";
import { locksText } from "../upkeep/renew-locks.js";
import { clockNote } from "./clock-note.js";
import { copiesAt, type Repos } from "./copies-at.js";
import { copiesStatus } from "./copies-status.js";
import { namesText, printCoverage, secondsText } from "./coverage-drawing.js";
import { failureText } from "./drill-text.js";
import { keysStatus } from "./key-state.js";
import { laneTable } from "./lanes.js";
import {
  formatBytes,
  formatCount,
  formatOptionalInstant,
  formatTable,
  groupedBy,
  type Output,
} from "./output.js";
import { pinTable } from "./pin.js";
import { restoreCommand } from "./restore-command.js";
import { headText, statusResult } from "./status-result.js";
import { sentLines } from "./store-use-text.js";

const columns = [
  "table",
  "state",
  "documents",
  "log",
  "first restorable",
  "last restorable",
  "gaps",
  "damaged",
  "late",
];

export interface StatusArguments {
  repo: Repos;
  hideDropped?: boolean;
}

export async function statusCommand(args: StatusArguments, output: Output): Promise<void> {
  const repository = await openRepository(await copiesAt(args.repo, output));
  const now = systemClock.now();
  const found = await lookAt(repository, (view) => readStatus(view, now));
  const isShown = ({ state }: TableStatus) => !args.hideDropped || state !== "dropped";
  const status = { ...found, tables: found.tables.filter(isShown) };
  const keys = await keysStatus(repository, now);
  const hasLanes = status.lanes.length > 1;
  const rows = status.tables.map((table) => [
    table.name,
    ...(hasLanes ? [table.lane] : []),
    status.imported ? "imported" : stateText(table, status),
    documentsText(table),
    formatBytes(table.logBytes),
    formatOptionalInstant(table.firstRestorable),
    formatOptionalInstant(table.lastRestorable),
    countOf(table, ["gap", "unwatched"]),
    countOf(table, ["damaged"]),
    lateText(table.late),
  ]);
  output.line(formatTable(hasLanes ? columns.toSpliced(1, 0, "lane") : columns, rows));
  output.line("");
  output.line(
    `restorable until        ${formatOptionalInstant(status.restorableUntil)}${behindText(status)}`,
  );
  output.line(`last proven restorable  ${provenText(status)}`);
  output.line(
    `last segment            ${formatOptionalInstant(status.lastSegment)}${clockNote(status)}`,
  );
  const head = headText(status, keys);
  if (head !== null) output.line(`head                    ${head}`);
  const restores = importRestored(status, args.repo);
  if (restores !== undefined) output.line(`restorable              ${restores}`);
  output.line(`capture                 ${importedText(status) ?? captureText(status, now)}`);
  if (status.singleWriter) {
    output.line(
      "one writer, by your word: the store does not refuse a second one, which would destroy what the first one stores",
    );
  }
  if (repository.store.chargesRequests)
    for (const line of sentLines(status.lanes)) output.line(line);
  for (const { name, lastProven } of keys.overdue) {
    const since = lastProven === undefined ? "never" : `last at ${formatInstant(lastProven)}`;
    output.line(
      `KEY ${name} IS NOT PROVEN: ${since}; \`thinkback key drill\` shows whether it still opens what is written`,
    );
  }
  const locks = await locksText(repository, now);
  if (locks !== undefined && repository.store.lockMs !== undefined) output.line(locks);
  if (hasLanes) output.line(`\n${laneTable(status.lanes)}`);
  printOpenGaps(status, now, output);
  const idle = idleChoices(status.chosen, namesOf(status));
  for (const one of idle) {
    output.line(
      `${idleText(one, status.chosen)} of those that are there. If that is a mistake, correct the option: what was meant is not captured`,
    );
  }
  printStopped(status, output);
  printSystem(status, output);
  printDamaged(status, output);
  printUnproven(status, output);
  printDrills(status, output);
  printCoverage(status, output);
  printResolutions(status, output);
  if (status.pins.length > 0) output.line(`\n${pinTable(status.pins)}`);
  const copies = await copiesStatus(args.repo);
  if (copies.text) output.line(`\n${copies.text}`);
  output.result({
    ...statusResult(status, idle, keys),
    copies: copies.result,
    locks: locks ?? null,
  });
}

/** The state in which the last capture left the table; with a note if it is damaged, or no capture runs now. */
function stateText(
  { lane, state, damagedSince }: TableStatus,
  { lanes }: RepositoryStatus,
): string {
  const { capture } = lanes[lane]!;
  const isOver = capture.state === "ended" || capture.state === "silent";
  const isCaptured = state !== "dropped" && state !== "moved" && state !== "not captured";
  const notes = [
    ...(damagedSince === undefined ? [] : ["DAMAGED"]),
    ...(isOver && isCaptured ? [capture.state] : []),
  ];
  return [state, ...notes].join(", ");
}

function behindText({ behindNowMs }: RepositoryStatus): string {
  return behindNowMs === undefined ? "" : `  (${formatDuration(behindNowMs)} behind now)`;
}

/**
 * Prints what a capture should watch, and does not: one line for all with the same reason. Not after a capture that
 * ended in order, because then nothing is watched, and the line of the capture says so.
 */
function printOpenGaps(status: RepositoryStatus, now: Instant, output: Output): void {
  const { tables, lanes } = status;
  const hasEnded = (lane: number) => lanes[lane]!.capture.state === "ended";
  const [catalog, access] = hasEnded(0) ? [] : [status.catalog, status.access];
  const open = [
    ...tables.filter(({ lane, stopped }) => !stopped && !hasEnded(lane)),
    ...(catalog ? [{ ...catalog, name: "(catalog)" }] : []),
    ...(access ? [{ ...access, name: "(access)" }] : []),
  ].flatMap(({ name, state, openGap }) => (openGap ? [{ name, state, ...openGap }] : []));
  const textOf = ({ state, reason }: (typeof open)[number]) =>
    `${reason}${state === "gap" ? "" : ` (watched again now: ${state})`}`;
  for (const [text, of] of groupedBy(open, textOf)) {
    const since = Math.min(...of.map((one) => one.since));
    const forHow = formatDuration(Math.max(0, now - since));
    output.line(
      `OPEN GAP since ${formatInstant(since)}, for ${forHow}: ${namesText(of)}: ${text}. ` +
        "Nothing later can be restored exactly before the gap has ended",
    );
  }
}

function captureText(status: RepositoryStatus, now: Instant): string {
  const { capture, lanes } = status;
  const used = lanes.filter(({ inUse }) => inUse);
  const others = used.filter((one) => one.capture.state !== "running");
  if (others.length === 0 || others.length === used.length) return oneCaptureText(capture, now);
  return `NOT IN EVERY LANE: nothing is captured in lane ${others.map(({ lane }) => lane).join(", ")}, see below`;
}

/** Undefined unless the repository is an import. */
function importedText({ imported }: RepositoryStatus): string | undefined {
  if (!imported) return undefined;
  const { archive, began, ended } = imported;
  return (
    `NONE: imported from ${archive}, which is of ${began === ended ? "" : `${formatInstant(began)} to `}${formatInstant(ended)}. ` +
    "Nothing is captured into an import"
  );
}

/** The one instant of an import, how late it is, and the command that restores it. Undefined if it is no import. */
function importRestored(
  { imported, tables, catalog }: RepositoryStatus,
  repo: Repos,
): string | undefined {
  if (!imported) return undefined;
  const worstMs = Math.max(0, ...[catalog, ...tables].map((of) => of?.late.worstMs ?? 0));
  const how = worstMs === 0 ? "exactly" : `late by up to ${secondsText(worstMs)}`;
  const command = restoreCommand([repo].flat()[0]!, imported.ended, worstMs === 0);
  return `${formatInstant(imported.ended)}, and no other instant; ${how}:\n  ${command}`;
}

function oneCaptureText({ state, heardOf }: RepositoryStatus["capture"], now: Instant): string {
  const ago = `${formatDuration(now - (heardOf ?? now))} ago`;
  switch (state) {
    case "running":
      return `running: last heard of ${ago}`;
    case "ended":
      return `NONE: the last capture ended in order at ${formatOptionalInstant(heardOf)}, ${ago}; nothing is captured now`;
    case "silent":
      return (
        `NONE, as it seems: the last capture was last heard of at ${formatOptionalInstant(heardOf)}, ${ago}, and did not end in order. ` +
        "Either it does not run any more, or it cannot store what it captures"
      );
    case "never":
      return "NONE: nothing was ever captured into this repository";
  }
}

/** Prints a line for each table whose capture a defect has stopped, with the last instant it can be restored to. */
function printStopped({ tables }: RepositoryStatus, output: Output): void {
  for (const { name, state, stopped, lastRestorable } of tables) {
    if (!stopped) continue;
    const upTo =
      lastRestorable === undefined
        ? "Nothing of it can be restored"
        : `It can be restored up to ${formatInstant(lastRestorable)}, and to no later instant`;
    const now = state === "stopped" ? "" : ` (it is tried again now: ${state})`;
    output.line(
      `THE CAPTURE OF ${name} IS STOPPED since ${formatInstant(stopped.since)} by a defect: ${stopped.reason}. ` +
        `${upTo} until it is captured again${now}`,
    );
  }
}

/** Prints the captured tables of which nothing new can be restored; one line for all that lack the same object. */
function printDamaged({ tables }: RepositoryStatus, output: Output): void {
  const damaged = tables.filter(({ damagedSince }) => damagedSince !== undefined);
  const reasonOf = ({ intervals }: TableStatus) => intervals.at(-1)?.reason ?? "";
  for (const [reason, of] of groupedBy(damaged, reasonOf)) {
    const since = formatInstant(Math.min(...of.map(({ damagedSince }) => damagedSince!)));
    output.line(
      `${namesText(of)}: NOTHING SINCE ${since} CAN BE RESTORED: ${reason}. ` +
        "Put the object back; or wait until a running capture copies the table anew, which it does once maintenance has found the damage",
    );
  }
}

/** Prints the tables that are watched, but of which nothing has been proven for a while. */
function printUnproven({ tables, lastSegment = 0 }: RepositoryStatus, output: Output): void {
  const behind = tables.filter(
    ({ state, provenTo }) =>
      state === "live" && provenTo !== undefined && lastSegment - provenTo > behindNoteMs,
  );
  if (behind.length === 0) return;
  const since = Math.min(...behind.map(({ provenTo }) => provenTo!));
  output.line(
    `${namesText(behind)} ${behind.length === 1 ? "is" : "are"} not proven since ${formatInstant(since)}: ` +
      "either the feed is behind what is written, or the source does not tell how much is written. " +
      "What the feed delivers is stored, and can be restored exactly once it is proven",
  );
}

/** Names of the tables that are not dropped. */
function namesOf({ tables }: RepositoryStatus): { db: string; name: string }[] {
  return tables
    .filter(({ state }) => state !== "dropped")
    .map(({ name }) => {
      const dot = name.indexOf(".");
      return { db: name.slice(0, dot), name: name.slice(dot + 1) };
    });
}

/** Prints what is not known of the catalog, and of users and grants, if they are more than 30 s behind the tables. */
function printSystem(status: RepositoryStatus, output: Output): void {
  const { catalog, access, missingServers, restorableWithoutAccess } = status;
  const since = (of: SystemStatus) => formatOptionalInstant(of.frontier);
  if (missingServers.length > 0) {
    const known = catalog?.frontier === undefined ? "" : ` since ${since(catalog)}`;
    output.line(
      `NOT EVERY SERVER IS REACHED: ${missingServers.join(", ")}. The catalog, users and grants are not proven${known}, ` +
        "because a server that is cut off may change them unseen. If it is gone for good, start the capture again " +
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
    output.line("users and grants were never read: a restore of everything needs --without-access");
  } else if (access.behindMs > behindNoteMs && missingServers.length === 0) {
    output.line(
      `users and grants could not be read since ${since(access)}: a restore of everything goes to that instant only. ` +
        `With --without-access, which leaves them out, it goes to ${formatOptionalInstant(restorableWithoutAccess)}`,
    );
  }
}

function provenText({ lastProven }: RepositoryStatus): string {
  if (!lastProven) return "-  (no drill has proven anything yet; see `thinkback drill`)";
  const { instant, done, tables, of } = lastProven;
  const all = tables === of ? "all tables" : `${tables} of ${of} tables`;
  return `${formatInstant(instant)}  (${all}, by the drill of ${formatInstant(done)})`;
}

/** Prints the tables whose last proof is not the one printed above, and the drills that failed. */
function printDrills(status: RepositoryStatus, output: Output): void {
  const { lastProven, lastDrillFailed } = status;
  const others = status.tables.filter(({ lastProven: own, state }) => {
    const isThere = state !== "not captured" && state !== "dropped";
    return lastProven && own?.done !== lastProven.done && (own || isThere);
  });
  for (const [text, of] of groupedBy(others, ({ lastProven: own }) => ownProofText(own))) {
    output.line(`${namesText(of)}: ${text}`);
  }
  const failed = new Set(status.tables.map(({ failedDrill }) => failedDrill));
  for (const drill of new Set([lastDrillFailed, ...failed])) {
    if (!drill) continue;
    const which = `${formatInstant(drill.ended)}, which restored ${formatInstant(drill.instant)},`;
    output.line(`THE DRILL of ${which} FAILED: ${failureText(drill)}`);
  }
  if (status.lastDrillUnexpected) {
    const { ended, checks = [] } = status.lastDrillUnexpected;
    const texts = notPassed(status.lastDrillUnexpected).map(checkText);
    output.line(
      `THE DRILL of ${formatInstant(ended)} DID NOT FIND WHAT IS EXPECTED (${checksText(checks)}): ${texts.join("; ")}`,
    );
  }
  for (const what of status.damagedDrills) output.line(`a stored drill cannot be read: ${what}`);
}

function ownProofText(own: Proof | undefined): string {
  if (!own) return "no drill has proven it restorable";
  return `last proven restorable ${formatInstant(own.instant)}, by the drill of ${formatInstant(own.done)}`;
}

/** Prints which resolution is kept in which span; nothing if every change is kept and no tiers are declared. */
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

function countOf({ intervals }: TableStatus, classes: CoverageClass[]): number {
  return intervals.filter((interval) => classes.includes(interval.class)).length;
}

function lateText({ spans, worstMs }: LateSummary): string {
  return spans === 0 ? "-" : `${formatCount(spans)} × ≤ ${secondsText(worstMs)}`;
}

/** A range is told if it is wide; `~0` of a table of thousands would be read as a loss. */
function documentsText({ documents, documentsExact, documentsBetween }: TableStatus): string {
  if (documents === undefined) return "-";
  const [least, most] = documentsBetween ?? [documents, documents];
  if (most - least > most / 100) return `${formatCount(least)} to ${formatCount(most)}`;
  return `${documentsExact ? "" : "~"}${formatCount(documents)}`;
}
