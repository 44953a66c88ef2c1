/** How a command that changes live tables ends before its end, and how one gets back. */
import { withoutSecrets } from "../configuration/addresses.js";
import { ThinkbackError } from "../errors.js";
import type { TargetArguments } from "./connect.js";
import { shellWord } from "./output.js";

/** The error of a command that a signal has ended before it wrote anything; the error itself if it was no signal. */
export function stoppedIf(signal: AbortSignal, error: unknown): unknown {
  if (!signal.aborted || (error instanceof ThinkbackError && error.code === "incomplete"))
    return error;
  return new ThinkbackError("incomplete", "stopped: nothing was written", {
    hint: "give the same command again",
    cause: error,
  });
}

/** The command that takes an operation back. Secrets of addresses are left out. */
export function wayBackText(id: string, args: TargetArguments & { repo: string }): string {
  const { repo, target, targetFile, passwordFile } = args;
  const words = [
    "--operation",
    id,
    "--repo",
    withoutSecrets(repo),
    ...target.flatMap((url) => ["--target", withoutSecrets(url)]),
    ...(targetFile === undefined || target.length > 0 ? [] : ["--target-file", targetFile]),
    ...(passwordFile === undefined ? [] : ["--password-file", passwordFile]),
  ];
  return `thinkback undo ${words.map(shellWord).join(" ")}`;
}
