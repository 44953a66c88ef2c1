/** `thinkback run` as a process, of which each line that it logs is kept or counted. */
import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const program = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));

/** A line of the process about itself, every ten seconds. */
export interface OwnMeasures {
  eventLoopDelayMs: { median: number; p99: number; max: number };
  heapUsed: number;
  external: number;
  arrayBuffers: number;
}

/** What a round of maintenance said of itself. */
export interface Round {
  at: string;
  reason: string;
  bases: number;
  seconds: number;
  deleted: { objects: number; bytes: number };
}

export class WatchedCapture {
  readonly rounds: Round[] = [];
  /** Warnings and errors, and what was not a line of the log. */
  readonly warnings: string[] = [];
  measured: OwnMeasures | undefined;
  readonly ended: Promise<number | string | null>;
  private readonly process: ChildProcess;
  private readonly states = new Map<string, string>();

  constructor(args: string[]) {
    this.process = spawn(process.execPath, [program, "run", "--log-level", "debug", ...args], {
      stdio: ["ignore", "ignore", "pipe"],
    });
    createInterface({ input: this.process.stderr! }).on("line", (line) => this.note(line));
    this.ended = new Promise((resolve) => {
      this.process.on("close", (code, signal) => resolve(code ?? signal));
    });
  }

  get pid(): number {
    return this.process.pid!;
  }

  liveTables(): number {
    return [...this.states.values()].filter((state) => state === "live").length;
  }

  end(signal: "SIGTERM" | "SIGKILL"): Promise<number | string | null> {
    this.process.kill(signal);
    return this.ended;
  }

  private note(text: string): void {
    const line = parsed(text);
    if (line["msg"] === "own measures") this.measured = line as unknown as OwnMeasures;
    if (line["msg"] === "the repository was maintained") this.rounds.push(line as unknown as Round);
    if (typeof line["state"] === "string") this.states.set(String(line["table"]), line["state"]);
    if (!(Number(line["level"]) < 40)) this.warnings.push(text);
  }
}

function parsed(text: string): Record<string, unknown> {
  try {
    return JSON.parse(text) as Record<string, unknown>;
  } catch (error) {
    if (error instanceof SyntaxError) return {};
    throw error;
  }
}
