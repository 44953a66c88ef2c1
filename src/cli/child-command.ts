/** Runs a command of this command line in a process of its own. */
import { type ChildProcess, spawn } from "node:child_process";
import { setPriority } from "node:os";
import { fileURLToPath } from "node:url";
import { systemClock } from "../clock.js";
import { CommandFailed, type CommandOptions, type PrintedCommands } from "../commands.js";
import { type ErrorCode, exitStatus, ThinkbackError } from "../errors.js";
import type { KeyArguments } from "./keyed.js";
import { type Answer, beatMs, endingVariable, type Told } from "./tell-progress.js";

/** Gives a lower priority than the capture has. */
const niceness = 10;

const program = fileURLToPath(new URL("./main.js", import.meta.url));

/** Commands on the repository that this process was given, with its keys and its configuration file. */
export function commandsOn(
  args: KeyArguments & { repo: string; config?: string },
  copies: readonly string[],
): PrintedCommands {
  const print: PrintedCommands["print"] = (command, options) => {
    const environment = { ...configIn(args), ...options.environment };
    // Copies are of interest for themselves only there; the others read the repository that is served.
    const repos = command[0] === "status" ? [args.repo, ...copies] : [args.repo];
    const named = repos.flatMap((repo) => ["--repo", repo]);
    const whole = withOptions(command, [...named, ...keysOf(args)]);
    return printed(whole, { ...options, environment });
  };
  return { print, run: async (command, options) => resultIn(await print(command, options)) };
}

/** The arguments with these options, which count only before "--". */
function withOptions(args: readonly string[], options: readonly string[]): string[] {
  const end = args.indexOf("--");
  return end === -1 ? [...args, ...options] : args.toSpliced(end, 0, ...options);
}

const resultIn = (bytes: Buffer) => JSON.parse(bytes.toString()) as object;

/** The keys of a process: names of files, and no secrets. */
export function keysOf({ identity = [], trust = [] }: KeyArguments): string[] {
  return [
    ...identity.flatMap((file) => ["--identity", file]),
    ...trust.flatMap((key) => ["--trust", key]),
  ];
}

/** The file that a process was configured by, wherever it was named. */
export function configIn({ config }: { config?: string }): Record<string, string> {
  return config === undefined ? {} : { THINKBACK_CONFIG: config };
}

/**
 * Runs a command in a process of its own, at a low priority. Resolves with its result; rejects with the error that it
 * printed. What the two tell each other, see tell-progress.ts.
 */
export const runChild = async (args: readonly string[], options: CommandOptions): Promise<object> =>
  resultIn(await printed(args, options));

/** So much of what a command notes and of its error is kept. */
const notedCharactersMax = 1_000_000;

function printed(args: readonly string[], options: CommandOptions): Promise<Buffer> {
  const { signal, stop, environment, endingBefore, printedBytesMax } = options;
  const isTold = options.onProgress !== undefined || options.onEnding !== undefined;
  const before = endingBefore ? { [endingVariable]: JSON.stringify(endingBefore) } : {};
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [program, ...withOptions(args, ["--json"])], {
      env: { ...process.env, ...environment, ...before },
      stdio: ["ignore", "pipe", "pipe", ...(isTold ? ["ipc" as const] : [])],
      signal,
    });
    const ended = new AbortController();
    const end = () => void child.kill("SIGTERM");
    if (stop?.aborted) end();
    else stop?.addEventListener("abort", end, { once: true, signal: ended.signal });
    if (isTold) {
      listenTo(child, options);
      void sayThere(child, ended.signal);
    }
    const parts: Buffer[] = [];
    let bytes = 0;
    let stderr = "";
    child.stdout!.on("data", (part: Buffer) => {
      bytes += part.length;
      if (printedBytesMax === undefined || bytes <= printedBytesMax) parts.push(part);
      else {
        reject(tooMuch(printedBytesMax));
        end();
      }
    });
    child.stderr!.on("data", (text: Buffer) => {
      stderr = (stderr + text.toString()).slice(-notedCharactersMax);
    });
    child.on("error", reject);
    child.on("close", (code, killedBy) => {
      ended.abort(new Error("the command has ended"));
      const stdout = Buffer.concat(parts);
      if (code === 0) resolve(stdout);
      else reject(failed(stdout.toString(), stderr, `it ended with ${code ?? killedBy}`));
    });
    if (child.pid !== undefined) lowerPriority(child.pid);
  });
}

function listenTo(child: ChildProcess, { onProgress, onEnding }: CommandOptions): void {
  child.on("message", (told: Told) => {
    if ("progress" in told) onProgress?.(told.progress);
    else {
      (onEnding?.(told.ending) ?? Promise.resolve()).then(
        () => say(child, "go on"),
        () => child.kill("SIGTERM"),
      );
    }
  });
}

async function sayThere(child: ChildProcess, ended: AbortSignal): Promise<void> {
  while (!ended.aborted) {
    say(child, "there");
    await systemClock.sleep(beatMs, ended).catch(() => undefined);
  }
}

function say(child: ChildProcess, answer: Answer): void {
  if (child.connected) child.send(answer, () => undefined);
}

function failed(stdout: string, stderr: string, otherwise: string): Error {
  const error = errorIn(stderr, otherwise);
  if (!(error instanceof ThinkbackError) || stdout.trim() === "") return error;
  try {
    return new CommandFailed(error, JSON.parse(stdout) as object);
  } catch {
    // The result was cut off.
    return error;
  }
}

const tooMuch = (bytesMax: number) =>
  new ThinkbackError("full", `the result has more than ${bytesMax} bytes`, {
    hint: "ask for less: a shorter stretch, or fewer documents; or take the command line",
  });

/**
 * The error that a command printed as JSON after its notes. If it printed none, an error with all that it did print.
 */
export function errorIn(stderr: string, otherwise: string): Error {
  const text = stderr.trim();
  try {
    const last = text.slice(text.lastIndexOf("\n") + 1);
    const { error } = JSON.parse(last) as {
      error: { code: ErrorCode; message: string; hint?: string };
    };
    const { code, message, hint } = error;
    if (code in exitStatus)
      return new ThinkbackError(code, message, hint === undefined ? {} : { hint });
  } catch {
    // The command ended before it could print an error.
  }
  return new Error(text || otherwise);
}

function lowerPriority(pid: number): void {
  try {
    setPriority(pid, niceness);
  } catch {
    // The system does not permit it, or the process has ended: then its priority stays as it is.
  }
}
