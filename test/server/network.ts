/**
 * Servers in network namespaces of their own, so that the way between them can be cut while whoever is connected to one
 * of them stays connected. Each has two ways: one to the other servers, over a bridge, and one to its clients.
 */
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { type DriverConnection, r } from "./driver.js";
import { findBinary } from "./real-server.js";

const driverPort = 28015;
const clusterPort = 29015;
/** Three servers that start at once on a machine with two cores take some ten seconds. */
const startMsMax = 60_000;

export interface NetworkServer {
  /** Where clients reach it, also when it is cut off from the others. */
  readonly host: string;
  readonly port: number;
  readonly name: string;
  connect(): Promise<DriverConnection>;
  /** Sends its process a signal. */
  signal(signal: NodeJS.Signals): void;
  /** Ends its process, which may stand still; resolves when it is gone. */
  end(signal: "SIGKILL" | "SIGTERM"): Promise<void>;
  /** Starts it on the data that it has, if there are any; it must not run. */
  launch(): Promise<void>;
  /** When its process ended without being asked, and what it said last; undefined if it did not. */
  crash(): Crash | undefined;
  /** Cuts the way between it and the other servers: what was on the way is lost, and nobody is told. */
  cut(): Promise<void>;
  heal(): Promise<void>;
  /** Cuts the way between it and one other server; whoever reaches both goes on to. */
  cutFrom(other: NetworkServer): Promise<void>;
  healTo(other: NetworkServer): Promise<void>;
}

export interface Crash {
  at: number;
  output: string;
}

/** Why there can be no such servers here; undefined if there can. */
export async function whyNoNetwork(): Promise<string | undefined> {
  if ((await findBinary()) === undefined) return "there is no `rethinkdb` on the PATH";
  const network = await Network.make().catch((error: Error) => error);
  if (network instanceof Error) return `network namespaces cannot be made: ${network.message}`;
  await network.close();
  return undefined;
}

let networks = 0;

export class Network {
  private readonly undo: (() => Promise<unknown>)[] = [];
  private readonly ended: (() => Promise<unknown>)[] = [];
  private servers = 0;
  private readonly places = new Map<string, { space: string; peer: string }>();
  /** The addresses of all that ever ran. */
  private readonly launched: string[] = [];

  private constructor(
    private readonly directory: string,
    /** Begins the names of all that the system knows of it. */
    private readonly prefix: string,
    private readonly subnet: string,
  ) {}

  /** @throws {Error} where namespaces or bridges cannot be made: that needs root */
  static async make(): Promise<Network> {
    networks += 1;
    const directory = await mkdtemp(join(tmpdir(), "thinkback-network-"));
    const unique = (process.pid * 4 + networks) % 65_536;
    const subnet = `10.${128 + (unique >> 9)}.${(unique >> 1) & 255}`;
    const network = new Network(directory, `tb${unique.toString(36)}`, subnet);
    network.undo.push(() => rm(directory, { recursive: true, force: true }));
    try {
      await network.ip(`link add ${network.prefix}br type bridge`, `link del ${network.prefix}br`);
      await network.ip(`link set ${network.prefix}br up`);
    } catch (error) {
      await network.close();
      throw error;
    }
    return network;
  }

  /** Starts a server that joins those that were started before; or a proxy, which has no data. */
  async start(name: string, isProxy = false): Promise<NetworkServer> {
    const server = await this.place(name, isProxy);
    await server.launch();
    return server;
  }

