/** The servers that the cluster under torture is made of, each with a way to the others that may be cut. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestServer } from "../server/find-server.js";
import { Network, type NetworkServer, whyNoNetwork } from "../server/network.js";
import { findBinary, freePort, ServerProcess } from "../server/real-server.js";

export interface Member extends TestServer {
  /** As the cluster knows it. */
  readonly name: string;
  /** Undefined where the machine allows no networks of their own. */
  readonly network?: NetworkServer;
}

export interface Members {
  /** None of them runs yet. */
  readonly all: Member[];
  /** Why no way between them can be cut; undefined if it can. */
  readonly whyNotCut: string | undefined;
  close(): Promise<void>;
}

const names = ["first", "second", "third", "fourth", "fifth"];

/** Real servers with addresses of their own. @throws {Error} if there is no `rethinkdb` on the PATH */
export async function makeMembers(count: number): Promise<Members> {
  const version = await findBinary();
  if (version === undefined) throw new Error("there is no `rethinkdb` on the PATH");
  const whyNotCut = await whyNoNetwork();
  return whyNotCut === undefined
    ? inNetwork(names.slice(0, count), version)
    : { ...(await onLoopback(names.slice(0, count), version)), whyNotCut };
}

async function inNetwork(of: string[], version: string): Promise<Members> {
  const network = await Network.make();
  const all: Member[] = [];
  for (const name of of) {
    const server = await network.place(name);
    const { host, port } = server;
    all.push({
      kind: "real",
      version,
      host,
      port,
      name,
      network: server,
      stop: () => server.end("SIGKILL"),
      kill: async (signal) => {
        if (signal === "SIGSTOP" || signal === "SIGCONT") server.signal(signal);
        else await server.end(signal);
      },
      restart: async () => {
        await server.end("SIGTERM");
        await server.launch();
      },
    });
  }
  return { all, whyNotCut: undefined, close: () => network.close() };
}

async function onLoopback(of: string[], version: string): Promise<Omit<Members, "whyNotCut">> {
  const directory = await mkdtemp(join(tmpdir(), "thinkback-rethinkdb-"));
  const all: Member[] = [];
  let firstPort: number | undefined;
  for (const name of of) {
    const [port, clusterPort] = await Promise.all([freePort(), freePort()]);
    const joins = firstPort === undefined ? [] : ["--join", `127.0.0.1:${firstPort}`];
    firstPort ??= clusterPort;
    const more = ["--server-name", name, "--cache-size", "128", ...joins];
    const run = new ServerProcess(join(directory, name), port, clusterPort, more);
    all.push({
      kind: "real",
      version,
      host: "127.0.0.1",
      port,
      name,
      stop: () => run.end("SIGKILL"),
      kill: (signal) =>
        signal === "SIGSTOP" || signal === "SIGCONT" ? run.signal(signal) : run.end(signal),
      restart: async () => {
        await run.end("SIGTERM");
        await run.start();
      },
    });
  }
  const close = async () => {
    await Promise.all(all.map((member) => member.stop()));
    await rm(directory, { recursive: true, force: true });
  };
  return { all, close };
}
