/**
 * A server of our own, started for as long as it is needed: in a temporary directory, on free ports of the loopback
 * interface, with a random password; without a web interface, which asks for none, unless it is wanted.
 *
 * Invariant: neither the server nor its directory outlives this process. So a shell runs the server. When the shell's
 * standard input ends, as it does even if this process is killed, the shell kills the server, removes its container, if
 * it has one, and the directory.
 * Break it and every drill or preview that is cut short leaves a server with a copy of the data behind.
 */
import { type ChildProcessByStdio, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Readable, Writable } from "node:stream";
import type { Clock } from "../clock.js";
import { clearAfter, ThinkbackError } from "../errors.js";
import type { ScratchUse } from "../scratch-database.js";
import type { Address } from "./address.js";
import { dialer } from "./channel.js";
import { Connection } from "./connection.js";
import { r } from "./reql.js";
import { commandOf, type ScratchCommand, type ScratchRunner } from "./scratch-command.js";

/** How long a server may take to answer its first query; longer is a failure. Docker may have to load the image. */
const startMsMax: Record<ScratchRunner, number> = { rethinkdb: 60_000, docker: 600_000 };
const retryMs = 100;
/** How many of the last characters that the server prints are kept, to be shown in an error. */
const outputCharsMax = 4000;

/** The shell itself prints nothing: once this process is gone, printing would end the shell. */
const guard = `
directory=$1; container=$2; shift 2
exec 3<&0
"$@" <"$directory/rethinkdb.conf" 3<&- &
server=$!
exec >/dev/null 2>&1
{ read -r end; kill -KILL $server; } <&3 &
waiting=$!
wait $server
kill $waiting
[ -z "$container" ] || docker rm --force --volumes "$container"
rm -rf "$directory"
`;

export interface ScratchOptions {
  use: ScratchUse;
  runner: ScratchRunner;
  /** Serve the web interface too. Whoever reaches its port may read and write everything, without a password. */
  http: boolean;
}

export class ScratchServer {
  private constructor(
    readonly address: Address,
    /** Where the web interface is; undefined if there is none. */
    readonly httpPort: number | undefined,
    private readonly shell: Shell,
  ) {}

  /**
   * Starts a server and resolves when it answers.
   * @param signal ends the waiting; then nothing is left behind
   */
  static async start(
    clock: Clock,
    signal: AbortSignal,
    { use, http, runner }: ScratchOptions = { use: "drill", http: false, runner: "rethinkdb" },
  ): Promise<ScratchServer> {
    const directory = await mkdtemp(join(tmpdir(), `thinkback-${use}-`));
    let server: ScratchServer | undefined;
    try {
      const [driver, cluster, web] = await Promise.all([freePort(), freePort(), freePort()]);
      const httpPort = http ? web : undefined;
      const password = randomBytes(24).toString("hex");
      // In a file, because other users of the machine can see command lines.
      const configFile = join(directory, "rethinkdb.conf");
      await writeFile(configFile, `initial-password=${password}\n`, { mode: 0o600 });
      const address = { host: "127.0.0.1", port: driver, user: "admin", password };
      const ports = { driver, cluster, http: httpPort };
      const unique = `${use}-${randomBytes(6).toString("hex")}`;
      const shell = new Shell(directory, commandOf(runner, directory, unique, ports));
      server = new ScratchServer(address, httpPort, shell);
      await server.untilItAnswers(clock, signal, use, startMsMax[runner]);
      return server;
    } catch (error) {
      const remove = () => rm(directory, { recursive: true, force: true });
      await clearAfter(error, async () => server?.stop(), remove);
      throw error;
    }
  }

  /** Kills the server; resolves when its directory is gone too. */
  stop(): Promise<void> {
    return this.shell.end();
  }

  /** Resolves when the server has ended, by itself too, and nothing of it is left. */
  get ended(): Promise<void> {
    return this.shell.ended;
  }

  /** The last that it has printed. */
  get lastOutput(): string {
    return this.shell.output.trim();
  }

  private async untilItAnswers(
    clock: Clock,
    signal: AbortSignal,
    use: ScratchUse,
    msMax: number,
  ): Promise<void> {
    const deadline = clock.monotonicMs() + msMax;
    for (;;) {
      const error = await this.refusal();
      if (!error) return;
      if (this.shell.hasEnded || clock.monotonicMs() > deadline) {
        const output = this.shell.output.trim();
        throw new ThinkbackError(
          /no space left/i.test(output) ? "full" : "target",
          `the ${use}'s own RethinkDB server did not start: ${output || error.message}`,
          { hint: `name a server for the ${use} with --target`, cause: error },
        );
      }
      await clock.sleep(retryMs, signal);
    }
  }

  /** Why the server does not answer a query; undefined if it does. */
  private async refusal(): Promise<Error | undefined> {
    try {
      const connection = new Connection(await dialer(this.address, "target")());
      try {
        await connection.rows(r.dbList());
      } finally {
        connection.close();
      }
      return undefined;
    } catch (error) {
      return error as Error;
    }
  }
}

/** The shell that runs the server, and ends it. */
class Shell {
  hasEnded = false;
  /** The last characters that the server has printed. */
  output = "";
  private readonly process: ChildProcessByStdio<Writable, Readable, Readable>;
  readonly ended: Promise<void>;

  constructor(directory: string, { words, container = "" }: ScratchCommand) {
    // In a process group of its own: a terminal sends its Ctrl-C to the whole group, and we end the server ourselves.
    this.process = spawn("sh", ["-c", guard, "thinkback-scratch", directory, container, ...words], {
      detached: true,
      stdio: ["pipe", "pipe", "pipe"],
    });
    const { stdin, stdout, stderr } = this.process;
    for (const stream of [stdout, stderr]) stream.on("data", (text: Buffer) => this.note(text));
    // Closing the input of a shell that has ended may fail.
    stdin.on("error", () => undefined);
    this.ended = new Promise((resolve) => {
      const end = () => {
        this.hasEnded = true;
        resolve();
      };
      this.process.once("exit", end);
      this.process.once("error", (error) => {
        this.note(Buffer.from(error.message));
        end();
      });
    });
  }

  /** Resolves when server and directory are gone. */
  async end(): Promise<void> {
    this.process.stdin.end();
    await this.ended;
  }

  private note(text: Buffer): void {
    this.output = (this.output + text.toString("utf8")).slice(-outputCharsMax);
  }
}

async function freePort(): Promise<number> {
  const server = createServer();
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}
