/**
 * What a capture costs where nothing is written: CPU of the server and of `thinkback run`, requests, and
 * what the readings take that are made about every second.
 */
import { loadavg } from "node:os";
import { systemClock } from "../../src/clock.js";
import { parseAddress } from "../../src/rethinkdb/address.js";
import { dialer } from "../../src/rethinkdb/channel.js";
import { RethinkSource } from "../../src/rethinkdb/rethink-source.js";
import type { TableReference } from "../../src/rethinkdb/table-reference.js";
import { type DriverConnection, r, type Term } from "../server/driver.js";
import type { TestServer } from "../server/find-server.js";
import type { Bench } from "./bench.js";
import { median } from "./report.js";
import { pause, WatchedRun } from "./watched-run.js";

const tableCounts = [3, 300];
/** Of each table. */
export const documents = 20;
/** A server that has just made its tables is not idle. */
const restMs = 10_000;
const readings = 15;

export async function benchIdle(bench: Bench): Promise<void> {
  const { scratch, seconds } = bench;
  const server = await bench.server();
  const connection = await r.connect(server);
  try {
    for (const count of tableCounts) {
      const db = `idle${count}`;
      await makeTables(connection, db, count);
      const run = await WatchedRun.start(server, db, scratch);
      await pause(restMs);
      const cost = await costs(run, connection, seconds);
      const load = loadavg().map((value) => value.toFixed(1));
      await run.end();
      process.stdout.write(
        `idle, ${count} tables of ${documents} documents, ${seconds} s, load ${load.join(" ")}\n` +
          `  a second: server ${cost.server} ms of CPU, capture ${cost.capture} ms, ` +
          `${cost.requests} requests\n`,
      );
      await timeReadings(server, db);
    }
  } finally {
    await connection.close();
  }
}

/** Makes tables `t0`, `t1`, … of 20 documents in a new database. */
export async function makeTables(
  connection: DriverConnection,
  db: string,
  count: number,
): Promise<void> {
  await r.dbCreate(db).run(connection);
  for (let at = 0; at < count; at += 10) {
    const names = Array.from({ length: Math.min(10, count - at) }, (_, i) => `t${at + i}`);
    await Promise.all(names.map((name) => r.db(db).tableCreate(name).run(connection)));
    for (const name of names) {
      const rows = Array.from({ length: documents }, (_, id) => ({ id, text: `document ${id}` }));
      await r.db(db).table(name).insert(rows).run(connection, { durability: "soft" });
    }
  }
}

/** Per second, over so many of them. */
async function costs(run: WatchedRun, connection: DriverConnection, seconds: number) {
  const [cpu, requests] = [await run.cpu(), await requestsOf(connection)];
  await pause(seconds * 1000);
  const [cpuThen, requestsThen] = [await run.cpu(), await requestsOf(connection)];
  return {
    server: Math.round((1000 * (cpuThen.server - cpu.server)) / seconds),
    capture: Math.round((1000 * (cpuThen.capture - cpu.capture)) / seconds),
    requests: ((requestsThen - requests) / seconds).toFixed(1),
  };
}

/** Queries of all clients since the server began, as it counts them. */
async function requestsOf(connection: DriverConnection): Promise<number> {
  const counts = (await r
    .db("rethinkdb")
    .table("stats")
    .filter((row: Term) => row("id")(0).eq("server"))("query_engine")("queries_total")
    .coerceTo("array")
    .run(connection)) as number[];
  return counts.reduce((sum, of) => sum + of, 0);
}

async function timeReadings({ host, port }: TestServer, db: string): Promise<void> {
  const dial = dialer(parseAddress(`rethinkdb://${host}:${port}`), "source");
  const source = new RethinkSource("the benchmark's server", dial, systemClock);
  const tables: TableReference[] = [];
  const catalog = await timesOf(async () => {
    const { structure } = await source.readCatalog();
    tables.length = 0;
    for (const { key, value } of structure) {
      const table = value as { id: string; db: string; name: string; primary_key: string };
      if (key[0] !== "table" || table.db !== db) continue;
      tables.push({ id: table.id, db, name: table.name, primaryKey: table.primary_key });
    }
  });
  const survey = await timesOf(() => source.survey(tables));
  source.close();
  process.stdout.write(`  a survey: ${survey}\n  a reading of the catalog: ${catalog}\n\n`);
}

async function timesOf(work: () => Promise<unknown>): Promise<string> {
  const times: number[] = [];
  for (let i = 0; i < readings; i += 1) {
    const began = performance.now();
    await work();
    times.push(performance.now() - began);
  }
  const [least, most] = [Math.min(...times), Math.max(...times)];
  return `${median(times).toFixed(1)} ms (${least.toFixed(1)} to ${most.toFixed(1)})`;
}
