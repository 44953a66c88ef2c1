/**
 * The time that labels the log; see docs/decisions/0019-the-logs-time.md.
 *
 * Invariant: a wall clock that was set moves no label unless the source's clock says the same. Until the source has
 * been asked (while `isSettled` is false), no proof may begin or end. Break it and an instant is called exact that
 * lacks what was acknowledged before it, or holds what came long after.
 */
import type { Clock } from "../clock.js";
import { ThinkbackError } from "../errors.js";
import type { SegmentFooter } from "../format/segment.js";
import { formatInstant, type Instant } from "../instant.js";
import type { LogEnd } from "../repository/log/log-end.js";

/** The source's clock less this machine's. */
export type ServerClock = NonNullable<SegmentFooter["serverClock"]>;

/** If a clock has moved by more than this against the monotonic one, it was set. Less is drift, and is followed. */
const stepMs = 1000;

/**
 * At most so far may this machine's clock and the source's differ for one to confirm the other. The clocks of neglected
 * machines differ by some minutes; if they differ by more, one was set wrong.
 */
export const clocksDifferMsMax = 600_000;

/** What became of a clock that was set. */
export interface ClockNews {
  outcome: "followed" | "waited out" | "right again";
  /** By how much the clock is ahead of what the log's time was; negative if behind. */
  byMs: number;
}

/** Labels since `since` and up to `to` may be too late by `lateMs`. */
export interface Mislabelled {
  since: Instant;
  to: Instant;
  lateMs: number;
}

export class LogClock {
  /** The wall clock less the monotonic one, as believed at the last comparison. */
  private course: number;
  /** The same, with the drift since. */
  private believed: number;
  /** The same, for a clock that was set and is waited out. */
  private refused: number | undefined;
  /** The log's time when it was last known to be right: the clock was on its course, or the source confirmed it. */
  private settledTo: Instant;
  /** The log's time at the last comparison. */
  private comparedTo: Instant;
  private measured: ServerClock | undefined;
  private aheadOfSource: SegmentFooter["aheadOfSource"];
  private steps: NonNullable<SegmentFooter["clockSteps"]> = [];
  /** Called each time the clock is seen to have been set, until the source was asked. */
  onStep: () => void = () => undefined;

  /** @param shiftMs how far `clock` is ahead of this machine's, with which the source's is compared */
  constructor(
    private readonly clock: Clock,
    private readonly tell: (news: ClockNews) => void = () => undefined,
    private readonly shiftMs = 0,
  ) {
    this.course = this.wallOffset();
    this.believed = this.course;
    this.settledTo = clock.now();
    this.comparedTo = this.settledTo;
  }

  /** The time that labels follow. It goes back if a clock that was set back is followed; labels then stand still. */
  now(): Instant {
    this.look();
    return Math.round(this.clock.monotonicMs() + this.believed);
  }

  /** False from the moment when the clock is seen to have been set until the source was asked. */
  get isSettled(): boolean {
    this.look();
    const wall = this.wallOffset();
    return isNear(wall, this.course) || (this.refused !== undefined && isNear(wall, this.refused));
  }

  /** The source's clock less this machine's, as last measured; undefined before that. */
  get serverClock(): ServerClock | undefined {
    return this.measured;
  }

  /**
   * Asks for the source's clock, and decides by it whether to follow a clock that was set. Rejects as `read` does.
   * @param logTime the last label that was given
   * @returns what is mislabelled, if the clock is followed
   */
  async compare(
    read: () => Promise<ServerClock>,
    logTime: () => Instant = () => this.now(),
  ): Promise<Mislabelled | undefined> {
    const before = this.wallOffset();
    const answer = await read();
    const wall = this.wallOffset();
    // An answer says nothing if the clock was set while it was under way.
    if (!isNear(before, wall)) return undefined;
    this.measured = answer;
    const ofSource = { ...answer, offsetMs: answer.offsetMs - this.shiftMs };
    this.look();
    if (isNear(wall, this.course)) {
      this.course = wall;
    } else if (2 * answer.uncertaintyMs < Math.abs(wall - this.course)) {
      if (this.isConfirmed(wall, ofSource)) return this.follow(wall, logTime());
      this.waitOut(wall);
    }
    this.noteAhead(ofSource);
    return undefined;
  }

  /**
   * Goes on after the log's last segment. That segment may be later than the clock, or may have been labelled by a
   * clock that was ahead of the source's and has been set right since.
   * @returns what of the log is mislabelled
   */
  continueAfter(end: LogEnd | undefined): Mislabelled | undefined {
    if (!end) return undefined;
    const now = this.now();
    const wasAhead = end.aheadOfSource;
    if (wasAhead && this.aheadOfSource) this.aheadOfSource.since = wasAhead.since;
    const corrected = this.aheadOfSource ? undefined : wasAhead;
    const byMs = end.to - now;
    if (byMs > stepMs) this.steps.push({ before: end.to, after: now });
    else if (!corrected) return undefined;
    return {
      since: Math.min(now, corrected?.since ?? now),
      to: end.to,
      lateMs: Math.max(byMs, corrected?.ms ?? 0),
    };
  }

