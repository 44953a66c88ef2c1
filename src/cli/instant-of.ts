/** Instants as people give them to a command that reads the past: a time, or "before:" and the name of a point. */
import { systemClock } from "../clock.js";
import type { Repository } from "../format/description.js";
import { type Instant, parseInstant } from "../instant.js";

/** What stands before the name of a point. */
const before = "before:";

/**
 * The instant that an option's text means in a repository. `before:POINT` is the last instant before a point, which is
 * named by its id, a mark's text, a pin's name or an operation's id.
 * @throws {ThinkbackError} `usage` for what is neither; `unknown`, with the points of nearest names, for no point
 */
export async function instantOf(
  text: string,
  repository: Repository,
  now: Instant = systemClock.now(),
): Promise<Instant> {
  if (!isPoint(text)) return parseInstant(text, now);
  const { beforePoint } = await import("./before-point.js");
  return beforePoint(text.slice(before.length).trim(), repository);
}

/** True if the text names a point, so that a repository is needed to tell its instant. */
export const isPoint = (text: string) => text.startsWith(before);
