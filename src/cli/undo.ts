import { systemClock } from "../clock.js";
import { ThinkbackError } from "../errors.js";
import { formatInstant } from "../instant.js";
import { type Difference, differencesBetween } from "../recovery/differences.js";
import { changesToTakeBack } from "../recovery/operation.js";
import { and, type Selection } from "../recovery/selection.js";
import { type ConflictWay, undoSteps } from "../recovery/undo.js";
import { lookAt } from "../repository/repository-view.js";
import { type InstantIn, instantIn } from "./instant-of.js";
import {
  checkLive,
  type Intent,
  intend,
  intendByFile,
  type Live,
  type LiveChangeArguments,
  pastOf,
  planGiven,
  selectionIn,
  withLive,
} from "./live-change.js";
import type { Output } from "./output.js";

export interface UndoArguments extends LiveChangeArguments {
  from?: string;
  to?: string;
  operation?: string;
  onConflict: ConflictWay;
}

/** What the arguments say, once they are read. */
interface Asked {
  selection: Selection;
  from: InstantIn | undefined;
  to: InstantIn | undefined;
  operation: string | undefined;
  way: ConflictWay;
}

/** Takes back what was changed between two instants, or what an operation has written. */
export async function undoCommand(
  name: string,
  args: UndoArguments,
  output: Output,
): Promise<void> {
  checkLive(name, args);
  const asked = await askedOf(name, args);
  const byFile = await planGiven(args);
  const isByTime = asked.from !== undefined;
  const ways = [byFile, isByTime, asked.operation !== undefined].filter(Boolean).length;
  if (ways !== 1 || (asked.to !== undefined && !isByTime)) {
    throw new ThinkbackError("usage", "it is not said, or said twice, what is to be undone", {
      hint: "give --from and perhaps --to, or --operation, or --plan with a plan that was made before",
    });
  }
  await withLive(name, args, output, async (live) => {
    if (byFile) await intendByFile(live, "undo", byFile, output);
    else await intend(live, await intentOf(live, asked, output), args, output);
  });
}

async function askedOf(name: string, args: UndoArguments): Promise<Asked> {
  const now = systemClock.now();
  const instant = (text: string | undefined) =>
    text === undefined ? undefined : instantIn(text, now);
  const { operation, onConflict: way } = args;
  if (operation !== undefined && !/^[0-9a-f]{8}$/.test(operation)) {
    throw new ThinkbackError("usage", `--operation ${operation} is not the id of an operation`, {
      hint: "give the 8 hexadecimal digits that undo and rewind print",
    });
  }
  const selection = await selectionIn(name, args);
  return { selection, from: instant(args.from), to: instant(args.to), operation, way };
}

async function intentOf(live: Live, asked: Asked, output: Output): Promise<Intent> {
  const { repository, target, table } = live;
  const { selection, way, operation: id } = asked;
  const name = `${table.db}.${table.name}`;
  const refusesConflicts = way === "refuse";
  if (id !== undefined) {
    const differences = await changesToTakeBack(repository, table.id, id);
    return {
      type: "undo operation",
      description: `undo of operation ${id} on ${name}`,
      refusesConflicts,
      steps: (only) => undoSteps(differences(and(selection, only)), target, table, way),
    };
  }
  const later = await pastOf(live, await asked.to?.(repository), output);
  const earlier = await pastOf(live, await asked.from?.(repository), output);
  const [from, until] = [earlier.table.instant, later.table.instant];
  if (from >= until) {
    throw new ThinkbackError("usage", "--from is not before --to", {
      hint: `--from is ${formatInstant(from)}, --to is ${formatInstant(until)}`,
    });
  }
  const coverage = await lookAt(repository, (view) => view.coverage());
  const differences = (only?: Selection): AsyncIterable<Difference> =>
    differencesBetween(earlier, later, coverage.tables.get(table.id), and(selection, only));
  return {
    type: "undo",
    description: `undo on ${name} of ${formatInstant(from)} to ${formatInstant(until)}`,
    refusesConflicts,
    steps: (only) => undoSteps(differences(only), target, table, way),
  };
}
