/**
 * Compares tables one after the other, because each comparison reads a whole table. It can be stopped at any time, and
 * what was found until then stays.
 */
import { ask, Problem } from "../app/ask.js";
import { Shared } from "../app/store.js";
import { type Difference, readDifference } from "../parts/difference-answer.js";

/** Which other state will do where an instant is not exact. */
export type Inexact = "" | "before" | "after" | "any";

export interface Comparing {
  /** An absolute time, or `before:NAME`. */
  at: string;
  /** The later instant; undefined: the newest one that is exact. Of no meaning beside live tables. */
  to: string | undefined;
  isLive: boolean;
  inexact: Inexact;
}

export interface Row {
  table: string;
  state: "waiting" | "running" | "done" | "failed" | "stopped";
  diff?: Difference;
  error?: Problem;
  /** At most so many documents were asked for. */
  limit: number;
  /** When it was compared, by the clock of this browser. */
  atMs?: number;
}

/** So many documents are asked for at first, and so many when somebody wants more. */
export const firstDocuments = 100;
export const documentsMax = 1000;
/** Fewer are asked for if so many are too large together. */
const fewer = [documentsMax, firstDocuments, 10, 0];

export class Comparison {
  readonly rows: Shared<readonly Row[]>;
  readonly isRunning = new Shared(false);
  private over = new AbortController();

  constructor(
    readonly comparing: Comparing,
    tables: readonly string[],
  ) {
    this.rows = new Shared<readonly Row[]>(
      tables.map((table) => ({ table, state: "waiting", limit: firstDocuments })),
    );
  }

  async run(): Promise<void> {
    await this.each(this.rows.value.map(({ table }) => table));
  }

  /** Compares one table again, and asks for this many documents. */
  async again(table: string, limit = firstDocuments): Promise<void> {
    this.put(table, { limit });
    await this.each([table]);
  }

  stop(): void {
    this.over.abort();
  }

  private async each(tables: readonly string[]): Promise<void> {
    this.over = new AbortController();
    const { signal } = this.over;
    this.isRunning.set(true);
    for (const table of tables) {
      if (signal.aborted) this.put(table, { state: "stopped" });
      else await this.compare(table, signal);
    }
    this.isRunning.set(false);
  }

  private async compare(table: string, signal: AbortSignal): Promise<void> {
    this.put(table, { state: "running" });
    const { limit } = this.rows.value.find((row) => row.table === table)!;
    for (const most of fewer.filter((count) => count <= limit)) {
      try {
        const diff = await this.ask(table, most, signal);
        this.put(table, { state: "done", diff, error: undefined, limit: most, atMs: Date.now() });
        return;
      } catch (error) {
        if (signal.aborted) {
          this.put(table, { state: "stopped" });
          return;
        }
        const problem = error instanceof Problem ? error : new Problem(0, "defect", String(error));
        if (problem.code === "full" && most > 0) continue;
        this.put(table, { state: "failed", error: problem });
        return;
      }
    }
  }

  private ask(table: string, limit: number, signal: AbortSignal): Promise<Difference> {
    const { at, to, isLive, inexact } = this.comparing;
    const body = {
      limit: String(limit),
      ...(isLive ? { at, live: "true" } : { from: at, ...(to === undefined ? {} : { to }) }),
      ...(inexact === "before" || inexact === "after" ? { gap: inexact } : {}),
      ...(inexact === "any" ? { allowInexact: "true" } : {}),
    };
    const path = `/v1/tables/${encodeURIComponent(table)}/diff`;
    return ask<Difference>(path, { method: "POST", body, signal, read: readDifference });
  }

  private put(table: string, change: { [K in keyof Row]?: Row[K] | undefined }): void {
    this.rows.set(
      this.rows.value.map((row) => (row.table === table ? ({ ...row, ...change } as Row) : row)),
    );
  }
}

/** The same comparison as a command. Where things are is not known here: what stands for it is in capitals. */
export function diffCommand(table: string, { at, to, isLive, inexact }: Comparing): string {
  const word = (text: string) =>
    /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
  const instants = isLive
    ? [`--at=${at}`, "--live"]
    : [`--from=${at}`, ...(to === undefined ? [] : [`--to=${to}`])];
  const more = inexact === "any" ? ["--allow-inexact"] : inexact === "" ? [] : [`--gap=${inexact}`];
  const where = ["--repo=REPO", ...(isLive ? ["--target=URL"] : [])];
  return ["thinkback", "diff", table, ...instants, ...more, ...where].map(word).join(" ");
}

/** What is wrong, by its code alone: the server's own words are hidden from who may not read documents. */
const wordsByCode: Partial<Record<string, string>> = {
  instant: "This instant is not exact for the table, so it is not compared.",
  damaged: "What is stored of this instant is damaged.",
  unknown: "There was no such table at this instant.",
  target: "There is no such live table, or it is another one than then.",
  "too-slow": "The table is too large to be compared here.",
};

export function problemText(error: Problem, seesContents: boolean): string {
  return (seesContents ? undefined : wordsByCode[error.code]) ?? error.message;
}
