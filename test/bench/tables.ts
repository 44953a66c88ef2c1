/**
 * Many tables of 20 documents: how long until all are live at first, and again after `kill -9` with a quarter of an hour's
 * segments that nobody folded; then what they cost while nothing is written. `--tables 300` says how many there are.
 */
import { join } from "node:path";
import { DirectoryStore } from "../../src/storage/directory-store.js";
import { type Running, start } from "../endtoend/cli.js";
import { namesIn } from "../repository/recording.js";
import { type DriverConnection, r } from "../server/driver.js";
import type { TestServer } from "../server/find-server.js";
import { readProcess } from "../soak/process-stat.js";
import type { Bench } from "./bench.js";
import { scratchDirectory } from "./generated.js";
import { documents, makeTables } from "./idle.js";
import { cpuOfServer, pause } from "./watched-run.js";

/** As many segments as a quarter of an hour has of a second each, made sooner by shorter ticks. */
const segments = 900;
const tickMs = 50;
const restMs = 10_000;
const idleSeconds = 60;
const waitMsMax = 900_000;

export async function benchTables(bench: Bench): Promise<void> {
  const { scratch, tables } = bench;
  const server = await bench.server();
  const connection = await r.connect(server);
  const db = `many${tables}`;
  try {
    await makeTables(connection, db, tables);
    await pause(restMs);
    const repo = join(await scratchDirectory(scratch), "repository");
    await untilKilled(server, connection, db, repo, tables);
    await againAndIdle(server, db, repo, tables);
  } finally {
    await dropAndClose(connection, db);
  }
}

async function dropAndClose(connection: DriverConnection, db: string): Promise<void> {
  try {
    await r.dbDrop(db).run(connection);
  } finally {
    await connection.close();
  }
}

/** The first opening of all tables; then writes, and `kill -9`. */
async function untilKilled(
  server: TestServer,
  connection: DriverConnection,
  db: string,
  repo: string,
  tables: number,
): Promise<void> {
  const running = begin(server, db, repo, `${tickMs}ms`);
  try {
    const first = await secondsUntilLive(running, tables);
    process.stdout.write(`${tables} tables of ${documents} documents: live after ${first} s\n`);
    await writeFor(connection, db, tables, segments * tickMs);
  } finally {
    await kill(running);
  }
}

/** The second opening; then what the tables cost while nothing is written. */
async function againAndIdle(
  server: TestServer,
  db: string,
  repo: string,
  tables: number,
): Promise<void> {
  const running = begin(server, db, repo, "1s");
  try {
    const again = await secondsUntilLive(running, tables);
    const count = (await namesIn(new DirectoryStore(repo), "log/")).length;
    process.stdout.write(`  after kill -9, with ${count} segments in the log: ${again} s\n`);
    await pause(restMs);
    process.stdout.write(`  ${await idleCost(running, server, repo)}\n\n`);
    running.process.kill("SIGTERM");
    await running.finished;
  } finally {
    await kill(running);
  }
}

function begin({ host, port }: TestServer, db: string, repo: string, tick: string): Running {
  const source = `rethinkdb://${host}:${port}`;
  const args = ["run", "--source", source, "--repo", repo, "--include", `${db}.*`, "--no-fold"];
  return start([...args, "--tick", tick]);
}

async function kill(running: Running): Promise<void> {
  running.process.kill("SIGKILL");
  await running.finished;
}

async function secondsUntilLive(running: Running, tables: number): Promise<string> {
  const began = performance.now();
  while (liveIn(running.stderr()).size < tables) {
    if (running.process.exitCode !== null || performance.now() - began > waitMsMax) {
      throw new Error(`thinkback run did not get there: ${running.stderr().slice(-1500)}`);
    }
    await pause(50);
  }
  return ((performance.now() - began) / 1000).toFixed(1);
}

/** Ids of the tables that became live, by the log of a run. */
function liveIn(log: string): Set<string> {
  return new Set([...log.matchAll(/"id":"([^"]+)","state":"live"/g)].map(([, id]) => id!));
}

/** Changes a document of one table after the other. */
async function writeFor(
  connection: DriverConnection,
  db: string,
  tables: number,
  ms: number,
): Promise<void> {
  const end = performance.now() + ms;
  for (let write = 0; performance.now() < end; write += 1) {
    const table = r.db(db).table(`t${write % tables}`);
    await table
      .get(write % documents)
      .update({ write })
      .run(connection, { durability: "soft" });
    await pause(10);
  }
}

async function idleCost(running: Running, server: TestServer, repo: string): Promise<string> {
  const pid = running.process.pid!;
  const store = new DirectoryStore(repo);
  const before = {
    ...(await readProcess(pid)),
    server: await cpuOfServer(server),
    objects: (await namesIn(store)).length,
  };
  await pause(idleSeconds * 1000);
  const after = {
    ...(await readProcess(pid)),
    server: await cpuOfServer(server),
    objects: (await namesIn(store)).length,
  };
  const perSecond = (seconds: number) => Math.round((1000 * seconds) / idleSeconds);
  return (
    `idle for ${idleSeconds} s: ms of CPU a second: server ${perSecond(after.server - before.server)}, ` +
    `capture ${perSecond(after.cpuSeconds - before.cpuSeconds)}; ${Math.round(after.rss / 2 ** 20)} MiB resident, ` +
    `${after.handles} files and sockets; ${after.objects - before.objects} objects put`
  );
}
