/** Instants as people give them to a command that reads the past: a time, or "before:" and the name of a point. */
import { systemClock } from "../clock.js";
import type { Repository } from "../format/description.js";
import { type Instant, parseInstant } from "../instant.js";

/** What stands before the name of a point. */
const before = "before:";

/** Tells an instant as soon as there is a repository. */
export type InstantIn = (repository: Repository) => Promise<Instant>;

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
  return instantIn(text, now)(repository);
}

/** The same for a command that checks its arguments before it opens the repository: throws at once for a bad time. */
export function instantIn(text: string, now: Instant = systemClock.now()): InstantIn {
  if (!text.startsWith(before)) {
    const instant = parseInstant(text, now);
    return () => Promise.resolve(instant);
  }
  return async (repository) => {
    const { beforePoint } = await import("./before-point.js");
    return beforePoint(text.slice(before.length).trim(), repository);
  };
}
