/** The servers of the cluster under torture: the stage's, and those that join it. */
import { reconnect, restartServer, type Stage, until } from "../endtoend/stage.js";
import { type DriverConnection, r, type Term } from "../server/driver.js";
import type { TestServer } from "../server/find-server.js";
import { startBinary } from "../server/real-server.js";
import { db, pause } from "./table.js";

export class Servers {
  readonly all: TestServer[];

  constructor(private readonly stage: Stage) {
    this.all = [stage.server];
    stage.onClose(() => Promise.all(this.all.slice(1).map((server) => server.stop())));
  }

  get count(): number {
    return this.all.length;
  }

  /** One more; real servers only. */
  async join(): Promise<void> {
    const ports = system("server_status")("network")("cluster_port").coerceTo("array");
    const [port] = (await ports.run(this.stage.connection)) as number[];
    this.all.push(await startBinary(["--join", `127.0.0.1:${port}`]));
    await until("the server has joined", async () => (await this.names()).size === this.count);
  }

  connect(random: () => number): Promise<DriverConnection> {
    return connectTo(this.all[Math.floor(random() * this.count)]!);
  }

  /** The names that the cluster has for its servers, by their ports. */
  async names(): Promise<Map<number, string>> {
    const rows = (await system("server_status")
      .map((row: Term) => [row("network")("reql_port"), row("name")])
      .coerceTo("array")
      .run(this.stage.connection)) as [number, string][];
    return new Map(rows);
  }

  async kill(at: number, downMs: number): Promise<void> {
    const server = this.all[at]!;
    if (server === this.stage.server && this.count === 1) {
      await this.stage.crashServer();
    } else {
      await server.kill("SIGKILL");
      await pause(downMs);
      await restartServer(server);
      if (server === this.stage.server) this.stage.connection = await reconnect(server);
    }
    await this.ready();
  }

  async freeze(at: number, ms: number): Promise<void> {
    const server = this.all[at]!;
    if (server === this.stage.server) await this.stage.pauseServer();
    else await server.kill("SIGSTOP");
    await pause(ms);
    if (server === this.stage.server) await this.stage.resumeServer();
    else await server.kill("SIGCONT");
    await this.ready();
  }

  /** Puts a table's one shard on servers of these names; the first of them is its primary. */
  async place(table: Term, names: string[]): Promise<void> {
    const shard = { primary_replica: names[0], replicas: names, nonvoting_replicas: [] };
    await table
      .config()
      .update({ shards: [shard] })
      .run(this.stage.connection);
    await this.ready();
  }

  /** Resolves when every replica of every table is there. */
  async ready(): Promise<void> {
    const waitFor = this.count > 1 ? "all_replicas_ready" : "ready_for_writes";
    const isReady = async () => {
      try {
        await r.db(db).wait({ timeout: 20, waitFor }).run(this.stage.connection);
        return true;
      } catch (error) {
        if (error instanceof Error) return false;
        throw error;
      }
    };
    const limitMs = 120_000;
    await until("the tables are ready", isReady, limitMs);
  }
}

async function connectTo({ host, port }: TestServer): Promise<DriverConnection> {
  // A server that stands still takes a connection and does not answer.
  const options = { host, port, timeout: 3 };
  const connection = await r.connect(options);
  connection.on("error", () => undefined);
  return connection;
}

function system(table: string): Term {
  return r.db("rethinkdb").table(table);
}
