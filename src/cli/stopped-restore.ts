/** The end of a restore that was stopped by a signal: what the target has by then, and how to go on. */
import { aborted } from "../abort.js";
import { systemClock } from "../clock.js";
import { ThinkbackError } from "../errors.js";
import type { PlannedTable, RestorePlan } from "../restore/plan.js";
import type { RestoredTable } from "../restore/restore.js";
import type { Target } from "../rethinkdb/target.js";
import { formatCount, formatNames } from "./output.js";

/** What a target has of the tables of a plan. */
export interface Remains {
  complete: RestoredTable[];
  /** Names of tables that an earlier run had completed. */
  earlier: string[];
  /** Begun, and not complete. */
  halfFilled: PlannedTable[];
  notBegun: PlannedTable[];
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
  return halfFilled.length + notBegun.length === 0;
}

/** The error of the stopped restore. The hint says how it goes on. */
export function stoppedRestore(
  plan: RestorePlan,
  remains: Remains,
  cause: unknown,
): ThinkbackError {
  const { complete, earlier, halfFilled, notBegun } = remains;
  const count = complete.length + earlier.length;
  const parts = [
    `${formatCount(count)} of ${formatCount(plan.tables.length)} tables complete`,
    ...(halfFilled.length > 0 ? [`half-filled: ${namesOf(halfFilled)}`] : []),
    ...(notBegun.length > 0 ? [`not begun: ${namesOf(notBegun)}`] : []),
  ];
  return new ThinkbackError(
    "incomplete",
    `the restore was stopped before its end; ${parts.join("; ")}`,
    { hint: wayOn, cause },
  );
}

const wayOn =
  "give the same command again: it goes on where it was stopped, to the same instant; until then " +
  "the tables that are not complete refuse writes. To begin anew, drop them on the target";

/** What the target has after a failure. */
export function halfFilledText({ halfFilled, notBegun }: Remains): string {
  return `not complete: ${namesOf([...halfFilled, ...notBegun])}; ${wayOn}`;
}

function namesOf(tables: readonly PlannedTable[]): string {
  return formatNames(tables.map(({ to }) => `${to.db}.${to.name}`));
}
