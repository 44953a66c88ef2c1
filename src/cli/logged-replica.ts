import type { ReplicaObserver } from "../copies/replica.js";
import { messageOf } from "../errors.js";
import type { Log } from "./log.js";
import { counted, formatBytes } from "./output.js";

/** Tells the log how a copy fares that is kept up to date. */
export function loggedReplica(copy: string, log: Log): ReplicaObserver {
  return {
    fails: (error: unknown) =>
      log.warn(
        { copy, error: messageOf(error) },
        "the copy cannot be brought up to date now; it is tried again, and the capture goes on",
      ),
    isLevel: ({ objects, bytes }: { objects: number; bytes: number }, ms: number) =>
      log.info(
        { copy, objects, bytes, seconds: ms / 1000 },
        `the copy has everything that the repository has: ${counted(objects, "object was", "objects were")} copied, ${formatBytes(bytes)}`,
      ),
    finds: (object: string, what: string) =>
      log.error({ copy, object, what }, "an object cannot be copied; see `thinkback copy --check`"),
  };
}
