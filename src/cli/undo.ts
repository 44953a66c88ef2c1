import { systemClock } from "../clock.js";
import { ThinkbackError } from "../errors.js";
import { formatInstant, parseInstant } from "../instant.js";
import { type Difference, differencesBetween } from "../recovery/differences.js";
import { changesToTakeBack } from "../recovery/operation.js";
import { and } from "../recovery/selection.js";
import { type ConflictWay, undoSteps } from "../recovery/undo.js";
import { lookAt } from "../repository/repository-view.js";
import {
  type Intent,
  intend,
  intendByFile,
  type Live,
  type LiveChangeArguments,
  pastOf,
  withLive,
} from "./live-change.js";
import type { Output } from "./output.js";
import { isSelecting, selectionOf } from "./select.js";

export interface UndoArguments extends LiveChangeArguments {
  from?: string;
  to?: string;
  operation?: string;
  onConflict: ConflictWay;
}

/** Takes back what was changed between two instants, or what an operation has written. */
export async function undoCommand(
  name: string,
  args: UndoArguments,
  output: Output,
): Promise<void> {
  const isByFile = args.plan !== undefined && args.dryRun !== true;
  const isByTime = args.from !== undefined;
  const ways = [isByFile, isByTime, args.operation !== undefined].filter(Boolean).length;
  if (ways !== 1 || (args.to !== undefined && !isByTime)) {
    throw new ThinkbackError("usage", "it is not said, or said twice, what is to be undone", {
      hint: "give --from and perhaps --to, or --operation, or --plan with a plan that was made before",
    });
  }
  if (isByFile && isSelecting(args)) {
    throw new ThinkbackError("usage", "a plan says itself which documents are meant", {
      hint: "leave out --key, --between, --where and --tenant",
    });
  }
  await withLive(name, args, output, async (live) => {
    if (isByFile) await intendByFile(live, "undo", args.plan!, output);
    else await intend(live, await intentOf(live, args, output), args, output);
  });
}

async function intentOf(live: Live, args: UndoArguments, output: Output): Promise<Intent> {
  const { repository, target, table } = live;
  const name = `${table.db}.${table.name}`;
  const selection = (await selectionOf(args))(name) ?? { matches: () => false };
  const way = args.onConflict;
  const refusesConflicts = way === "refuse";
  if (args.operation !== undefined) {
    const id = args.operation;
    const differences = await changesToTakeBack(repository, table.id, id);
    return {
      type: "undo operation",
      description: `undo of operation ${id} on ${name}`,
      refusesConflicts,
      steps: (only) => undoSteps(differences(and(selection, only)), target, table, way),
    };
  }
  const now = systemClock.now();
  const to = args.to === undefined ? undefined : parseInstant(args.to, now);
  const later = await pastOf(live, to, output);
  const earlier = await pastOf(live, parseInstant(args.from!, now), output);
  const [from, until] = [earlier.table.instant, later.table.instant];
  if (from >= until) {
    throw new ThinkbackError("usage", "--from is not before --to", {
      hint: `--from is ${formatInstant(from)}, --to is ${formatInstant(until)}`,
    });
  }
  const coverage = await lookAt(repository, (view) => view.coverage());
  const differences = (only?: typeof selection): AsyncIterable<Difference> =>
    differencesBetween(earlier, later, coverage.tables.get(table.id), and(selection, only));
  return {
    type: "undo",
    description: `undo on ${name} of ${formatInstant(from)} to ${formatInstant(until)}`,
    refusesConflicts,
    steps: (only) => undoSteps(differences(only), target, table, way),
  };
}
