/** Draws the coverage of everything that is watched, and lists what is not exact. */
import { type CoverageClass, classesWorstFirst } from "../format/coverage-record.js";
import { formatInstant, type Instant } from "../instant.js";
import { type CoverageInterval, isWhole } from "../repository/coverage/coverage.js";
import type { RepositoryStatus, TableStatus } from "../repository/status.js";
import {
  formatCount,
  formatNames,
  formatOptionalInstant,
  groupedBy,
  type Output,
} from "./output.js";

const barCells = 60;
const barLetters: Record<CoverageClass, string> = {
  exact: "█",
  late: "▓",
  gap: "▒",
  unwatched: "·",
  damaged: "X",
};

/** Stands for time that is captured but not proven yet, so that it has no class so far. */
const unprovenLetter = "░";

/** What a bar is drawn for: a table, the catalog or access. */
type Covered = Pick<TableStatus, "id" | "name" | "state" | "intervals" | "late">;

/** Prints a bar for each table, the catalog and access, over the whole time that any was captured; then their gaps. */
export function printCoverage(status: RepositoryStatus, output: Output): void {
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
  output.line(
    `${"".padEnd(width)}  █ exact${bound}  ▓ late  ▒ gap  · unwatched  X damaged  ░ not proven yet`,
  );
  printGaps(covered, status, output);
  for (const [text, of] of groupedBy(covered.filter(isLate), lateLine)) {
    output.line(`${namesText(of)}: ${text}`);
  }
}

/** Tables that have a gap (or another stretch that is not whole) at the same time for the same reason. */
interface GapGroup extends Pick<CoverageInterval, "from" | "to"> {
  names: string[];
  text: string;
}

/**
 * Prints one line for all tables that share a gap. Their gaps may end at different instants; the last one is printed.
 */
function printGaps(covered: Covered[], status: RepositoryStatus, output: Output): void {
  const gaps = covered.flatMap((of) =>
    gapsOf(of).map((gap) => ({ ...gap, name: of.name, text: gapText(of, gap, status) })),
  );
  const groups: GapGroup[] = [];
  for (const [text, alike] of groupedBy(gaps, (gap) => gap.text)) {
    let group: GapGroup | undefined;
    for (const { name, from, to } of alike.sort((a, b) => a.from - b.from)) {
      if (!group || from > group.to || group.names.includes(name)) {
        groups.push((group = { names: [], text, from, to }));
      }
      group.names.push(name);
      group.to = Math.max(group.to, to);
    }
  }
  for (const { names, text, from, to } of groups.sort((a, b) => a.from - b.from)) {
    output.line(`${formatNames(names)}: ${formatInstant(from)} to ${formatInstant(to)} ${text}`);
  }
}

function gapText(of: Covered, gap: CoverageInterval, { acknowledgements }: RepositoryStatus) {
  const note = acknowledgements.find(
    (one) => one.table === of.id && one.from === gap.from && one.to === gap.to,
  )?.note;
  return `${gap.class}: ${gap.reason ?? ""}${note === undefined ? "" : ` (acknowledged: ${note})`}`;
}

function isLate({ late }: Covered): boolean {
  return late.last !== undefined;
}

function lateLine({ late: { spans, worstMs, last } }: Covered): string {
  const times = `${formatCount(spans)} ${spans === 1 ? "time" : "times"}`;
  return `late ${times}, by up to ${secondsText(worstMs)}, last until ${formatOptionalInstant(last)}`;
}

/** The bar of a table. Each cell shows the worst class of its time, so that no gap is too short to be seen. */
function coverageBar({ intervals, state }: Covered, from: Instant, to: Instant): string {
  const cellMs = Math.max(1, (to - from) / barCells);
  const last = intervals.at(-1)?.to ?? Infinity;
  return Array.from({ length: barCells }, (_, i) => {
    const begin = from + i * cellMs;
    const inCell = intervals.filter(
      (interval) => interval.from < begin + cellMs && interval.to >= begin,
    );
    const worst = classesWorstFirst.find((of) => inCell.some((interval) => interval.class === of));
    if (worst) return barLetters[worst];
    return state === "live" && begin > last ? unprovenLetter : barLetters.unwatched;
  }).join("");
}

function gapsOf({ intervals }: Pick<TableStatus, "intervals">): CoverageInterval[] {
  return intervals.filter((interval) => !isWhole(interval));
}

export function namesText(of: { name: string }[]): string {
  return formatNames(of.map(({ name }) => name));
}

export function secondsText(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}
