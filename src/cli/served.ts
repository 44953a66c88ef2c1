/** What a part of the service is given, see run-service.ts. */
import type { Clock } from "../clock.js";
import type { PrintedCommands } from "../commands.js";
import type { Waker } from "../coordination/wake.js";
import type { Repository } from "../format/description.js";
import type { Facts } from "../health/facts.js";
import type { Metrics } from "../health/metrics.js";
import type { RepositoryReading } from "../health/repository-reading.js";
import type { Log } from "./log.js";
import type { Role } from "./roles.js";
import type { RunArguments } from "./run-arguments.js";

export interface Serving {
  args: RunArguments;
  /** What this process does of all that there is to do. */
  roles: ReadonlySet<Role>;
  repository: Repository;
  facts: Facts;
  commands: PrintedCommands;
  /** Wakes the other processes too, if they share a Redis with this one. */
  waker: Waker;
  clock: Clock;
  log: Log;
  /** True while this process does what only one of them may, see frontier.ts. */
  isFirst: () => boolean;
  /** Aborts when the process is to end. */
  signal: AbortSignal;
}

export interface Served extends Serving {
  /** What the repository says of itself: read now and then from the first call of `keepReading` on. */
  reading: RepositoryReading;
  keepReading: () => void;
  /** The metrics of this process. What cannot be read on demand is measured from the first call on. */
  metrics: () => Metrics;
}

/**
 * Begins a part, if the options want it; throws for what would never work, such as an address that is taken.
 * @returns ends it; does not throw
 */
export type ServicePart = (served: Served) => Promise<EndOfPart>;

/** @param failure what the capture has ended by; undefined if it has ended in order */
export type EndOfPart = (failure?: unknown) => Promise<void>;
