import type { TermNode } from "./term.js";

/** The codes that a response carries as `e`. */
export const errorCodes = {
  internal: 1000000,
  resource: 2000000,
  logic: 3000000,
  nonExistence: 3100000,
  opFailed: 4100000,
  opIndeterminate: 4200000,
  user: 5000000,
  permission: 6000000,
} as const;

export type ErrorKind = keyof typeof errorCodes;

/** An error without a stack: many are made, where a filter misses a field or a query waits, and few are looked at. */
class QuickError extends Error {
  constructor(message: string) {
    const { stackTraceLimit } = Error;
    Error.stackTraceLimit = 0;
    super(message);
    Error.stackTraceLimit = stackTraceLimit;
  }
}

/** A query's failure. `node` is the term that failed; a backtrace is its path from the query's root. */
export class ReqlError extends QuickError {
  override readonly name = "ReqlError";
  readonly kind: ErrorKind;
  node: TermNode | undefined;
  /** Set for what the server refuses before it runs the query: response type 17 and no code. */
  readonly compileTime: boolean;

  constructor(kind: ErrorKind, message: string, node?: TermNode, compileTime = false) {
    super(message);
    this.kind = kind;
    this.node = node;
    this.compileTime = compileTime;
  }
}

/** Asks the session to run the query again after a while: how `wait` and `indexWait` wait. */
export class NotYet extends QuickError {
  override readonly name = "NotYet";
  readonly retryMs: number;

  constructor(retryMs: number) {
    super("not yet");
    this.retryMs = retryMs;
  }
}

export function logicError(message: string): ReqlError {
  return new ReqlError("logic", message);
}

export function opFailed(message: string): ReqlError {
  return new ReqlError("opFailed", message);
}
