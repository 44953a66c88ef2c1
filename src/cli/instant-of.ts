/** Instants as people give them to a command that reads the past: a time, or "before:" and the name of a point. */
import { systemClock } from "../clock.js";
import { ThinkbackError } from "../errors.js";
import type { Repository } from "../format/description.js";
import { formatInstant, type Instant, parseInstant } from "../instant.js";

const dayMs = 86_400_000;

/** What stands before the name of a point. */
const before = "before:";

/** Tells an instant as soon as there is a repository. */
export type InstantIn = (repository: Repository) => Promise<Instant>;

/** What a command that takes points says of the forms of times. */
export const pointForms =
  'or "before:" and the id of a point, the text of a mark, the name of a pin or the id of an operation';

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
  let instant: InstantIn;
  try {
    instant = instantIn(text, now);
  } catch (error) {
    throw (await ifPoint(text.trim(), repository)) ?? error;
  }
  return instant(repository);
}

/** The same for a command that checks its arguments before it opens the repository: throws at once for a bad time. */
export function instantIn(text: string, now: Instant = systemClock.now()): InstantIn {
  if (!text.startsWith(before)) {
    const instant = timeOf(text, now);
    return () => Promise.resolve(instant);
  }
  return async (repository) => {
    const { beforePoint } = await import("./before-point.js");
    return beforePoint(text.slice(before.length).trim(), repository);
  };
}

function timeOf(text: string, now: Instant): Instant {
  try {
    return parseInstant(text, now);
  } catch (error) {
    if (!(error instanceof ThinkbackError)) throw error;
    throw new ThinkbackError("usage", error.message, { hint: `${error.hint}, ${pointForms}` });
  }
}

/** The error for a text that is no time, but the name of a point; undefined if it is none. */
async function ifPoint(name: string, repository: Repository): Promise<ThinkbackError | undefined> {
  const { pointNamed } = await import("./before-point.js");
  const point = await pointNamed(name, repository).catch(() => undefined);
  if (!point) return undefined;
  const what = point.id.startsWith("mark-") ? "mark" : "point";
  return new ThinkbackError("usage", `cannot read "${name}" as a time`, {
    hint: `there is a ${what} "${name}": give "${before}${name}"`,
  });
}

/** An instant and the text that was given for it. */
export interface GivenInstant {
  text: string;
  at: Instant;
}

/** Throws if a stretch would end before it begins; says what each of its ends was taken for. */
export function refuseReversed(from: GivenInstant, to: GivenInstant, now: Instant): void {
  if (from.at <= to.at) return;
  const said = [from, to].map((one) => meaningOf(one, now));
  throw new ThinkbackError("usage", `--from is after --to: ${said.join("; ")}`, {
    hint: "exchange the two; a time of day without a date is the last time that it was so, in UTC",
  });
}

function meaningOf({ text, at }: GivenInstant, now: Instant): string {
  const isOfYesterday = /^\d{1,2}:/.test(text.trim()) && at < now - (now % dayMs);
  const why = isOfYesterday ? `, yesterday: it is not ${text.trim()} UTC yet today` : "";
  return `"${text}" is ${formatInstant(at)}${why}`;
}
