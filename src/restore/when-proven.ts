import type { Clock } from "../clock.js";
import { ThinkbackError } from "../errors.js";
import type { Repository } from "../format/description.js";
import { formatInstant, type Instant } from "../instant.js";
import { RepositoryView } from "../repository/repository-view.js";
import { NotProvenYet } from "./inexact.js";

/** How long a command waits for a proof: while nothing happens, a segment with proofs comes every ten seconds. */
const waitMsMax = 15_000;
const lookEveryMs = 500;
/** A log that ends longer before the instant than this will not reach it soon. */
const behindMsMax = 60_000;

/**
 * The result of `plan`. While its instant is not proven yet, but may be soon, `plan` is called again, for 15 s at most.
 * @param at the instant, if one was asked for
 * @param onWait called once, before the first wait
 */
export async function whenProven<T>(
  repository: Repository,
  at: Instant | undefined,
  plan: () => Promise<T>,
  clock: Clock,
  onWait: () => void,
): Promise<T> {
  const deadline = clock.monotonicMs() + waitMsMax;
  for (let looks = 1; ; looks += 1) {
    try {
      const planned = await plan();
      if (at !== undefined) await refuseStillToCome(repository, at, clock.now());
      return planned;
    } catch (error) {
      if (!(error instanceof NotProvenYet) || at === undefined) throw error;
      if (at > clock.now()) throw stillToCome(at);
      if (clock.monotonicMs() > deadline || !(await mayReach(repository, at))) throw error;
    }
    if (looks === 1) onWait();
    await clock.sleep(lookEveryMs);
  }
}

/** True unless the capture has ended, or seems to have ended long before the instant, in every lane. */
async function mayReach(repository: Repository, at: Instant): Promise<boolean> {
  const { lanes } = await RepositoryView.read(repository);
  const ends = await Promise.all(lanes.map((lane) => lane.end()));
  return ends.some((end) => end && !end.closed && at - end.to <= behindMsMax);
}

/** Throws for an instant that neither this machine's clock nor the log has reached. */
export async function refuseStillToCome(
  repository: Repository,
  at: Instant,
  now: Instant,
): Promise<void> {
  if (at <= now) return;
  const last = await (await RepositoryView.read(repository)).lastInstant();
  if (last === undefined || last < at) throw stillToCome(at);
}

/** The error for an instant after now. */
export function stillToCome(at: Instant): ThinkbackError {
  return new ThinkbackError("instant", `${formatInstant(at)} is still to come`, {
    hint: "give an instant that has passed, or none for the newest one",
  });
}
