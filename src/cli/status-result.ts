/** The status as JSON. */
import { formatInstant } from "../instant.js";
import type { CoverageInterval } from "../repository/coverage/coverage.js";
import { formatHeads } from "../repository/log/head.js";
import type { Proof } from "../repository/records/drills.js";
import type {
  LateSummary,
  RepositoryStatus,
  SystemStatus,
  TableStatus,
} from "../repository/status.js";
import { drillResult } from "./drill-text.js";
import type { KeysStatus } from "./key-state.js";
import { laneResult } from "./lanes.js";
import { isoOrNull } from "./output.js";
import { lookedAtResult } from "./pin.js";

/** The heads of the lanes' logs and of the key sets, as --expect-head takes them; null if there are none. */
export function headText({ lanes }: RepositoryStatus, keys: KeysStatus): string | null {
  const logs = lanes.flatMap(({ head }) => head ?? []);
  return formatHeads({ logs, keys: keys.head }) || null;
}

export function statusResult(status: RepositoryStatus, idle: object, keys: KeysStatus): object {
  const noted = notesOf(status);
  return {
    overdueKeys: keys.overdue.map(({ name, lastProven }) => {
      return { name, lastProven: isoOrNull(lastProven) };
    }),
    repository: status.repository,
    restorableUntil: isoOrNull(status.restorableUntil),
    behindNowMs: status.behindNowMs ?? null,
    restorableWithoutAccess: isoOrNull(status.restorableWithoutAccess),
    proofBoundMs: status.proofBoundMs ?? null,
    catalog: status.catalog ? systemResult(status.catalog) : null,
    access: status.access ? systemResult(status.access) : null,
    missingServers: status.missingServers,
    lastProven: status.lastProven ? { ...status.lastProven, ...isoProof(status.lastProven) } : null,
    lastDrillFailed: status.lastDrillFailed ? drillResult(status.lastDrillFailed) : null,
    lastDrillUnexpected: status.lastDrillUnexpected
      ? drillResult(status.lastDrillUnexpected)
      : null,
    damagedDrills: status.damagedDrills,
    capture: { ...status.capture, heardOf: isoOrNull(status.capture.heardOf) },
    lanes: status.lanes.map(laneResult),
    head: headText(status, keys),
    lastSegment: isoOrNull(status.lastSegment),
    segments: status.segments,
    foldedSegments: status.foldedSegments,
    keep: status.keep,
    singleWriter: status.singleWriter,
    imported: importedResult(status),
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
      openGap: openGapResult(table.openGap),
      provenTo: isoOrNull(table.provenTo),
      damagedSince: isoOrNull(table.damagedSince),
      lastProven: table.lastProven ? isoProof(table.lastProven) : null,
      failedDrill: table.failedDrill ? drillResult(table.failedDrill) : null,
      late: lateResult(table.late),
      intervals: table.intervals.map((interval) => ({
        ...intervalResult(interval),
        ...noted.get(gapKey(table.id, interval)),
      })),
    })),
  };
}

function systemResult({
  state,
  openGap,
  frontier,
  intervals,
  late,
  behindMs,
}: SystemStatus): object {
  return {
    state,
    openGap: openGapResult(openGap),
    frontier: isoOrNull(frontier),
    behindMs,
    late: lateResult(late),
    intervals: intervals.map(intervalResult),
  };
}

function lateResult({ last, ...late }: LateSummary): object {
  return { ...late, last: isoOrNull(last) };
}

function intervalResult({ from, to, kept, ...interval }: CoverageInterval): object {
  return {
    ...interval,
    from: formatInstant(from),
    to: formatInstant(to),
    ...(kept ? { kept: kept.map(formatInstant) } : {}),
  };
}

const gapKey = (table: string, { from, to }: Pick<CoverageInterval, "from" | "to">) =>
  `${table} ${from} ${to}`;

/** What was noted of gaps. */
function notesOf({ acknowledgements }: RepositoryStatus): Map<string, object> {
  return new Map(
    acknowledgements.map((one) => {
      const acknowledged = { note: one.note, at: formatInstant(one.at) };
      return [gapKey(one.table, one), { acknowledged }];
    }),
  );
}

function importedResult({ imported }: RepositoryStatus): object | null {
  if (!imported) return null;
  const { archive, began, ended } = imported;
  return { archive, began: formatInstant(began), ended: formatInstant(ended) };
}

function aheadResult({ since, ms }: NonNullable<RepositoryStatus["aheadOfSource"]>) {
  return { since: formatInstant(since), ms };
}

function openGapResult(gap: TableStatus["openGap"]): object | null {
  return gap ? { since: formatInstant(gap.since), reason: gap.reason } : null;
}

function isoProof({ instant, done }: Proof) {
  return { instant: formatInstant(instant), done: formatInstant(done) };
}
