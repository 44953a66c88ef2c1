import type { CopyObserver } from "../copies/replicas.js";
import { messageOf } from "../errors.js";
import type { Facts } from "../health/facts.js";
import type { Log } from "./log.js";
import { counted, formatBytes } from "./output.js";

/** The name under which the facts have how a copy fares. */
export const copyWork = (copy: string) => `copy ${copy}`;

/** Tells the log, and the facts, how a copy fares that is kept up to date. */
export function loggedReplica(copy: string, log: Log, facts: Facts): Omit<CopyObserver, "keepsUp"> {
  return {
    fails: (error) => {
      facts.failed(copyWork(copy), error);
      log.warn(
        { copy, error: messageOf(error) },
        "the copy cannot be brought up to date now; it is tried again, and the capture goes on",
      );
    },
    isLevel: ({ objects, bytes }, ms) => {
      facts.succeeded(copyWork(copy));
      log.info(
        { copy, objects, bytes, seconds: ms / 1000 },
        `the copy has everything that the repository has: ${counted(objects, "object was", "objects were")} copied, ${formatBytes(bytes)}`,
      );
    },
    finds: (object, what) =>
      log.error({ copy, object, what }, "an object cannot be copied; see `thinkback copy --check`"),
    gives: (segments) =>
      log.info(
        { copy, segments },
        "the repository lacked ticks that the copy has: they are in the repository now",
      ),
    mayHaveMore: (error) =>
      log.warn(
        { copy, error: messageOf(error) },
        "the last capture did not close its log, and the copy is away: if it has ticks that the repository lacks, their time is a gap, which is resynced",
      ),
    keeps: (segment, reason) =>
      log.error(
        { copy, segment, reason },
        "the copy has a tick that the repository lacks, and that was not delivered: its time, and that of those that follow it, is a gap, which is resynced",
      ),
  };
}
