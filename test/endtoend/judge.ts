/**
 * The judge of exactness: at instants that the command calls exact, the stored state holds everything that writers had
 * acknowledged two seconds before, and nothing that they sent later. At late instants the same holds with the stored
 * number of seconds more.
 */
import { listEvidence } from "../../src/repository/records/evidence.js";
import { openRepository } from "../../src/repository/repository.js";
import { RepositoryView } from "../../src/repository/repository-view.js";
import { storeAt } from "../../src/storage/store-at.js";
import { restoredIn } from "../simulation/restored-state.js";
import { cli, status } from "./cli.js";
import type { Ledger } from "./ledger.js";
import { iso, type TableStatus, tableOf } from "./stage.js";
import { canonicalJson } from "./workload.js";

/** What may lie between an acknowledgement and an exact instant that lacks it. */
export const boundMs = 2000;
/** How long a writer of a busy machine may take to notice an answer, or to send what it has noted as sent. */
const measuringMs = 100;

export interface Verdict {
  exact: number;
  late: number;
  /** Instants that are neither, or not proven yet. */
  other: number;
  wrong: string[];
}

/** Judges the table of a name at those instants that are exact or late. */
export async function judge(
  repo: string,
  name: string,
  ledger: Ledger,
  instants: Iterable<number>,
): Promise<Verdict> {
  const { id, intervals } = tableOf(await status(repo), name)!;
  const view = await RepositoryView.read(await openRepository(storeAt(repo)));
  const verdict: Verdict = { exact: 0, late: 0, other: 0, wrong: [] };
  for (const instant of [...new Set(instants)].sort((a, b) => a - b)) {
    const interval = at(intervals, instant);
    if (interval?.class !== "exact" && interval?.class !== "late") {
      verdict.other += 1;
      continue;
    }
    verdict[interval.class] += 1;
    const wrong = await judgeState(view, id, ledger, instant, interval.lateMs ?? 0);
    if (wrong) verdict.wrong.push(`${name} at ${iso(instant)}, ${interval.class}: ${wrong}`);
  }
  return verdict;
}

async function judgeState(
  view: RepositoryView,
  id: string,
  ledger: Ledger,
  instant: number,
  lateMs: number,
): Promise<string | undefined> {
  const lane = await view.laneOf(id, instant);
  const texts = await restoredIn(lane.view, id, instant);
  if (!texts) return "there is no base for it";
  const state = new Map(
    [...texts].map(([key, document]) => [
      canonicalJson(JSON.parse(key)),
      canonicalJson(JSON.parse(document)),
    ]),
  );
  const { wrong } = ledger.judge(state, instant, boundMs + lateMs + measuringMs);
  const [first] = wrong;
  if (!first) return undefined;
  const history = ledger.history(first.key).slice(-3);
  return `${wrong.length} keys wrong; ${first.key} is ${first.found}, allowed ${first.allowed.join(" or ")}; last writes ${JSON.stringify(history)}`;
}

/** Instants near moments where an error would show, and the first and last ones of the intervals there. */
export async function suspects(
  repo: string,
  name: string,
  moments: readonly number[],
): Promise<number[]> {
  const { intervals } = tableOf(await status(repo), name)!;
  const edges = intervals.flatMap(({ from, to }) => [Date.parse(from), Date.parse(to)]);
  return moments.flatMap((moment) => [
    ...[0, 1000, 2000, 2101, 3000, 5000].map((offset) => moment + offset),
    ...edges.filter((edge) => edge >= moment && edge <= moment + 8000),
  ]);
}

/** Instants evenly spread over a time. */
export function spread(from: number, to: number, count: number): number[] {
  return Array.from({ length: count }, (_, i) =>
    Math.round(from + ((to - from) * i) / (count - 1)),
  );
}

/** The class of an instant, as status tells it; undefined where nothing is told yet. */
export function at(
  intervals: TableStatus["intervals"],
  instant: number,
): TableStatus["intervals"][number] | undefined {
  return intervals.find(({ from, to }) => Date.parse(from) <= instant && instant <= Date.parse(to));
}

/** The share of a time whose instants are exact. */
export function exactShare(
  { intervals }: Pick<TableStatus, "intervals">,
  from: number,
  to: number,
): number {
  const exact = intervals.filter((interval) => interval.class === "exact");
  const ms = exact.map(
    (one) => Math.min(to, Date.parse(one.to)) - Math.max(from, Date.parse(one.from)),
  );
  return ms.reduce((sum, of) => sum + Math.max(0, of), 0) / (to - from);
}

/** What `fold` and `verify` find wrong with the versions of documents; the capture has ended. */
export async function brokenChains(repo: string): Promise<string[]> {
  const fold = await cli(["fold", "--repo", repo]);
  const verify = await cli(["verify", "--repo", repo]);
  const evidence = await listEvidence(storeAt(repo));
  return [
    ...(fold.status === 0 ? [] : [`fold: ${fold.stderr}`]),
    ...(verify.status === 0 ? [] : [`verify: ${verify.stdout}${verify.stderr}`]),
    ...evidence.map((one) => JSON.stringify(one)),
  ];
}