  /** What the next segment says about clocks. */
  takeFacts(): Pick<
    SegmentFooter,
    "serverClock" | "clockSteps" | "clockWaitedOutMs" | "aheadOfSource"
  > {
    const { steps, refused, believed, aheadOfSource } = this;
    this.steps = [];
    return {
      serverClock: this.measured ?? null,
      ...(steps.length > 0 ? { clockSteps: steps } : {}),
      ...(refused === undefined ? {} : { clockWaitedOutMs: Math.round(refused - believed) }),
      ...(aheadOfSource ? { aheadOfSource: { ...aheadOfSource } } : {}),
    };
  }

  private look(): void {
    const wall = this.wallOffset();
    if (isNear(wall, this.course)) {
      this.believed = wall;
      this.settledTo = this.clock.now();
      if (this.refused === undefined) return;
      this.refused = undefined;
      this.tell({ outcome: "right again", byMs: 0 });
    } else if (this.refused === undefined || !isNear(wall, this.refused)) {
      this.onStep();
    }
  }

  /** True if the source's clock agrees with the clock as it is set now, rather than with the log's time. */
  private isConfirmed(wall: number, { offsetMs }: ServerClock): boolean {
    const differsMs = Math.abs(offsetMs);
    const differsFromLogMs = Math.abs(wall + offsetMs - this.believed);
    return differsMs <= clocksDifferMsMax && differsMs < differsFromLogMs;
  }

  private follow(wall: number, logTime: Instant): Mislabelled {
    const byMs = Math.round(wall - this.believed);
    const after = this.clock.now();
    const ahead = this.aheadOfSource;
    this.steps.push({ before: after - byMs, after });
    this.course = wall;
    this.believed = wall;
    this.refused = undefined;
    this.aheadOfSource = undefined;
    // What was labelled before the step is told below. It is not ahead of the source only because the clock is now.
    this.comparedTo = after;
    this.tell({ outcome: "followed", byMs });
    // Forward: what came since the clock was set, or since the machine slept, has labels from before that.
    if (byMs > 0) return { since: this.settledTo, to: Math.max(after, logTime), lateMs: byMs };
    return {
      since: Math.min(after, ahead?.since ?? after),
      to: logTime,
      lateMs: Math.max(logTime - after, ahead?.ms ?? 0),
    };
  }

  private waitOut(wall: number): void {
    if (this.refused === undefined || !isNear(wall, this.refused)) {
      this.tell({ outcome: "waited out", byMs: Math.round(wall - this.believed) });
    }
    this.refused = wall;
    this.settledTo = this.now();
  }

  /** Notes since when the log is ahead of the source's clock: once ours is set right, labels since then are late. */
  private noteAhead({ offsetMs, uncertaintyMs }: ServerClock): void {
    const aheadMs = Math.round(this.believed - this.wallOffset() - offsetMs - uncertaintyMs);
    const { since, ms } = this.aheadOfSource ?? { since: this.comparedTo, ms: 0 };
    const isAhead = aheadMs > stepMs && aheadMs <= clocksDifferMsMax;
    this.aheadOfSource = isAhead ? { since, ms: Math.max(ms, aheadMs) } : undefined;
    this.comparedTo = this.now();
  }

  private wallOffset(): number {
    return this.clock.now() - this.clock.monotonicMs();
  }
}

function isNear(offset: number, other: number): boolean {
  return Math.abs(offset - other) <= stepMs;
}

/**
 * Throws if a capture must not begin with this clock: it differs from the source's, or it is behind the log and the
 * source cannot say that it is right.
 * @param serverClock undefined if the source's clock could not be read
 */
export function checkStartClock(
  now: Instant,
  serverClock: ServerClock | undefined,
  end: Pick<LogEnd, "to"> | undefined,
): void {
  const differsMs = serverClock ? Math.abs(serverClock.offsetMs) - serverClock.uncertaintyMs : 0;
  const behindMs = end && !serverClock ? end.to - now : 0;
  if (Math.max(differsMs, behindMs) <= clocksDifferMsMax) return;
  const [other, theirs] = serverClock
    ? ["the source's clock says", now + serverClock.offsetMs]
    : ["the log reaches to", end!.to];
  throw new ThinkbackError(
    "clock",
    `this machine's clock says ${formatInstant(now)}, and ${other} ${formatInstant(theirs)}: ` +
      "what is captured would be labelled with wrong times",
    { hint: "set the clock that is wrong; or give --trust-clock if this machine's is right" },
  );
}
