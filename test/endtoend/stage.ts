/**
 * What a test of whole processes needs: a server, connections to it, a directory for repositories, and captures that
 * are ended with the test. The faults of the server are the same for a real process and for the simulated cluster.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type DriverConnection, r, type Term } from "../server/driver.js";
import { startServer, startSimulated, type TestServer } from "../server/find-server.js";
import {
  cliJson,
  type Finished,
  type Running,
  type StatusResult,
  start,
  untilStatus,
} from "./cli.js";

export type TableStatus = StatusResult["tables"][number];

export interface RestoreResult {
  at: string;
  databases: string[];
  notCaptured: string[];
  tables: { from: string; to: string; class: string; indexes: string[] }[];
  restored: { from: string; to: string; class: string; documents: number; matches: boolean }[];
}

/** How long after its acknowledgement a write may still be on its way to a feed. */
export const deliveryMs = 250;

export class Stage {
  private readonly captures = new Set<Running>();
  private beats: Promise<unknown> | undefined;
  private readonly closing: (() => Promise<unknown>)[] = [];

  private constructor(
    readonly server: TestServer,
    readonly directory: string,
    public connection: DriverConnection,
  ) {}

  /**
   * @param faults the test makes the server fail: a container, which cannot, is not taken
   * @param simulated the fault is one that cannot be forced on a real server in the time of a test
   * @param given a server that runs already; it is stopped with the stage
   */
  static async open(
    options: { faults?: boolean; simulated?: boolean; given?: TestServer } = {},
  ): Promise<Stage> {
    let server =
      options.given ?? (options.simulated ? await startSimulated() : await startServer());
    if (options.faults && server.kind === "docker") {
      await server.stop();
      server = await startSimulated();
    }
    const directory = await mkdtemp(join(tmpdir(), "thinkback-test-"));
    return new Stage(server, directory, await connectTo(server));
  }

  get address(): string {
    return `rethinkdb://${this.server.host}:${this.server.port}`;
  }

  repo(name: string): string {
    return join(this.directory, name);
  }

  /** One more connection to the server; the caller closes it. */
  connect(): Promise<DriverConnection> {
    return connectTo(this.server);
  }

  /** Something to undo when the stage closes; the last first. */
  onClose(undo: () => Promise<unknown>): void {
    this.closing.unshift(undo);
  }

