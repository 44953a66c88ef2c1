/** What ends the watch of a table, and what the trouble affects. */
import { type ErrorCode, ThinkbackError } from "../errors.js";
import { JsonBytesError } from "../json-bytes.js";
import { errorClasses, ReqlError } from "../rethinkdb/response.js";
import { failureOf } from "../storage/object-store.js";

export type Trouble =
  /** Opening the table again can heal it: a trouble of the source, or a store that fails for a while. */
  | "loss"
  /** A defect of this program, or something unforeseen about the table: it comes again, but only for this table. */
  | "defect"
  /** A trouble of the repository: no table can be captured until the operator has repaired it. */
  | "common";

/** The server dropped changes that we had not read yet; the feed goes on without them. */
export class FeedOverflowed extends Error {}

/** A change was missed, although nothing had reported it. */
export class ChangesMissed extends Error {}

/** Neither an answer on the feed's connection nor a change came for too long, while a proof was under way. */
export class HeartbeatMissed extends Error {
  constructor(what: string) {
    super(`heartbeat missed: ${what}`);
  }
}

/** The codes for a store that is full or may not be used, for a newer format, and for another writer. */
const commonCodes: ErrorCode[] = ["full", "repository", "fenced"];

/** What the language throws if code is wrong; and the error for malformed text of a document or a row. */
const defects = [TypeError, RangeError, SyntaxError, ReferenceError, JsonBytesError];

export function troubleOf(error: unknown): Trouble {
  const failure = failureOf(error);
  if (failure === "missing" || failure === "unavailable") return "loss";
  if (error instanceof ThinkbackError) {
    if (commonCodes.includes(error.code)) return "common";
    return error.code === "source" ? "loss" : "defect";
  }
  if (error instanceof ReqlError) {
    return error.errorClass === errorClasses.queryLogic ? "defect" : "loss";
  }
  const isDefect = !(error instanceof Error) || defects.some((kind) => error instanceof kind);
  return isDefect ? "defect" : "loss";
}
