/**
 * A full backup, `thinkback run --once`, beside the official `rethinkdb dump` of the same database: wall time of the
 * processes, and bytes stored. `rethinkdb-dump` is part of the Python driver; without it on the PATH the case says so.
 */
import { execFile } from "node:child_process";
import { readdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { cli } from "../endtoend/cli.js";
import type { Bench } from "./bench.js";
import { scratchDirectory } from "./generated.js";
import { loadOrders } from "./orders.js";
import { inTurn, report } from "./report.js";

const run = promisify(execFile);

interface Backup {
  seconds: number;
  bytes: number;
}

export async function benchDump(bench: Bench): Promise<void> {
  const { documents, rounds, scratch } = bench;
  const dump = await findDump();
  if (!dump) {
    process.stdout.write(
      "full backup: neither rethinkdb-dump nor `python3 -m rethinkdb dump` was found, so nothing is compared\n\n",
    );
    return;
  }
  const server = await bench.server();
  await loadOrders(server, "dump", "orders", documents);
  const [official, ours] = await inTurn(rounds, [
    async (): Promise<Backup> => {
      const file = join(await scratchDirectory(scratch), "dump.tar.gz");
      const [program, ...args] = dump;
      const address = `${server.host}:${server.port}`;
      return measured(file, async () => {
        await run(program!, [...args, "-c", address, "-e", "dump", "-f", file]);
      });
    },
    async (): Promise<Backup> => {
      const repo = await scratchDirectory(scratch);
      const source = `rethinkdb://${server.host}:${server.port}`;
      return measured(repo, async () => {
        const args = ["run", "--once", "--source", source, "--repo", repo, "--include", "dump.*"];
        const { status, stderr } = await cli(args);
        if (status !== 0) throw new Error(stderr);
      });
    },
  ]);
  for (const [of, title] of [
    ["seconds", "seconds of wall time"],
    ["bytes", "bytes stored"],
  ] as const) {
    report(`full backup of ${documents} orders, ${title}`, [
      ["rethinkdb dump", official!.map((one) => one[of])],
      ["thinkback run --once", ours!.map((one) => one[of])],
    ]);
  }
}

async function findDump(): Promise<string[] | undefined> {
  const succeeds = (program: string, args: string[]) =>
    run(program, args).then(
      () => true,
      () => false,
    );
  if (await succeeds("sh", ["-c", "command -v rethinkdb-dump"])) return ["rethinkdb-dump"];
  const hasDriver = await succeeds("python3", ["-c", "import rethinkdb"]);
  return hasDriver ? ["python3", "-m", "rethinkdb", "dump"] : undefined;
}

async function measured(path: string, work: () => Promise<void>): Promise<Backup> {
  const began = performance.now();
  await work();
  const seconds = (performance.now() - began) / 1000;
  const bytes = await bytesOf(path);
  await rm(path, { recursive: true, force: true });
  return { seconds, bytes };
}

/** Of a file, or of all files in a directory. */
async function bytesOf(path: string): Promise<number> {
  const found = await stat(path);
  if (!found.isDirectory()) return found.size;
  let bytes = 0;
  for (const name of await readdir(path)) bytes += await bytesOf(join(path, name));
  return bytes;
}
