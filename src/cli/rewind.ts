import { formatInstant, type Instant } from "../instant.js";
import { differencesToLive } from "../recovery/differences.js";
import { and } from "../recovery/selection.js";
import { instantIn } from "./instant-of.js";
import {
  type Asked,
  askedOf,
  type Live,
  type LiveChangeArguments,
  withLive,
} from "./live-asked.js";
import { intend } from "./live-change.js";
import type { Intent } from "./live-found.js";
import { intendByFile } from "./live-plan.js";
import { tablesThen } from "./live-tables.js";
import { formatNames, type Output } from "./output.js";

export interface RewindArguments extends LiveChangeArguments {
  at?: string;
}

/** Brings live tables, or a part of them, back to an instant by writing only what differs. */
export async function rewindCommand(
  names: readonly string[],
  args: RewindArguments,
  output: Output,
): Promise<void> {
  const at = args.at === undefined ? undefined : instantIn(args.at);
  const asked = await askedOf(names, args, {
    tables: false,
    what: at === undefined ? [] : ["--at"],
    how: [],
    wanted: { text: "what to rewind to", options: "--at" },
  });
  await withLive(args, output, async (live) => {
    if (asked.given) await intendByFile(live, ["rewind"], asked);
    else await intend(live, await intentOf(live, await at!(live.repository), asked), asked);
  });
}

async function intentOf(live: Live, at: Instant, { choice, allowed }: Asked): Promise<Intent> {
  const then = await tablesThen(live, choice, at, allowed, live.output);
  return {
    type: "rewind",
    description: `rewind of ${formatNames(then.map(({ name }) => name))} to ${formatInstant(at)}`,
    refusesConflicts: false,
    holding: then[0]!.past.plan,
    tables: then.map(({ live: table, past, selection }) => ({
      table,
      doubts: selection.doubts,
      steps: async function* (only) {
        const { reads, signal } = live;
        const selected = and(selection, only);
        for await (const found of differencesToLive(past, reads, table, selected, signal)) {
          const { code, key, before, after } = found;
          yield { change: { code, key, before: after, after: before } };
        }
      },
    })),
  };
}
