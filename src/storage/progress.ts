/**
 * What a store tells of a call that is under way, by the signal that the call was given: so that whoever waits for the
 * answer can tell a slow transfer from a store that hangs.
 */

export interface Progress {
  /** The call waits for its turn in this process, which is no silence of the store. */
  queued(): void;
  /** Its turn has come, or a part of the answer. */
  heard(): void;
}

const listening = new WeakMap<AbortSignal, Progress>();

/** Tells `progress` what is told of the calls that are given `signal`. */
export function listenTo(signal: AbortSignal, progress: Progress): void {
  listening.set(signal, progress);
}

export function queued(signal: AbortSignal | undefined): void {
  if (signal) listening.get(signal)?.queued();
}

export function heard(signal: AbortSignal | undefined): void {
  if (signal) listening.get(signal)?.heard();
}
