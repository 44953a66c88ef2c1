/**
 * Standard output when it fails: its reader has ended, or there is no room where it goes.
 *
 * What a command does besides printing goes on: a restore is not cut short because `head` has read enough. Its exit
 * status is its own. A command that only prints ends at once.
 */
import { messageOf, ThinkbackError } from "../errors.js";
import { reportError, type Streams } from "./output.js";

/** The commands that only print what is stored: without a reader there is nothing left for them to do. */
const onlyPrinting = new Set("catalog diff follow history points show status table".split(" "));

/** What is watched of a process. */
export interface WatchedProcess {
  stdout: NodeJS.EventEmitter & Streams["stdout"];
  stderr: NodeJS.EventEmitter & Streams["stderr"];
  on(event: "exit", listener: (status: number) => void): unknown;
  exit(status?: number): void;
  exitCode?: number | string | null | undefined;
}

/**
 * Sees to it that a write that fails ends no command in the middle, and that the exit status tells of it. A reader that
 * ends before the output does, such as `head`, is no failure.
 */
export function watchStandardOutput(command: string, json: boolean, of: WatchedProcess): void {
  let failure: NodeJS.ErrnoException | undefined;
  of.stdout.on("error", (error: NodeJS.ErrnoException) => {
    failure ??= error;
    if (onlyPrinting.has(command)) of.exit();
  });
  // There is no other place to tell of it. The exit status is the same.
  of.stderr.on("error", () => undefined);
  of.on("exit", (status) => {
    if (status !== 0 || !failure || failure.code === "EPIPE") return;
    of.exitCode = reportError(unprinted(failure), json, of);
  });
}

/** The error for output that was not written. */
export function unprinted(error: NodeJS.ErrnoException): ThinkbackError {
  const what = `standard output could not be written to: ${messageOf(error)}`;
  const cause = error;
  if (error.code === "ENOSPC" || error.code === "EDQUOT") {
    return new ThinkbackError("full", what, { hint: "make room where the output goes", cause });
  }
  if (error.code === "EPIPE") {
    return new ThinkbackError("incomplete", "the reader of standard output ended too early", {
      hint: "what it has read is a part; give the command again with a reader that reads to the end",
      cause,
    });
  }
  return new ThinkbackError("incomplete", what, {
    hint: "what was printed is a part; let the output go somewhere else",
    cause,
  });
}
