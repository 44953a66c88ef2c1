/** Commands of the command line that a service gives: each runs in a process of its own, at a low priority. */

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
  /** Secrets go here, and not into the arguments, which other users see. */
  environment?: Record<string, string>;
  onProgress?: (progress: CommandProgress) => void;
}

export interface Commands {
  /**
   * Runs a command on the repository that is served; `--repo`, keys and the configuration file are added.
   * @returns what it prints with --json
   * @throws {ThinkbackError} the error of the command
   */
  run(args: readonly string[], options: CommandOptions): Promise<object>;
}
