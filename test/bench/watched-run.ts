/** `thinkback run` as a process, and what it and its server take of the processor. */
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { type Running, type StatusResult, start, status } from "../endtoend/cli.js";
import type { TestServer } from "../server/find-server.js";
import { readProcess } from "../soak/process-stat.js";
import { scratchDirectory } from "./generated.js";

export class WatchedRun {
  private constructor(
    private readonly running: Running,
    readonly repo: string,
    private readonly server: TestServer,
    private readonly db: string,
  ) {}

  /** Resolves when all of the database's tables are captured. */
  static async start(server: TestServer, db: string, scratch: string[]): Promise<WatchedRun> {
    const repo = join(await scratchDirectory(scratch), "repository");
    const source = `rethinkdb://${server.host}:${server.port}`;
    const args = ["run", "--source", source, "--repo", repo, "--include", `${db}.*`];
    const run = new WatchedRun(start([...args, "--no-fold"]), repo, server, db);
    while (!(await run.isLive())) await pause(500);
    return run;
  }

  private async isLive(): Promise<boolean> {
    if (!/"state":/.test(this.running.stderr())) return false;
    const tables = this.ofDatabase(await status(this.repo));
    return tables.length > 0 && tables.every(({ state }) => state === "live");
  }

  /** What the repository says of the tables that are captured, and not of those of other databases. */
  ofDatabase({ tables }: StatusResult): StatusResult["tables"] {
    return tables.filter(({ name }) => name.startsWith(`${this.db}.`));
  }

  /** Seconds of CPU so far: of the capture, and of its server; the latter is 0 where it is no process of its own. */
  async cpu(): Promise<{ capture: number; server: number }> {
    const capture = await readProcess(this.running.process.pid!);
    return {
      capture: capture.cpuSeconds + capture.childCpuSeconds,
      server: await cpuOfServer(this.server),
    };
  }

  /** Ends it; resolves with what its repository says. */
  async end(): Promise<StatusResult> {
    this.running.process.kill("SIGTERM");
    const { status: code, stderr } = await this.running.finished;
    if (code !== 0) throw new Error(`thinkback run ended with ${code}: ${stderr.slice(-1500)}`);
    return status(this.repo);
  }
}

/** Seconds of CPU of a server so far; 0 where it is no process of its own. */
export async function cpuOfServer({ port }: TestServer): Promise<number> {
  const servers = await Promise.all((await serverPids(port)).map(readProcess));
  return servers.reduce((sum, { cpuSeconds }) => sum + cpuSeconds, 0);
}

/** Linux only: the server's process, and those that it has forked. */
async function serverPids(port: number): Promise<number[]> {
  const pids: number[] = [];
  for (const name of await readdir("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    // It may have ended meanwhile.
    const line = await readFile(`/proc/${name}/cmdline`, "utf8").catch(() => "");
    const [program, ...args] = line.split("\0");
    if (program?.endsWith("rethinkdb") && args.includes(String(port))) pids.push(Number(name));
  }
  return pids;
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
