import { ThinkbackError } from "../errors.js";
import { ConnectionLost, ReqlError } from "../rethinkdb/response.js";

/** True for what the source's troubles look like: what asking again may heal. False for a defect of ours. */
export function isTrouble(error: unknown): boolean {
  return (
    error instanceof ReqlError ||
    error instanceof ConnectionLost ||
    (error instanceof ThinkbackError && error.code === "source")
  );
}
