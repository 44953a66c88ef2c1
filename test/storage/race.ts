/** A race of processes for names: of all that put one name, exactly one may succeed. For any kind of store. */
import { type ChildProcess, spawn } from "node:child_process";
import { join } from "node:path";
import { storeAt } from "../../src/storage/store-at.js";

export interface RaceOutcome {
  /** For each name the numbers of the processes that were told that they put it. */
  winners: number[][];
  /** The names under which something else is stored than what the first of its winners has put. */
  foreign: string[];
}

/** As race-writer.mjs has them. */
const nameOfRound = (round: number) => `race/${round}`;
const bytesOfWriter = (writer: number, round: number) =>
  Buffer.from(`writer ${writer} in round ${round}\n`.repeat(50));

/**
 * Lets processes put the same names at the same time.
 * @param location of a new, empty place, which the processes reach with the environment of this one
 */
export async function race(
  location: string,
  { processes, names }: { processes: number; names: number },
): Promise<RaceOutcome> {
  const runners = Array.from({ length: processes }, (_, i) => new Runner(location, i, names));
  try {
    await Promise.all(runners.map((runner) => runner.line()));
    const at = Date.now() + 200;
    for (const runner of runners) runner.begin(at);
    const lines = await Promise.all(runners.map((runner) => runner.line()));
    return judged(
      location,
      lines.map((line) => JSON.parse(line) as number[]),
      names,
    );
  } finally {
    for (const runner of runners) runner.end();
  }
}

async function judged(location: string, won: number[][], names: number): Promise<RaceOutcome> {
  const store = storeAt(location);
  const outcome: RaceOutcome = { winners: Array.from({ length: names }, () => []), foreign: [] };
  for (const [writer, rounds] of won.entries()) {
    for (const round of rounds) outcome.winners[round]!.push(writer);
  }
  for (const [round, [first]] of outcome.winners.entries()) {
    const name = nameOfRound(round);
    const isTheirs =
      first !== undefined && (await store.get(name)).equals(bytesOfWriter(first, round));
    if (!isTheirs) outcome.foreign.push(name);
  }
  return outcome;
}

/** A process of the race. */
class Runner {
  private readonly child: ChildProcess;
  private readonly lines: string[] = [];
  private wanted: ((line: string) => void) | undefined;
  private failed: ((error: Error) => void) | undefined;
  private failure: Error | undefined;

  constructor(location: string, writer: number, names: number) {
    const script = join(import.meta.dirname, "race-writer.mjs");
    const args = [script, location, String(writer), String(names)];
    this.child = spawn(process.execPath, args, { stdio: ["pipe", "pipe", "pipe"] });
    let output = "";
    let errors = "";
    this.child.stdout!.on("data", (chunk: Buffer) => {
      output += chunk.toString();
      for (let end = output.indexOf("\n"); end !== -1; end = output.indexOf("\n")) {
        this.lines.push(output.slice(0, end));
        output = output.slice(end + 1);
      }
      if (this.wanted && this.lines.length > 0) this.wanted(this.lines.shift()!);
    });
    this.child.stderr!.on("data", (chunk: Buffer) => {
      errors += chunk.toString();
    });
    this.child.once("close", (code) => {
      this.failure = new Error(`writer ${writer} ended with ${code}: ${errors}`);
      this.failed?.(this.failure);
    });
  }

  /** The next line that it prints. Rejects if it ends without one. */
  line(): Promise<string> {
    const line = this.lines.shift();
    if (line !== undefined) return Promise.resolve(line);
    if (this.failure) return Promise.reject(this.failure);
    return new Promise((resolve, reject) => {
      this.wanted = resolve;
      this.failed = reject;
    });
  }

  /** @param at when to put the first name, ms since the Unix epoch */
  begin(at: number): void {
    this.child.stdin!.write(`${at}\n`);
  }

  end(): void {
    this.child.kill();
  }
}