  /**
   * What a query answers. A new name is not known to every thread of the server when it answers a rename; so a query that
   * meets an unknown name is asked again for five seconds.
   */
  async query<T = unknown>(term: Term): Promise<T> {
    for (let again = 0; ; again += 1) {
      try {
        return (await term.run(this.connection)) as T;
      } catch (error) {
        if (again === 100 || !String(error).includes("does not exist")) throw error;
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    }
  }

  /** Starts `thinkback run`; it is killed when the stage closes, if it still runs. */
  capture(repo: string, ...more: string[]): Running {
    return this.captureIn({}, repo, ...more);
  }

  /** The same, with more in its environment. */
  captureIn(env: Record<string, string>, repo: string, ...more: string[]): Running {
    // A one-shot backup refuses to begin without what it is to include.
    const beats = more.includes("--include") && !more.includes("--once");
    const pulse = beats ? ["--include", "pulse.*"] : [];
    const own = Object.entries({ "--source": this.address, "--repo": repo, "--tick": "200ms" });
    const unset = own.filter(([option]) => !more.includes(option)).flat();
    return this.start(["run", ...unset, ...pulse, ...more], env);
  }

  /** Starts a command; it is killed when the stage closes, if it still runs. */
  start(args: string[], env: Record<string, string> = {}): Running {
    const running = start(args, env);
    this.captures.add(running);
    void running.finished.then(() => this.captures.delete(running));
    return running;
  }

  /** Resolves when the named tables are captured completely, with everything acknowledged before this call. */
  untilExactNow(repo: string, ...names: string[]): Promise<StatusResult> {
    return this.untilExact(repo, Date.now() + deliveryMs, ...names);
  }

  /** The same for a given instant. A capture of a quiet cluster proves itself once a minute; so the cluster is not quiet. */
  async untilExact(repo: string, instant: number, ...names: string[]): Promise<StatusResult> {
    const beat = await this.beat();
    return untilStatus(
      repo,
      async (now) => {
        await this.query(beat.insert({ id: 1, at: r.now() }, { conflict: "replace" }));
        return names.every((name) => {
          const table = tableOf(now, name);
          return table?.state === "live" && Date.parse(table.lastRestorable ?? "") > instant;
        });
      },
      30_000,
    );
  }

  private async beat(): Promise<Term> {
    this.beats ??= this.query(r.dbCreate("pulse")).then(() =>
      this.query(r.db("pulse").tableCreate("beat")),
    );
    await this.beats;
    return r.db("pulse").table("beat");
  }

  /** One-shot backup. */
  async backUp(repo: string, ...more: string[]): Promise<Finished> {
    return this.capture(repo, "--once", ...more).finished;
  }

  /** Restores through the CLI; throws with its errors if it fails. */
  restore(repo: string, ...more: string[]): Promise<RestoreResult> {
    return cliJson<RestoreResult>(["restore", "--repo", repo, "--target", this.address, ...more]);
  }

  /** Documents of a table by key, both as the server's own JSON text. */
  async texts(db: string, table: string, key = "id"): Promise<Map<string, string>> {
    const rows = await this.query<[string, string][]>(
      r
        .db(db)
        .table(table)
        .map((document: Term) => [document(key).toJsonString(), document.toJsonString()])
        .coerceTo("array"),
    );
    return new Map(rows.sort(([a], [b]) => (a < b ? -1 : 1)));
  }

  async crashServer(downMs = 500): Promise<void> {
    const { cluster } = this.server;
    if (cluster) {
      cluster.restart({ loseUnflushed: true, downMs });
    } else {
      await this.server.kill("SIGKILL");
      await restartServer(this.server);
    }
    this.connection = await reconnect(this.server);
  }

  async pauseServer(): Promise<void> {
    if (this.server.cluster) this.server.cluster.pause();
    else await this.server.kill("SIGSTOP");
  }

  async resumeServer(): Promise<void> {
    if (this.server.cluster) this.server.cluster.resume();
    else await this.server.kill("SIGCONT");
  }

  async close(): Promise<void> {
    for (const undo of this.closing) await undo();
    const running = [...this.captures];
    for (const { process } of running) {
      process.kill("SIGCONT");
      process.kill("SIGKILL");
    }
    await Promise.all(running.map(({ finished }) => finished));
    await this.connection.close().catch(ignoreClosed);
    await this.server.stop();
    await rm(this.directory, { recursive: true, force: true });
  }
}

/** Ends a capture with SIGTERM. */
export function stop(running: Running): Promise<Finished> {
  running.process.kill("SIGTERM");
  return running.finished;
}

/** Ends a capture with SIGKILL. */
export function kill(running: Running): Promise<Finished> {
  running.process.kill("SIGKILL");
  return running.finished;
}

export function tableOf({ tables }: StatusResult, name: string): TableStatus | undefined {
  // One that is dropped may have had the name for a moment.
  const found = tables.filter((table) => table.name === name);
  return found.find(({ state }) => state !== "dropped") ?? found.at(-1);
}

/** Resolves as soon as `holds`; throws after `limitMs`. */
export async function until(
  what: string,
  holds: () => boolean | Promise<boolean>,
  limitMs = 30_000,
): Promise<void> {
  const deadline = performance.now() + limitMs;
  while (!(await holds())) {
    if (performance.now() > deadline) throw new Error(`waited ${limitMs} ms in vain until ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 30));
  }
}

/** Resolves when the clock has passed by so many milliseconds from what it was at the call. */
export async function nextInstant(ms = 1): Promise<number> {
  const now = Date.now();
  await until("the clock moved on", () => Date.now() >= now + ms, ms + 30_000);
  return Date.now();
}

export const iso = (instant: number) => new Date(instant).toISOString();

export async function connectTo(
  server: Pick<TestServer, "host" | "port">,
): Promise<DriverConnection> {
  const { host, port } = server;
  // A server that is down may take a connection and never answer; then the next try comes soon.
  const options = { host, port, timeout: 2 };
  const connection = await r.connect(options);
  connection.on("error", () => undefined);
  return connection;
}

/** A helper process of the server that was killed may hold the lock on its directory for a moment longer. */
export async function restartServer(server: TestServer): Promise<void> {
  await until("the server starts again", async () => {
    try {
      await server.restart();
      return true;
    } catch (error) {
      if (error instanceof Error && error.message.includes("already in use")) return false;
      throw error;
    }
  });
}

/** Connects to a server that comes back, and waits until its tables can be written. */
export async function reconnect(server: TestServer): Promise<DriverConnection> {
  let connection: DriverConnection | undefined;
  await until("the server is back", async () => {
    try {
      connection = await connectTo(server);
      for (const db of (await r.dbList().run(connection)) as string[]) {
        if (db !== "rethinkdb") await r.db(db).wait({ timeout: 5 }).run(connection);
      }
      return true;
    } catch (error) {
      if (error instanceof Error) return false;
      throw error;
    }
  });
  return connection!;
}

function ignoreClosed(error: unknown): void {
  if (!(error instanceof Error)) throw error;
}
