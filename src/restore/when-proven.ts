import type { Clock } from "../clock.js";
import { ThinkbackError } from "../errors.js";
import type { Repository } from "../format/description.js";
import { formatInstant, type Instant } from "../instant.js";
import { claimedPaceMs } from "../repository/capture-state.js";
import { RepositoryView } from "../repository/repository-view.js";
import { NotProvenYet } from "./inexact.js";

/** How long a command waits for a segment with proofs, after one is due even if nothing happens. */
const overdueMsMax = 5000;
const lookEveryMs = 500;
/** A log that ends so much longer before the instant than the pace of its segments will not reach it soon. */
const behindMsMax = 50_000;

/**
 * The result of `plan`. While its instant is not proven yet, but may be soon, `plan` is called again, until a capture
 * that runs would have stored the proof: for 15 s, or longer if its segments come more rarely when nothing happens.
 * @param at the instant, if one was asked for
 * @param onWait called once, before the first wait, with how long it may be, in ms
 * @param waitMsMax it is not waited for longer than this
 */
export async function whenProven<T>(
  repository: Repository,
  at: Instant | undefined,
  plan: () => Promise<T>,
  clock: Clock,
  onWait: (ms: number) => void,
  waitMsMax = Number.POSITIVE_INFINITY,
): Promise<T> {
  const beganMs = clock.monotonicMs();
  for (let looks = 1; ; looks += 1) {
    try {
      const planned = await plan();
      if (at !== undefined) await refuseStillToCome(repository, at, clock.now());
      return planned;
    } catch (error) {
      if (!(error instanceof NotProvenYet) || at === undefined) throw error;
      if (at > clock.now()) throw stillToCome(at);
      const proofMs = await proofWaitMs(repository, at);
      const waitMs = proofMs === undefined ? 0 : Math.min(proofMs, waitMsMax);
      if (waitMs === 0 || clock.monotonicMs() - beganMs > waitMs) throw error;
      if (looks === 1) onWait(waitMs);
    }
    await clock.sleep(lookEveryMs);
  }
}

/**
 * How long the proof of an instant may take, in ms; undefined if the capture has ended, or seems to have ended long
 * before the instant, in every lane.
 */
export async function proofWaitMs(
  repository: Repository,
  at: Instant,
): Promise<number | undefined> {
  const { lanes } = await RepositoryView.read(repository);
  let longest: number | undefined;
  for (const lane of lanes) {
    const end = await lane.end();
    const paceMs = claimedPaceMs(lane.log.claims.at(-1) ?? {});
    if (!end || end.closed || at - end.to > paceMs + behindMsMax) continue;
    longest = Math.max(longest ?? 0, paceMs + overdueMsMax);
  }
  return longest;
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
