import type { Letter } from "./letter.js";

/** A way to somebody who wants to know. */
export interface Channel {
  /** What is undelivered is kept under this name, so it MUST stay the same from one process to the next. */
  readonly name: "webhook" | "slack" | "command";
  /**
   * Resolves once the receiver has taken the letter. Rejects with an error that names no secret.
   * @param signal ends the attempt
   */
  deliver(letter: Letter, signal: AbortSignal): Promise<void>;
}
