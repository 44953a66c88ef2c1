/** Commands of the command line that a service gives: each runs in a process of its own, at a low priority. */
import { ThinkbackError } from "./errors.js";

/** What a command tells while it runs. */
export interface CommandProgress {
  /** What is done, of 1; null if that is not known. */
  share: number | null;
  /** What it does now, for people. */
  text: string;
}

export interface CommandOptions {
  /** Stops the command as Ctrl-C does, and rejects with its reason. */
  signal: AbortSignal;
  /** Asks the command to end as Ctrl-C does. It is waited for, and its own result or error counts. */
  stop?: AbortSignal;
  /** Secrets go here, and not into the arguments, which other users see. */
  environment?: Record<string, string>;
  /** With one of these two the command ends when this process does. */
  onProgress?: (progress: CommandProgress) => void;
  /**
   * Told, before the last step of a restore or a promote, what that step will make. The step is taken when this has
   * resolved; if it rejects, the command is stopped.
   */
  onEnding?: (ending: object) => Promise<void>;
  /** What an earlier run has told so: the command does nothing if that was made. */
  endingBefore?: object | undefined;
  /** At most so much is printed; more stops the command, and rejects with the code `full`. */
  printedBytesMax?: number;
}

export interface Commands {
  /**
   * Runs a command on the repository that is served; `--repo`, keys and the configuration file are added. What stands
   * behind "--" is never taken for an option.
   * @returns what it prints with --json
   * @throws {ThinkbackError} the error of the command; a CommandFailed if it has printed a result too
   */
  run(args: readonly string[], options: CommandOptions): Promise<object>;
}

/** Commands whose results can be had as they were printed. */
export interface PrintedCommands extends Commands {
  /** The same as the text that it prints: the documents in it are as they were stored, byte for byte. */
  print(args: readonly string[], options: CommandOptions): Promise<Buffer>;
}

/** The error of a command that has printed a result besides, such as what was done before it was stopped. */
export class CommandFailed extends ThinkbackError {
  constructor(
    { code, message, hint }: ThinkbackError,
    readonly result: object,
  ) {
    super(code, message, hint === undefined ? {} : { hint });
  }
}
