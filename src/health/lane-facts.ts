/** What a process knows of a lane that it captures, or for which it stands by. */
import type { Instant } from "../instant.js";

/** A lane that this process captures. */
export interface LaneFacts {
  lane: number;
  /** Since when this process captures it, or stands by. */
  since: Instant;
  /** Another process captures it, and this one waits. */
  isStandingBy: boolean;
  /** What it had stored is gone from the repository, and it has not gone on yet. */
  isLost: boolean;
  /** Since when its capture could not begin, and why; undefined while it runs, or has not failed to. */
  beginsLater: { since: Instant; reason: string } | undefined;
  /** Since when the store has not taken its ticks, and why; undefined while it does. */
  storeFails: { since: Instant; reason: string } | undefined;
  /** What waits for the store. */
  waiting: { memoryBytes: number; spoolBytes: number };
  /** Since when nothing is read from the source, because memory and spool are full. */
  readingStopped: Instant | undefined;
  /** Since when the source does not say how much is written, and why: nothing can be proven. */
  surveyFails: { since: Instant; reason: string } | undefined;
  /** Since when the catalog cannot be read, and why. */
  catalogUnreadable: { since: Instant; reason: string } | undefined;
  /** Names of servers that are not reached: the catalog is not proven meanwhile. */
  missingServers: readonly string[];
  /** Up to where the catalog is proven, and users and grants, as far as the lane has them. */
  catalogFrontier: Instant | undefined;
  accessFrontier: Instant | undefined;
  /** The end of the last tick that is durable, and when it was. */
  lastTick: { to: Instant; storedAt: Instant } | undefined;
}

/** A lane of which nothing is known yet. */
export const newLane = (lane: number, since: Instant): LaneFacts => ({
  lane,
  since,
  isStandingBy: false,
  isLost: false,
  beginsLater: undefined,
  storeFails: undefined,
  waiting: { memoryBytes: 0, spoolBytes: 0 },
  readingStopped: undefined,
  surveyFails: undefined,
  catalogUnreadable: undefined,
  missingServers: [],
  catalogFrontier: undefined,
  accessFrontier: undefined,
  lastTick: undefined,
});
