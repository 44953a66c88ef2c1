/** A process that follows, and what it has printed. */
import { type Running, start } from "./cli.js";
import { type Stage, until } from "./stage.js";

export interface FollowLine {
  event: string;
  table?: string;
  detail?: string;
  instant?: string | null;
  behindMs?: number;
  changes?: number;
  inexact?: { table: string; reason: string }[];
  checked?: { table: string; documents: number; different: number; leftOut: number }[] | null;
  notCaptured?: string[];
  leftOut?: Record<string, number>;
}

export class Follow {
  readonly lines: FollowLine[] = [];
  private rest = "";

  private constructor(readonly running: Running) {
    running.process.stdout!.on("data", (bytes: Buffer) => {
      const texts = (this.rest + bytes.toString()).split("\n");
      this.rest = texts.pop()!;
      this.lines.push(...texts.map((text) => JSON.parse(text) as FollowLine));
    });
  }

  /** Follows on the server of a stage, which kills it at its end. */
  static begin(standby: Stage, repo: string, ...args: string[]): Follow {
    return Follow.beginIn({}, standby, repo, ...args);
  }

  /** The same, with more in its environment. `--target` takes the place of the stage's server. */
  static beginIn(
    env: Record<string, string>,
    standby: Stage,
    repo: string,
    ...args: string[]
  ): Follow {
    const target = args.includes("--target") ? [] : ["--target", standby.address];
    const to = ["--repo", repo, ...target, "--every", "200ms"];
    const follow = new Follow(start(["--json", "follow", ...to, ...args], env));
    standby.onClose(() => Promise.resolve(follow.running.process.kill("SIGKILL")));
    return follow;
  }

  /** What has happened to tables, such as "shop.orders made". */
  events(): string[] {
    return this.lines.filter(({ event }) => event !== "status").map(textOf);
  }

  async until(what: string, holds: () => boolean): Promise<void> {
    let ended: string | undefined;
    void this.running.finished.then(({ stderr }) => (ended = stderr));
    const told = () => `${this.events().join("; ")}; last: ${JSON.stringify(this.lines.at(-1))}`;
    await until(what, () => holds() || ended !== undefined, 45_000).catch((error: unknown) => {
      throw new Error(`${String(error)}: ${told()}`);
    });
    if (!holds()) throw new Error(`it has ended: ${ended}`);
  }

  async untilEvent(begin: string): Promise<void> {
    await this.until(begin, () => this.events().some((text) => text.startsWith(begin)));
  }

  /** Resolves when everything that was acknowledged before the call is on the standby. */
  async caughtUp(): Promise<void> {
    const now = Date.now() + 300;
    await this.until("it has caught up", () =>
      this.lines.some(({ instant }) => Date.parse(instant ?? "") > now),
    );
  }

  async kill(): Promise<void> {
    this.running.process.kill("SIGKILL");
    await this.running.finished;
  }
}

const textOf = ({ event, table, detail }: FollowLine) =>
  [table, event, detail].filter((one) => one !== undefined).join(" ");
