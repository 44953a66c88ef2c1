/**
 * Errors that an operator sees. Each code has one exit status, listed in docs/operations.md; a code never changes its meaning.
 */
export const exitStatus = {
  /** A defect of Thinkback or something nobody foresaw. */
  internal: 1,
  /** The command line or a value in it is wrong. */
  usage: 2,
  /** The source cannot be reached or refuses the credentials. */
  source: 3,
  /** The repository is missing, foreign, of a newer version, or its store cannot be read or written. */
  repository: 4,
  /** The instant asked for cannot be restored, or not exactly. */
  instant: 5,
  /** The database, table or document is not known at that instant; the pin is not known. */
  unknown: 6,
  /** The target cannot be reached, refuses a step, or holds what would be overwritten. */
  target: 7,
  /** A stored object is missing, truncated, altered, or not what its place says. */
  damaged: 8,
  /** What was written to the target differs from what it then holds. */
  mismatch: 9,
  /** The disk or bucket is full. */
  full: 10,
  /** A one-shot backup was stopped before every table was complete, or a drill before its end. */
  incomplete: 12,
  /** Another writer owns the repository, or another process holds the lease to fold and expire. */
  fenced: 11,
  /** The machine's clock cannot be right, as far as can be seen. */
  clock: 13,
  /** Documents that the target refuses were left out of a restore; everything else was restored. */
  leftOut: 14,
  /** Thinkback was installed without its native part. */
  install: 15,
} as const;

export type ErrorCode = keyof typeof exitStatus;

/** An error with a stable code and, where there is one, the operator's next step. */
export class ThinkbackError extends Error {
  readonly code: ErrorCode;
  readonly hint: string | undefined;

  constructor(code: ErrorCode, message: string, options: { hint?: string; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? {} : { cause: options.cause });
    this.name = "ThinkbackError";
    this.code = code;
    this.hint = options.hint;
  }
}

/** A stored object that cannot be used, and what is wrong with it. */
export class UnusableObject extends ThinkbackError {
  constructor(
    code: "damaged" | "repository",
    readonly object: string,
    readonly what: string,
    message: string,
    options: { hint: string; cause?: unknown },
  ) {
    super(code, message, options);
  }
}

/** A stored object that is missing, truncated, altered or not what its name says. */
export function damaged(object: string, what: string, cause?: unknown): UnusableObject {
  return new UnusableObject("damaged", object, what, `object ${object} is damaged: ${what}`, {
    hint: "restore this object from a copy of the repository, or choose an instant that does not need it",
    ...(cause === undefined ? {} : { cause }),
  });
}

/** A stored object that a later Thinkback wrote. */
export function newerFormat(object: string, version: number, known: number): UnusableObject {
  const what = `is of format version ${version}; this Thinkback reads up to ${known}`;
  return new UnusableObject("repository", object, `it ${what}`, `${object} ${what}`, {
    hint: "use the version of Thinkback that wrote the repository, or a later one",
  });
}

/** True for what a stored object that is missing, truncated or altered leads to; not for one of a later version. */
export function isDamage(error: unknown): error is ThinkbackError {
  return error instanceof ThinkbackError && error.code === "damaged";
}

/** The message of anything thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Marks a switch that must be exhaustive; reached only when a value escaped its type. */
export function unreachable(value: never): never {
  throw new ThinkbackError("internal", `unexpected value ${JSON.stringify(value)}`);
}