  /** A server that has its addresses and does not run yet. */
  async place(name: string, isProxy = false): Promise<NetworkServer> {
    this.servers += 1;
    const number = this.servers;
    const { prefix, subnet } = this;
    const space = `${prefix}n${number}`;
    const [toPeers, toClients] = [`${prefix}p${number}`, `${prefix}c${number}`];
    const peer = `${subnet}.${number}`;
    const [client, host] = [1, 2].map((last) => `${subnet}.${128 + 4 * number + last}`) as [
      string,
      string,
    ];
    await this.ip(`netns add ${space}`, `netns del ${space}`);
    await this.ip(`-n ${space} link set lo up`);
    await this.ip(`link add ${toPeers} type veth peer name peers netns ${space}`);
    await this.ip(`link set ${toPeers} master ${prefix}br up`);
    await this.ip(`-n ${space} addr add ${peer}/25 dev peers`);
    await this.ip(`-n ${space} link set peers up`);
    await this.ip(`link add ${toClients} type veth peer name clients netns ${space}`);
    await this.ip(`addr add ${client}/30 dev ${toClients}`);
    await this.ip(`link set ${toClients} up`);
    await this.ip(`-n ${space} addr add ${host}/30 dev clients`);
    await this.ip(`-n ${space} link set clients up`);
    this.places.set(name, { space, peer });
    let child: ChildProcess | undefined;
    let crash: Crash | undefined;
    let isAsked = false;
    const endIt = (signal: "SIGKILL" | "SIGTERM") => {
      isAsked = true;
      return end(child, signal);
    };
    this.ended.push(() => endIt("SIGKILL"));
    return {
      host,
      port: driverPort,
      name,
      connect: () => connectTo(host),
      signal: (signal) => child?.kill(signal),
      end: endIt,
      launch: async () => {
        crash = undefined;
        isAsked = false;
        const started = await this.launch(space, name, peer, host, isProxy);
        child = started.child;
        child.once("exit", () => {
          if (!isAsked) crash = { at: Date.now(), output: started.output() };
        });
      },
      crash: () => crash,
      cut: () => this.ip(`link set ${toPeers} down`),
      heal: () => this.ip(`link set ${toPeers} up`),
      cutFrom: (other) => this.route(name, other.name, "add"),
      healTo: (other) => this.route(name, other.name, "del"),
    };
  }

  async close(): Promise<void> {
    await Promise.all(this.ended.map((end) => end()));
    for (const undo of this.undo.toReversed()) await undo();
  }

  private async route(one: string, other: string, change: "add" | "del"): Promise<void> {
    for (const [from, to] of [[one, other] as const, [other, one] as const]) {
      const { space } = this.places.get(from)!;
      await this.ip(`-n ${space} route ${change} blackhole ${this.places.get(to)!.peer}/32`);
    }
  }

  private async ip(command: string, undo?: string): Promise<void> {
    await promisify(execFile)("ip", command.split(" "));
    if (undo) this.undo.push(() => this.ip(undo));
  }

  private async launch(
    space: string,
    name: string,
    peer: string,
    host: string,
    isProxy: boolean,
  ): Promise<{ child: ChildProcess; output: () => string }> {
    const own = isProxy
      ? ["proxy"]
      : ["--directory", join(this.directory, name), "--server-name", name, "--cache-size", "128"];
    const others = this.launched.filter((other) => other !== peer);
    const joins = others.flatMap((other) => ["--join", `${other}:${clusterPort}`]);
    const args = [
      "netns",
      "exec",
      space,
      "rethinkdb",
      ...own,
      ...joins,
      "--bind-cluster",
      peer,
      "--bind-driver",
      host,
      "--canonical-address",
      peer,
      "--driver-port",
      `${driverPort}`,
      "--cluster-port",
      `${clusterPort}`,
      "--no-http-admin",
      "--no-update-check",
      ...(isProxy ? ["--log-file", join(this.directory, `${name}.log`)] : []),
    ];
    const child = spawn("ip", args, { stdio: ["ignore", "pipe", "pipe"] });
    let output = "";
    for (const stream of [child.stdout, child.stderr]) {
      stream.on("data", (text: Buffer) => {
        output = (output + text.toString()).slice(-12_000);
      });
    }
    const deadline = performance.now() + startMsMax;
    while (!(await answers(host))) {
      if (child.exitCode !== null || performance.now() > deadline) {
        await end(child, "SIGKILL");
        throw new Error(`the server ${name} did not start:\n${output}`);
      }
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    if (!this.launched.includes(peer)) this.launched.push(peer);
    return { child, output: () => output };
  }
}

async function end(child: ChildProcess | undefined, signal: "SIGKILL" | "SIGTERM"): Promise<void> {
  if (!child || child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, "exit");
  child.kill("SIGCONT");
  child.kill(signal);
  await exited;
}

async function connectTo(host: string): Promise<DriverConnection> {
  const options = { host, port: driverPort, timeout: 2 };
  const connection = await r.connect(options);
  connection.on("error", () => undefined);
  return connection;
}

async function answers(host: string): Promise<boolean> {
  try {
    const connection = await connectTo(host);
    await r.dbList().run(connection);
    await connection.close();
    return true;
  } catch (error) {
    if (error instanceof Error) return false;
    throw error;
  }
}
