/**
 * Peak memory of a resync, a fold and a restore, of a table and of one ten times as large; each a process of its own, as
 * an operator starts it. A tenth of the documents changes between two captures, so that there is something to resync and
 * to fold.
 */
import { r } from "../server/driver.js";
import type { TestServer } from "../server/find-server.js";
import type { Bench } from "./bench.js";
import { scratchDirectory } from "./generated.js";
import { loadOrders } from "./orders.js";
import { peakOf } from "./peak.js";
import { report } from "./report.js";

export async function benchWorkMemory(bench: Bench): Promise<void> {
  const { documents, scratch } = bench;
  const server = await bench.server();
  const peaks = { resync: [] as number[], fold: [] as number[], restore: [] as number[] };
  for (const count of [documents, 10 * documents]) {
    const [resync, fold, restore] = await peaksOf(server, count, scratch);
    peaks.resync.push(resync);
    peaks.fold.push(fold);
    peaks.restore.push(restore);
  }
  for (const [what, [small, large]] of Object.entries(peaks)) {
    report(`peak memory of a ${what}, MiB`, [
      [`${documents} documents`, [small!]],
      [`${10 * documents} documents`, [large!]],
    ]);
  }
}

async function peaksOf(
  server: TestServer,
  count: number,
  scratch: string[],
): Promise<[number, number, number]> {
  const db = `memory${count}`;
  const address = `rethinkdb://${server.host}:${server.port}`;
  const repo = await scratchDirectory(scratch);
  const capture = ["run", "--once", "--source", address, "--repo", repo, "--include", `${db}.*`];
  const connection = await r.connect(server);
  try {
    await loadOrders(server, db, "orders", count);
    await peakOf([...capture, "--no-fold"]);
    const isTenth = (row: typeof r) => row("customer")("number").mod(10).eq(0);
    const table = r.db(db).table("orders");
    await table.filter(isTenth).update({ changed: true }).run(connection, { durability: "soft" });
    const resync = await peakOf([...capture, "--no-fold"]);
    const fold = await peakOf(["fold", "--repo", repo]);
    await r.dbDrop(db).run(connection);
    const restore = await peakOf(["restore", "--repo", repo, "--target", address, "--db", db]);
    await r.dbDrop(db).run(connection);
    return [resync, fold, restore];
  } finally {
    await connection.close();
  }
}
