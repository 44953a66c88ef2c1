/** How a server of our own is run: the `rethinkdb` on the PATH, or where there is none, a container of Docker. */
import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { messageOf, ThinkbackError } from "../errors.js";
import type { ScratchUse } from "../scratch-database.js";

/** The official image, of the version that Thinkback is tested with. */
export const serverImage = "rethinkdb:2.4.4";

/** How long Docker may take to say its version; one that takes longer does not answer. */
const dockerMsMax = 10_000;

/** What runs a server. */
export type ScratchRunner = "rethinkdb" | "docker";

export interface ScratchPorts {
  driver: number;
  cluster: number;
  /** Of the web interface; undefined for none. */
  http: number | undefined;
}

export interface ScratchCommand {
  words: string[];
  /** The container that is to be removed in the end. */
  container: string | undefined;
}

/**
 * What can run a server here.
 * @throws {ThinkbackError} `usage` if nothing can
 */
export async function findRunner(use: ScratchUse): Promise<ScratchRunner> {
  if (await answers("rethinkdb", ["--version"])) return "rethinkdb";
  const reason = await whyNoDocker();
  if (reason === undefined) return "docker";
  throw new ThinkbackError(
    "usage",
    `no target is given, there is no \`rethinkdb\` on the PATH to start one, and ${reason}`,
    {
      hint: `give --target rethinkdb://user@host:28015, a server for the ${use}; or install rethinkdb or Docker here`,
    },
  );
}

/** Whether there is a program on the PATH. @throws {ThinkbackError} `target` if there is, and it fails */
async function answers(program: string, words: string[]): Promise<boolean> {
  try {
    await promisify(execFile)(program, words, { timeout: dockerMsMax });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return false;
    throw new ThinkbackError("target", `${program} ${words.join(" ")} fails: ${messageOf(error)}`);
  }
}

async function whyNoDocker(): Promise<string | undefined> {
  try {
    const isThere = await answers("docker", ["version", "--format", "{{.Server.Version}}"]);
    return isThere ? undefined : "no Docker";
  } catch (error) {
    return `Docker does not answer (${messageOf(error).trim().split("\n").at(-1)})`;
  }
}

/** @param directory holds `rethinkdb.conf`, and the data of a server that is no container */
export function commandOf(
  runner: ScratchRunner,
  directory: string,
  unique: string,
  { driver, cluster, http }: ScratchPorts,
): ScratchCommand {
  if (runner === "docker") return containerCommand(unique, driver, http);
  const web = http === undefined ? ["--no-http-admin"] : ["--http-port", String(http)];
  const words = [
    ["rethinkdb", "--config-file", join(directory, "rethinkdb.conf")],
    ["--directory", join(directory, "data")],
    ["--bind", "127.0.0.1", "--no-update-check"],
    ["--driver-port", String(driver), "--cluster-port", String(cluster)],
    web,
  ].flat();
  return { words, container: undefined };
}

/** Its configuration comes by standard input: an argument could be seen, and a mount must be on Docker's machine. */
const inContainer =
  "umask 077; cat >/tmp/rethinkdb.conf; " +
  'exec rethinkdb --config-file /tmp/rethinkdb.conf --directory /tmp/data --bind all --no-update-check "$@"';

function containerCommand(
  unique: string,
  driver: number,
  http: number | undefined,
): ScratchCommand {
  const container = `thinkback-${unique}`;
  const publish = (port: number, inner: number) => ["--publish", `127.0.0.1:${port}:${inner}`];
  const words = [
    ["docker", "run", "--rm", "--interactive", "--name", container],
    publish(driver, 28015),
    http === undefined ? [] : publish(http, 8080),
    [serverImage, "sh", "-c", inContainer, "rethinkdb"],
    http === undefined ? ["--no-http-admin"] : [],
  ].flat();
  return { words, container };
}
