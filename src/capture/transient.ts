import { ThinkbackError } from "../errors.js";
import { ConnectionLost, ReqlError } from "../rethinkdb/response.js";

/** True for a trouble of the source that may be over when the source is asked again. */
export function isTransient(error: unknown): boolean {
  return (
    error instanceof ReqlError ||
    error instanceof ConnectionLost ||
    (error instanceof ThinkbackError && error.code === "source")
  );
}
