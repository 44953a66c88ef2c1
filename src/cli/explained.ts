import { messageOf, ThinkbackError } from "../errors.js";

const fullCodes = ["ENOSPC", "EDQUOT"];

/** What an operator is told of an error of the system that nobody has put into words where it came up. */
export function explained(error: unknown): unknown {
  if (error instanceof ThinkbackError) return error;
  const system = systemError(error);
  if (fullCodes.includes(system?.code ?? "")) {
    return new ThinkbackError("full", messageOf(error), {
      hint: "make room and start again; what was stored before is safe",
      cause: error,
    });
  }
  if (!system) return error;
  return new ThinkbackError("repository", messageOf(error), {
    hint: "check --repo, the other directories that are given and TMPDIR: that their disks work and this user may write there",
    cause: error,
  });
}

/** The error of a system call that is at the ground of another one. */
function systemError(error: unknown): NodeJS.ErrnoException | undefined {
  for (let of: unknown = error; of instanceof Error; of = of.cause) {
    const { code, syscall } = of as NodeJS.ErrnoException;
    if (code !== undefined && syscall !== undefined) return of;
  }
  return undefined;
}
