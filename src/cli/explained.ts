import { messageOf, ThinkbackError } from "../errors.js";

const fullCodes = ["ENOSPC", "EDQUOT"];

/** Turns an error of a system call that no other code has explained into one that tells the operator what to do. */
export function explained(error: unknown): unknown {
  if (error instanceof ThinkbackError) return error;
  const system = systemError(error);
  if (fullCodes.includes(system?.code ?? "")) {
    return new ThinkbackError("full", messageOf(error), {
      hint: "make room on the disk and start again; what was stored before is safe",
      cause: error,
    });
  }
  if (!system) return error;
  return new ThinkbackError("repository", messageOf(error), {
    hint: "check --repo, TMPDIR and any other directory given: a disk must work, and this user must be allowed to write there; a bucket must be reachable from here",
    cause: error,
  });
}

/** The first error of a system call among an error and its causes. */
function systemError(error: unknown): NodeJS.ErrnoException | undefined {
  for (let of: unknown = error; of instanceof Error; of = of.cause) {
    const { code, syscall } = of as NodeJS.ErrnoException;
    if (code !== undefined && syscall !== undefined) return of;
  }
  return undefined;
}
