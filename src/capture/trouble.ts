/** What ends the watch of a table, by whose trouble it is. */
import { type ErrorCode, ThinkbackError } from "../errors.js";
import { JsonBytesError } from "../json-bytes.js";
import { errorClasses, ReqlError } from "../rethinkdb/response.js";
import { failureOf } from "../storage/object-store.js";

export type Trouble =
  /** Opening the table again can heal it: a trouble of the source, or a store that fails for a while. */
  | "loss"
  /** Ours, or something about the table that nobody foresaw: it comes again, and the other tables do not have it. */
  | "defect"
  /** The repository's: no table can be captured until the operator has repaired it. */
  | "common";

/** The server dropped changes that we had not read yet; the feed goes on without them. */
export class FeedOverflowed extends Error {}

/** A change was missed though nobody said so. */
export class ChangesMissed extends Error {}

/** Neither an answer on the feed's connection nor a change came for too long, while a proof was under way. */
export class HeartbeatMissed extends Error {
  constructor(isAsked: boolean) {
    const what = isAsked
      ? "the server did not answer on the feed's connection"
      : "the feed stood still, and its proof did not end";
    super(`heartbeat missed: ${what}`);
  }
}

/** A store that is full or may not be used, a newer format, another writer. */
const commonCodes: ErrorCode[] = ["full", "repository", "fenced"];

/** What the language throws where code is wrong; and the text of a document or a row that is not as it has to be. */
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
