import type { CommandProgress } from "../commands.js";

/** Tells the process that has begun this one, if it wants to know, how far it is. */
export function tellProgress(progress: CommandProgress): void {
  if (process.connected) process.send?.(progress);
}
