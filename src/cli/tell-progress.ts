/**
 * What a command and the process that has begun it tell each other, over the channel that a parent opens. The parent
 * says every few seconds that it is there.
 *
 * Invariant: a command whose parent is gone, or stands still, ends as if it were told to. Break it and the command goes
 * on beside the one that somebody else begins in its place.
 */
import { type Clock, systemClock } from "../clock.js";
import type { CommandProgress } from "../commands.js";

/** What a command says. */
export type Told = { progress: CommandProgress } | { ending: object };
/** What its parent says: that it is there, and that the command may take its last step. */
export type Answer = "there" | "go on";

/** How often a parent says that it is there. */
export const beatMs = 3000;
/** A parent that says nothing for so long has ended or stands still: the command does not outlive it by more. */
const silentMsMax = 15_000;
/** How long a command may take to end by itself. */
const endMsMax = 10_000;
/** Progress is told at most so often. */
const tellMs = 500;

let parent: NodeJS.Process | undefined;
let toldMs = Number.NEGATIVE_INFINITY;
let mayGoOn: () => void = () => undefined;

/**
 * Listens to the process that has begun this one, if it has opened a channel, and ends this process with it.
 * @returns ends that
 */
export function heedParent(clock: Clock = systemClock): () => void {
  if (!process.connected) return () => undefined;
  parent = process;
  const ended = new AbortController();
  const isEnding = new AbortController();
  let heardMs = clock.monotonicMs();
  process.on("message", (answer: Answer) => {
    heardMs = clock.monotonicMs();
    if (answer === "go on") mayGoOn();
  });
  process.channel?.unref();
  process.on("disconnect", () => isEnding.abort());
  const watch = async () => {
    while (clock.monotonicMs() - heardMs < silentMsMax && !isEnding.signal.aborted) {
      await clock
        .sleep(1000, AbortSignal.any([ended.signal, isEnding.signal]))
        .catch(() => undefined);
      if (ended.signal.aborted) return;
    }
    process.kill(process.pid, "SIGTERM");
    await clock.sleep(endMsMax, ended.signal);
    process.kill(process.pid, "SIGTERM");
  };
  watch().catch(() => undefined);
  return () => ended.abort(new Error("the command has ended"));
}

/** Tells the process that has begun this one, if it wants to know, how far it is. */
export function tellProgress(progress: CommandProgress): void {
  const now = systemClock.monotonicMs();
  if (!parent?.connected || now - toldMs < tellMs) return;
  toldMs = now;
  tell({ progress });
}

/**
 * Tells the process that has begun this one what its last step will make, and waits until that is noted. So it is known
 * later whether the step was done, wherever this process ends.
 */
export async function tellEnding(ending: object): Promise<void> {
  if (!parent?.connected) return;
  const noted = new Promise<void>((resolve) => (mayGoOn = resolve));
  // Else the process would end while it waits.
  process.channel?.ref();
  tell({ ending });
  await noted;
  process.channel?.unref();
}

function tell(told: Told): void {
  parent!.send!(told, () => undefined);
}

/** What a run of this command before has told of its last step, if one has. */
export function endingBefore(): object | undefined {
  const text = process.env[endingVariable];
  return text ? (JSON.parse(text) as object) : undefined;
}

/** How a parent says that to a command. It is not for operators. */
export const endingVariable = "THINKBACK_ENDING_BEFORE";
