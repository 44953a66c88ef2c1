/** Delivers to a command: the letter as JSON on its standard input, so that no other user sees it as an argument. */
import { spawn } from "node:child_process";
import type { Channel } from "./channel.js";
import type { Letter } from "./letter.js";

/** So much of what a command prints is repeated in an error. */
const printedMax = 500;

/** @param command as a shell takes it */
export function commandChannel(command: string): Channel {
  return { name: "command", deliver: (letter, signal) => give(command, letter, signal) };
}

function give(command: string, letter: Letter, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    // A process group of its own: what the shell has begun ends with it.
    const child = spawn("/bin/sh", ["-c", command], {
      env: withoutSecrets(process.env),
      stdio: ["pipe", "ignore", "pipe"],
      detached: true,
    });
    let printed = "";
    const end = () => {
      try {
        if (child.pid !== undefined) process.kill(-child.pid, "SIGKILL");
      } catch {
        // It has ended by itself.
      }
    };
    signal.addEventListener("abort", end, { once: true });
    if (signal.aborted) end();
    child.stderr.on("data", (bytes: Buffer) => {
      printed = (printed + bytes.toString()).slice(0, printedMax);
    });
    child.on("error", reject);
    child.on("close", (status, killedBy) => {
      signal.removeEventListener("abort", end);
      if (status === 0) resolve();
      else {
        const why = signal.aborted ? "did not end in time" : `ended with ${status ?? killedBy}`;
        reject(new Error(`the command ${why}${printed ? `: ${printed.trim()}` : ""}`));
      }
    });
    // A command may end without reading.
    child.stdin.on("error", () => undefined);
    child.stdin.end(`${JSON.stringify(letter)}\n`);
  });
}

/** Passwords and addresses of this process are none of the command's business. */
function withoutSecrets(environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(
    Object.entries(environment).filter(([name]) => !/^(THINKBACK|AWS|AZURE|GOOGLE)_/.test(name)),
  );
}
