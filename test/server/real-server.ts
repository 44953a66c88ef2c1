import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import type { AddressInfo } from "node:net";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import type { TestServer } from "./find-server.js";
import { RawClient } from "./raw-client.js";

const START_TIMEOUT_MS = 60_000;
const RETRY_MS = 50;

/** The version of the `rethinkdb` on the PATH; undefined where there is none. */
export async function findBinary(): Promise<string | undefined> {
  try {
    const { stdout } = await promisify(execFile)("rethinkdb", ["--version"]);
    return /rethinkdb (\d+\.\d+\.\d+)/.exec(stdout)?.[1];
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw error;
  }
}

/**
 * Starts `rethinkdb` with a data directory of its own on free ports of the loopback interface.
 * @param isUp whether it can be used, where that cannot be asked in the clear
 */
export async function startBinary(
  args: readonly string[] = [],
  isUp: (port: number) => Promise<boolean> = answers,
): Promise<TestServer> {
  const version = await findBinary();
  if (version === undefined) throw new Error("there is no `rethinkdb` on the PATH");
  const directory = await mkdtemp(join(tmpdir(), "thinkback-rethinkdb-"));
  const [port, clusterPort] = await Promise.all([freePort(), freePort()]);
  const run = new ServerProcess(directory, port, clusterPort, args, isUp);
  await run.start();
  return {
    kind: "real",
    version,
    host: "127.0.0.1",
    port,
    stop: async () => {
      await run.end("SIGKILL");
      await rm(directory, { recursive: true, force: true });
    },
    kill: (signal) =>
      signal === "SIGSTOP" || signal === "SIGCONT" ? run.signal(signal) : run.end(signal),
    restart: async () => {
      await run.end("SIGTERM");
      await run.start();
    },
  };
}

/** A `rethinkdb` on a data directory and ports of its own; it can be ended and started again. */
export class ServerProcess {
  readonly #arguments: string[];
  readonly #port: number;
  #process: ChildProcess | undefined;
  #output = "";

  constructor(
    directory: string,
    port: number,
    clusterPort: number,
    more: readonly string[],
    private readonly isUp = answers,
  ) {
    this.#port = port;
    this.#arguments = [
      ["--directory", join(directory, "data")],
      ["--driver-port", String(port)],
      ["--cluster-port", String(clusterPort)],
      ["--bind", "127.0.0.1"],
      ["--no-http-admin", "--no-update-check"],
      more,
    ].flat();
  }

  async start(): Promise<void> {
    const child = spawn("rethinkdb", this.#arguments, { stdio: ["ignore", "pipe", "pipe"] });
    this.#process = child;
    this.#output = "";
    for (const stream of [child.stdout, child.stderr]) {
      stream?.on("data", (text: Buffer) => {
        this.#output = (this.#output + text.toString("utf8")).slice(-4000);
      });
    }
    const deadline = Date.now() + START_TIMEOUT_MS;
    while (!(await this.isUp(this.#port))) {
      if (child.exitCode !== null || Date.now() > deadline) {
        throw new Error(`rethinkdb did not start:\n${this.#output}`);
      }
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
  }

  signal(signal: NodeJS.Signals): Promise<void> {
    if (!this.#process?.kill(signal)) return Promise.reject(new Error("rethinkdb does not run"));
    return Promise.resolve();
  }

  async end(signal: "SIGKILL" | "SIGTERM"): Promise<void> {
    const child = this.#process;
    this.#process = undefined;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, "exit");
    child.kill("SIGCONT");
    child.kill(signal);
    await exited;
  }
}

/** Whether a server shakes hands on the port and answers a query that needs its metadata. */
async function answers(port: number): Promise<boolean> {
  try {
    const client = await RawClient.connect({ host: "127.0.0.1", port });
    const listDatabases = [59, []];
    const response = await client.query(listDatabases);
    client.close();
    return response.startsWith('{"t":1');
  } catch (error) {
    if (error instanceof Error) return false;
    throw error;
  }
}

export async function freePort(): Promise<number> {
  const server = createServer();
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}
