import { systemClock } from "../clock.js";
import { ThinkbackError } from "../errors.js";
import { formatInstant, parseInstant } from "../instant.js";
import { differencesToLive } from "../recovery/differences.js";
import { and, type Selection } from "../recovery/selection.js";
import type { UndoStep } from "../recovery/undo.js";
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

export interface RewindArguments extends LiveChangeArguments {
  at?: string;
}

/** Brings a live table, or a part of it, back to an instant by writing only what differs. */
export async function rewindCommand(
  name: string,
  args: RewindArguments,
  output: Output,
): Promise<void> {
  const isByFile = args.plan !== undefined && args.dryRun !== true;
  if (isByFile === (args.at !== undefined)) {
    throw new ThinkbackError("usage", "it is not said, or said twice, what to rewind to", {
      hint: "give --at, or --plan with a plan that was made before",
    });
  }
  if (isByFile && isSelecting(args)) {
    throw new ThinkbackError("usage", "a plan says itself which documents are meant", {
      hint: "leave out --key, --between, --where and --tenant",
    });
  }
  await withLive(name, args, output, async (live) => {
    if (isByFile) await intendByFile(live, "rewind", args.plan!, output);
    else await intend(live, await intentOf(live, args, output), args, output);
  });
}

async function intentOf(live: Live, args: RewindArguments, output: Output): Promise<Intent> {
  const { target, table, signal } = live;
  const name = `${table.db}.${table.name}`;
  const selection = (await selectionOf(args))(name) ?? { matches: () => false };
  const past = await pastOf(live, parseInstant(args.at!, systemClock.now()), output);
  const steps = async function* (only?: Selection): AsyncGenerator<UndoStep> {
    const selected = and(selection, only);
    for await (const found of differencesToLive(past, target, table, selected, signal)) {
      const { code, key, before, after } = found;
      yield { change: { code, key, before: after, after: before } };
    }
  };
  return {
    type: "rewind",
    description: `rewind of ${name} to ${formatInstant(past.table.instant)}`,
    refusesConflicts: false,
    steps,
  };
}
