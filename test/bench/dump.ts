/**
 * `thinkback run --once` and `thinkback restore` beside the official `rethinkdb dump` and `rethinkdb restore` of the same
 * documents: wall time of the processes, and bytes stored. The official tools are part of the Python driver; where they
 * are not found, the case says so.
 */
import { execFile } from "node:child_process";
import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { cli } from "../endtoend/cli.js";
import { r } from "../server/driver.js";
import type { TestServer } from "../server/find-server.js";
import type { Bench } from "./bench.js";
import { type DataSet, orders, packages } from "./data.js";
import { scratchDirectory } from "./generated.js";
import { inTurn, report } from "./report.js";

const run = promisify(execFile);
const db = "dump";

interface Backup {
  path: string;
  seconds: number;
}

/** A program that backs up the database, and restores it. */
interface Tool {
  backUp(): Promise<Backup>;
  /** Restores the last backup into a server without the database; gives the seconds. */
  restore(): Promise<number>;
}

export async function benchDump(bench: Bench): Promise<void> {
  const { documents, rounds, scratch } = bench;
  const [dump, restore] = [await findOfficial("dump"), await findOfficial("restore")];
  if (!dump || !restore) {
    process.stdout.write(
      "full backup: neither rethinkdb-dump and rethinkdb-restore nor Python's module rethinkdb was found\n\n",
    );
    return;
  }
  const server = await bench.server();
  for (const set of [orders(documents), await packages(documents)]) {
    if (!set) continue;
    const tools = [official(server, scratch, dump, restore), thinkback(server, scratch)];
    await compare(server, set, rounds, tools);
  }
}

async function compare(
  server: TestServer,
  set: DataSet,
  rounds: number,
  tools: Tool[],
): Promise<void> {
  const names = ["official, in Python", "thinkback"];
  const series = (of: number[][]) => names.map((name, i): [string, number[]] => [name, of[i]!]);
  await load(server, set);
  const backUps = await inTurn(
    rounds,
    tools.map((tool) => () => tool.backUp()),
  );
  report(
    `full backup of ${set.name}, seconds`,
    series(backUps.map((of) => of.map(({ seconds }) => seconds))),
  );
  const bytes = await Promise.all(backUps.map((of) => bytesOf(of.at(-1)!.path)));
  report(`full backup of ${set.name}, bytes stored`, series(bytes.map((one) => [one])));
  const restores = await inTurn(
    rounds,
    tools.map((tool) => async () => {
      await drop(server);
      return tool.restore();
    }),
  );
  report(`restore of ${set.name}, seconds`, series(restores));
  await drop(server);
}

function official(
  { host, port }: TestServer,
  scratch: string[],
  dump: string[],
  restore: string[],
): Tool {
  const call = ([program, ...args]: string[], more: string[]) =>
    seconds(() => run(program!, [...args, "-c", `${host}:${port}`, ...more]));
  let path = "";
  return {
    backUp: async () => {
      path = join(await scratchDirectory(scratch), "dump.tar.gz");
      return { path, seconds: await call(dump, ["-e", db, "-f", path]) };
    },
    restore: () => call(restore, [path]),
  };
}

function thinkback({ host, port }: TestServer, scratch: string[]): Tool {
  const address = `rethinkdb://${host}:${port}`;
  const call = (args: string[]) =>
    seconds(async () => {
      const { status, stderr } = await cli(args);
      if (status !== 0) throw new Error(stderr);
    });
  let path = "";
  return {
    backUp: async () => {
      path = await scratchDirectory(scratch);
      const args = ["--source", address, "--repo", path, "--include", `${db}.*`, "--no-fold"];
      return { path, seconds: await call(["run", "--once", ...args]) };
    },
    restore: () => call(["restore", "--repo", path, "--target", address, "--db", db]),
  };
}

async function seconds(work: () => Promise<unknown>): Promise<number> {
  const began = performance.now();
  await work();
  return (performance.now() - began) / 1000;
}

async function load(server: TestServer, { rows }: DataSet): Promise<void> {
  const connection = await r.connect(server);
  try {
    await r.dbCreate(db).run(connection);
    await r.db(db).tableCreate("documents").run(connection);
    for (let at = 0; at < rows.length; at += 1000) {
      const texts = rows.slice(at, at + 1000).map(({ text }) => text.toString());
      const insert = r
        .db(db)
        .table("documents")
        .insert(r.json(`[${texts.join(",")}]`));
      await insert.run(connection, { durability: "soft" });
    }
    await r.db(db).table("documents").sync().run(connection);
  } finally {
    await connection.close();
  }
}

async function drop(server: TestServer): Promise<void> {
  const connection = await r.connect(server);
  try {
    const databases = (await r.dbList().run(connection)) as string[];
    if (databases.includes(db)) await r.dbDrop(db).run(connection);
  } finally {
    await connection.close();
  }
}

async function findOfficial(name: "dump" | "restore"): Promise<string[] | undefined> {
  const succeeds = (program: string, args: string[]) =>
    run(program, args).then(
      () => true,
      () => false,
    );
  if (await succeeds("sh", ["-c", `command -v rethinkdb-${name}`])) return [`rethinkdb-${name}`];
  const hasDriver = await succeeds("python3", ["-c", "import rethinkdb"]);
  return hasDriver ? ["python3", "-m", "rethinkdb", name] : undefined;
}

/** Of a file, or of all files in a directory. */
async function bytesOf(path: string): Promise<number> {
  const found = await stat(path);
  if (!found.isDirectory()) return found.size;
  let bytes = 0;
  for (const name of await readdir(path)) bytes += await bytesOf(join(path, name));
  return bytes;
}
