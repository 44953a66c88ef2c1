/** The server that a test runs against: a real one where there is one, else the simulated one. */
import { Cluster } from "../simulated/cluster.js";
import { TcpListener } from "../simulated/tcp-listener.js";
import { dockerDaemonAnswers, startContainer } from "./docker-server.js";
import { findBinary, startBinary } from "./real-server.js";

export type ServerKind = "real" | "docker" | "simulated";

export interface TestServer {
  readonly kind: ServerKind;
  /** As the server itself names it, e.g. `2.4.4`. */
  readonly version: string;
  readonly host: string;
  readonly port: number;
  /** The simulated cluster, with its faults; undefined for the others. */
  readonly cluster?: Cluster;
  /** Ends the server and removes what it stored. */
  stop(): Promise<void>;
  /** Sends a signal to the server's process. SIGKILL and SIGTERM resolve when it is gone. @throws {Error} unless real */
  kill(signal: "SIGKILL" | "SIGTERM" | "SIGSTOP" | "SIGCONT"): Promise<void>;
  /** Starts it again on the same data and port, ending it first if it still runs. @throws {Error} unless real */
  restart(): Promise<void>;
}

export interface StartOptions {
  /** Of the simulated server. */
  readonly seed?: number;
  /** More arguments for the real server. */
  readonly args?: readonly string[];
}

let said = false;

/**
 * Starts a server: a `rethinkdb` on the PATH, else a container where Docker answers, else the simulated one. The
 * environment variable THINKBACK_TEST_SERVER (`real`, `docker` or `simulated`) forces one.
 * Prints once per process which it is.
 */
export async function startServer(options: StartOptions = {}): Promise<TestServer> {
  const server = await startKind(await chooseKind(), options);
  if (!said) {
    said = true;
    console.log(`test server: ${server.kind} (rethinkdb ${server.version})`);
  }
  return server;
}

/** Whether a real server, as a process or in a container, can be started here. */
export async function realServerKind(): Promise<"real" | "docker" | undefined> {
  const kind = await chooseKind();
  return kind === "simulated" ? undefined : kind;
}

async function startKind(kind: ServerKind, options: StartOptions): Promise<TestServer> {
  if (kind === "real") return startBinary(options.args);
  return kind === "docker" ? startContainer() : startSimulated(options);
}

/** The simulated server on a free port of the loopback interface. */
export async function startSimulated(options: StartOptions = {}): Promise<TestServer> {
  const cluster = new Cluster({ seed: options.seed ?? 1 });
  const listener = await TcpListener.listen(cluster);
  const refuse = (what: string) =>
    Promise.reject(
      new Error(`${what} needs a real server; this is the simulated one, use its cluster`),
    );
  return {
    kind: "simulated",
    version: "2.4.4",
    host: "127.0.0.1",
    port: listener.port,
    cluster,
    stop: () => listener.close(),
    kill: () => refuse("kill"),
    restart: () => refuse("restart"),
  };
}

async function chooseKind(): Promise<ServerKind> {
  const forced = process.env["THINKBACK_TEST_SERVER"];
  if (forced === "real" || forced === "docker" || forced === "simulated") return forced;
  if (forced !== undefined) {
    throw new Error(`THINKBACK_TEST_SERVER is ${forced}, not real, docker or simulated`);
  }
  if (await findBinary()) return "real";
  return (await dockerDaemonAnswers()) ? "docker" : "simulated";
}
