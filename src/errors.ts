/**
 * The errors that an operator sees. Each code has one exit status, listed in docs/operations.md. A code never changes
 * its meaning.
 */
export const exitStatus = {
  /** A defect of Thinkback, or an unforeseen error. */
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
  /** The target does not hold what was written to it. */
  mismatch: 9,
  /** The disk or bucket is full, or where standard output goes. */
  full: 10,
  /**
   * A one-shot backup was stopped before every table was complete; or a restore, a drill, an export or an import before
   * its end; or output was not taken.
   */
  incomplete: 12,
  /** Another writer owns the repository, or another process holds the lease to fold and expire. */
  fenced: 11,
  /** The machine's clock seems to be wrong. */
  clock: 13,
  /** Documents that the target refuses were left out of a restore or a standby; everything else is there. */
  leftOut: 14,
  /** Thinkback was installed without its native part. */
  install: 15,
  /**
   * A check of `thinkback doctor` failed; or a Redis that `thinkback run` is given cannot do what is needed; or a
   * channel did not take the test of `thinkback alarm test`.
   */
  unfit: 16,
  /** Live documents were left as they are: others had changed them, or the server refuses what they would become. */
  conflict: 17,
  /** A drill found the restore equal to the repository, but not what is expected of its tables. */
  unexpected: 18,
  /** A drill found nothing wrong, but could not check everything that is expected of its tables. */
  unchecked: 19,
} as const;

export type ErrorCode = keyof typeof exitStatus;

/** An error with a stable code and, if there is one, a hint: the operator's next step. */
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

/** The error for a stored object that cannot be used. `what` says what is wrong with it. */
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

/** The error for a stored object that is missing, truncated, altered or not what its name says. */
export function damaged(object: string, what: string, cause?: unknown): UnusableObject {
  return new UnusableObject("damaged", object, what, `object ${object} is damaged: ${what}`, {
    hint: "put this object back from a copy of the repository; or see with `thinkback repair --dry-run` whether it can be rebuilt; or choose an instant that does not need it",
    ...(cause === undefined ? {} : { cause }),
  });
}

/** The error for a stored object that a later version of Thinkback wrote. */
export function newerFormat(object: string, version: number, known: number): UnusableObject {
  const what = `is of format version ${version}; this Thinkback reads up to ${known}`;
  return new UnusableObject("repository", object, `it ${what}`, `${object} ${what}`, {
    hint: "use the version of Thinkback that wrote the repository, or a later one",
  });
}

/** True for the error of a missing, truncated or altered object; not for that of an object of a later version. */
export function isDamage(error: unknown): error is ThinkbackError {
  return error instanceof ThinkbackError && error.code === "damaged";
}

/** What clearing away after a failure has thrown, by the failure. */
const thrownAfter = new WeakMap<object, unknown[]>();

/**
 * Clears away what a failure has left. If that fails too, it does not take the failure's place: both are told.
 * @param clear each of these is done, also if one before it fails
 */
export async function clearAfter(
  failure: unknown,
  ...clear: readonly (() => Promise<unknown>)[]
): Promise<void> {
  for (const one of clear) {
    try {
      await one();
    } catch (error) {
      if (typeof failure !== "object" || failure === null) continue;
      thrownAfter.set(failure, [...(thrownAfter.get(failure) ?? []), error]);
    }
  }
}

/**
 * What `work` resolves with. What it leaves is cleared away in any case. If both fail, the failure of the work is
 * thrown, and both are told.
 */
export async function cleared<T>(
  work: () => Promise<T>,
  clear: () => Promise<unknown>,
): Promise<T> {
  let result: T;
  try {
    result = await work();
  } catch (error) {
    await clearAfter(error, clear);
    throw error;
  }
  await clear();
  return result;
}

/** What clearing away after an error, or after one of its causes, has thrown. */
export function failedAfter(error: unknown): unknown[] {
  const failed: unknown[] = [];
  for (let of: unknown = error; typeof of === "object" && of !== null; ) {
    failed.push(...(thrownAfter.get(of) ?? []));
    of = of instanceof Error ? of.cause : undefined;
  }
  return failed;
}

/** True if another process has taken over what this one did, or does it already. */
export function isFenced(error: unknown): boolean {
  return error instanceof ThinkbackError && error.code === "fenced";
}

/** The message of anything that was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Marks a switch as exhaustive. It is reached, and throws, only if a value is not of its type. */
export function unreachable(value: never): never {
  throw new ThinkbackError("internal", `unexpected value ${JSON.stringify(value)}`);
}
