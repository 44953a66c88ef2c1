import { endOfValue, JsonBytesError } from "../json-bytes.js";
import { parseJson } from "../server-text.js";

/** Types of responses, and classes of errors, as numbered by the wire protocol (ql2.proto). */
export const responseTypes = {
  atom: 1,
  sequence: 2,
  partial: 3,
  waitComplete: 4,
  serverInfo: 5,
  clientError: 16,
  compileError: 17,
  runtimeError: 18,
} as const;

export const errorClasses = {
  internal: 1_000_000,
  resourceLimit: 2_000_000,
  queryLogic: 3_000_000,
  nonExistence: 3_100_000,
  opFailed: 4_100_000,
  opIndeterminate: 4_200_000,
  user: 5_000_000,
  permission: 6_000_000,
} as const;

/** A query that the server answered with an error. */
export class ReqlError extends Error {
  constructor(
    message: string,
    /** One of errorClasses; 0 for client and compile errors, which have none. */
    readonly errorClass: number,
  ) {
    super(message);
    this.name = "ReqlError";
  }
}

/**
 * True if the server refused for want of a permission. A refused changefeed, or a write that must not run a write hook,
 * comes as an internal error that quotes the refusal, seen live on 2.4.4.
 */
export function isRefusal(error: unknown): error is ReqlError {
  return (
    error instanceof ReqlError &&
    (error.errorClass === errorClasses.permission ||
      /does not have the required `\w+` permission/.test(error.message))
  );
}

/** True if the server could not do what was asked because it does not reach those that can. */
export function isUnavailable(error: unknown): boolean {
  return (
    error instanceof ReqlError &&
    (error.errorClass === errorClasses.opFailed ||
      error.errorClass === errorClasses.opIndeterminate)
  );
}

/** The connection is lost. Whether its open queries took effect is unknown. */
export class ConnectionLost extends Error {
  constructor(cause: unknown) {
    super(`connection lost: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
    this.name = "ConnectionLost";
  }
}

/** One response, still as bytes: `{"t":2,"r":[…],"n":[]}`. */
export class Response {
  readonly type: number;
  /** Where the array of rows begins. */
  private readonly rowsStart: number;

  constructor(readonly bytes: Buffer) {
    const typeEnd = endOfValue(bytes, 5);
    this.type = Number(bytes.toString("latin1", 5, typeEnd));
    const rows = bytes.indexOf('"r":', typeEnd);
    if (!Number.isInteger(this.type) || rows === -1) throw new JsonBytesError("not a response");
    this.rowsStart = rows + 4;
  }

  get isPartial(): boolean {
    return this.type === responseTypes.partial;
  }

  /** Position of the first row, or of the closing bracket if there is none. */
  get firstRow(): number {
    return this.rowsStart + 1;
  }

  /** The rows, parsed. For the small answers of administration. */
  rows(): unknown[] {
    return (parseJson(this.bytes) as { r: unknown[] }).r;
  }

  /** The error that this response reports, if it reports one. */
  error(): ReqlError | undefined {
    if (this.type < responseTypes.clientError) return undefined;
    const { r, e } = parseJson(this.bytes) as { r: unknown[]; e?: number };
    return new ReqlError(String(r[0]), e ?? 0);
  }
}
