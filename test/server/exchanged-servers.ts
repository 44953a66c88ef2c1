/** Two servers that answer at one address by turns, each with data of its own: real ones where there are, else simulated. */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { Cluster } from "../simulated/cluster.js";
import { TcpListener } from "../simulated/tcp-listener.js";
import { type DriverConnection, r } from "./driver.js";
import { realServerKind } from "./find-server.js";
import { freePort, ServerProcess } from "./real-server.js";

export type Whose = "ours" | "stranger";

/** What of one of them runs at the address. */
interface Turn {
  end(): Promise<void>;
}

export class ExchangedServers {
  private running: Turn | undefined;

  private constructor(
    readonly port: number,
    private readonly start: (whose: Whose) => Promise<Turn>,
  ) {}

  /** Ours answers first. */
  static async make(directory: string): Promise<ExchangedServers> {
    const isReal = (await realServerKind()) === "real";
    const [port, clusterPort] = await Promise.all([freePort(), freePort()]);
    const clusters = { ours: new Cluster({ seed: 1 }), stranger: new Cluster({ seed: 2 }) };
    const startReal = async (whose: Whose): Promise<Turn> => {
      await mkdir(join(directory, whose), { recursive: true });
      const server = new ServerProcess(join(directory, whose), port, clusterPort, []);
      await server.start();
      return { end: () => server.end("SIGTERM") };
    };
    const startSimulated = async (whose: Whose): Promise<Turn> => {
      const listener = await TcpListener.listen(clusters[whose], port);
      return { end: () => listener.close() };
    };
    const servers = new ExchangedServers(port, isReal ? startReal : startSimulated);
    await servers.exchange("ours");
    return servers;
  }

  /** Ends the one that answers, and starts the other in its place. */
  async exchange(whose: Whose): Promise<void> {
    await this.running?.end();
    this.running = await this.start(whose);
  }

  async connect(): Promise<DriverConnection> {
    const connection = await r.connect({ host: "127.0.0.1", port: this.port });
    connection.on("error", () => undefined);
    return connection;
  }

  async stop(): Promise<void> {
    await this.running?.end();
  }
}
