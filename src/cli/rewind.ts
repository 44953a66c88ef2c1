import { ThinkbackError } from "../errors.js";
import { formatInstant, type Instant } from "../instant.js";
import { differencesToLive } from "../recovery/differences.js";
import { and, type Selection } from "../recovery/selection.js";
import type { UndoStep } from "../recovery/undo.js";
import { instantIn } from "./instant-of.js";
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

export interface RewindArguments extends LiveChangeArguments {
  at?: string;
}

/** Brings a live table, or a part of it, back to an instant by writing only what differs. */
export async function rewindCommand(
  name: string,
  args: RewindArguments,
  output: Output,
): Promise<void> {
  checkLive(name, args);
  const at = args.at === undefined ? undefined : instantIn(args.at);
  const selection = await selectionIn(name, args);
  const byFile = await planGiven(args);
  if ((byFile !== undefined) === (at !== undefined)) {
    throw new ThinkbackError("usage", "it is not said, or said twice, what to rewind to", {
      hint: "give --at, or --plan with a plan that was made before",
    });
  }
  await withLive(name, args, output, async (live) => {
    if (byFile) await intendByFile(live, "rewind", byFile, output);
    else
      await intend(
        live,
        await intentOf(live, await at!(live.repository), selection, output),
        args,
        output,
      );
  });
}

async function intentOf(
  live: Live,
  at: Instant,
  selection: Selection,
  output: Output,
): Promise<Intent> {
  const { target, table, signal } = live;
  const name = `${table.db}.${table.name}`;
  const past = await pastOf(live, at, output);
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
