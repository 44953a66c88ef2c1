/** Reads now and then what the repository says of itself, by `thinkback status` in a process of its own. */
import type { Clock } from "../clock.js";
import type { Commands } from "../commands.js";
import type { Facts } from "./facts.js";
import { instantOf, type StatusPrinted, stateOf } from "./repository-state.js";

/** How often the repository is read; in a store that charges for requests, and if reading takes long, less often. */
const everyMs = 600_000;
const everyChargedMs = 3_600_000;
/** Reading takes at most this part of the time. */
const partMax = 1 / 20;
/** How often it is looked whether it is this process's turn. */
const turnEveryMs = 1000;

export interface ReadingOptions {
  commands: Commands;
  clock: Clock;
  chargesRequests: boolean;
  /** True while this process is the one that reads. */
  isOurs: () => boolean;
  signal: AbortSignal;
}

/** Reads the repository until the signal aborts, beginning when the first tick is stored. */
export async function keepReading(facts: Facts, options: ReadingOptions): Promise<void> {
  const { clock, signal, isOurs, chargesRequests } = options;
  const work = facts.work("status");
  work.everyMs = chargesRequests ? everyChargedMs : everyMs;
  let dueMs = Number.NEGATIVE_INFINITY;
  while (!signal.aborted) {
    const isTurn = isOurs() && facts.lanes.get(0)?.lastTick !== undefined;
    // Another process reads it from now on: what this one has read gets old.
    if (!isOurs()) facts.repository = undefined;
    if (isTurn && clock.monotonicMs() >= dueMs) {
      const beganMs = clock.monotonicMs();
      await readOnce(facts, options);
      dueMs = beganMs + Math.max(work.everyMs, (clock.monotonicMs() - beganMs) / partMax);
    }
    await clock.sleep(turnEveryMs, signal).catch(() => undefined);
  }
}

async function readOnce(facts: Facts, { commands, clock, signal }: ReadingOptions): Promise<void> {
  try {
    const printed = (await commands.run(["status"], { signal })) as StatusPrinted;
    facts.repository = stateOf(printed, clock.now());
    for (const { id, lastRestorable } of printed.tables) {
      const table = facts.tables.get(id);
      if (table) table.restorableTo ??= instantOf(lastRestorable);
    }
    facts.succeeded("status");
  } catch (error) {
    if (!signal.aborted) facts.failed("status", error);
  }
}
