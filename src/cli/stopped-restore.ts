/** The end of a restore that was stopped by a signal: what the target has by then, and how to go on. */
import { aborted } from "../abort.js";
import { systemClock } from "../clock.js";
import { ThinkbackError } from "../errors.js";
import { formatInstant } from "../instant.js";
import type { PlannedTable, RestorePlan } from "../restore/plan.js";
import type { RestoredTable } from "../restore/restore.js";
import type { TableName, Target } from "../rethinkdb/target.js";
import { formatCount, formatNames, shellWord } from "./output.js";

/** What a target has of the tables of a plan. */
export interface Remains {
  complete: RestoredTable[];
  /** At most one: tables are restored one after the other. */
  halfFilled: PlannedTable | undefined;
  notBegun: PlannedTable[];
}

/** What the command line gave that the rest of the restore needs again. */
interface Given {
  repo: string | readonly string[];
  gap?: string;
  allowInexact?: boolean;
}

/** How long a stopped restore waits for the step that is under way. */
const stepMsMax = 10_000;

/** Closes the target if a step does not end soon after `signal` has aborted; then the step fails. */
export async function closeIfStuck(
  target: Target,
  signal: AbortSignal,
  ended: AbortSignal,
): Promise<void> {
  await aborted(signal);
  await systemClock.sleep(stepMsMax, ended).then(
    () => target.close(),
    () => undefined,
  );
}

/** True if no table is missing or half-filled. */
export function isWhole({ halfFilled, notBegun }: Remains): boolean {
  return !halfFilled && notBegun.length === 0;
}

/** The error of the stopped restore. The hint has the command that restores what is missing. */
export function stoppedRestore(
  plan: RestorePlan,
  remains: Remains,
  given: Given,
  cause: unknown,
): ThinkbackError {
  const { complete, halfFilled, notBegun } = remains;
  const parts = [
    `${formatCount(complete.length)} of ${formatCount(plan.tables.length)} tables complete`,
    ...(halfFilled ? [`half-filled: ${nameOf(halfFilled.to)}`] : []),
    ...(notBegun.length > 0
      ? [`not begun: ${formatNames(notBegun.map(({ to }) => nameOf(to)))}`]
      : []),
  ];
  return new ThinkbackError(
    "incomplete",
    `the restore was stopped before its end; ${parts.join("; ")}`,
    { hint: `${wayOn(plan, remains, given)}${accessText(plan, remains)}`, cause },
  );
}

function wayOn(plan: RestorePlan, { complete, halfFilled, notBegun }: Remains, given: Given) {
  const at = formatInstant(plan.instant);
  const steps = halfFilled
    ? [`drop what is half-filled, on the target: ${dropTerm(halfFilled)}`]
    : [];
  if (complete.length === 0) {
    return [...steps, `give the same command again, with --at ${at}`].join("; then ");
  }
  const missing = [...(halfFilled ? [halfFilled] : []), ...notBegun];
  const words = [
    "thinkback restore",
    ...[given.repo].flat().map((repo) => `--repo ${shellWord(repo)}`),
    "--target …",
    `--at ${at}`,
    ...missing.map(({ from }) => `--table ${nameOf(from)}`),
    ...missing
      .filter(({ from, to }) => nameOf(from) !== nameOf(to))
      .map(({ from, to }) => `--rename ${nameOf(from)}=${nameOf(to)}`),
    ...(given.gap === undefined ? [] : [`--gap ${given.gap}`]),
    ...(given.allowInexact ? ["--allow-inexact"] : []),
  ];
  return [...steps, `restore the rest: ${words.join(" ")}`].join("; then ");
}

function dropTerm({ to }: PlannedTable): string {
  return `r.db(${JSON.stringify(to.db)}).tableDrop(${JSON.stringify(to.name)})`;
}

/** Users and grants are restored only with the whole cluster. */
function accessText(plan: RestorePlan, { complete }: Remains): string {
  if (!plan.accessAsOf || complete.length === 0) return "";
  const at = formatInstant(plan.instant);
  return `. That restores no users and grants: for them, drop the complete tables too, and give the same command again, with --at ${at}`;
}

function nameOf({ db, name }: TableName): string {
  return `${db}.${name}`;
}
