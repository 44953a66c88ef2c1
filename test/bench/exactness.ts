/**
 * How much of ordinary life is exact: changes at an even rate, captured by `thinkback run` as a process of its own, and
 * then the share of instants of each class, as the repository says. `--seconds 240` sets how long each load goes on.
 */
import { loadavg } from "node:os";
import type { Interval } from "../endtoend/cli.js";
import { r } from "../server/driver.js";
import type { Bench } from "./bench.js";
import { loadOrders, orderKey } from "./orders.js";
import { writeSteadily } from "./steady-writer.js";
import { WatchedRun } from "./watched-run.js";

/** After the first and before the last writes: beginning and end are not ordinary life. */
const edgeMs = 5000;

interface Server {
  host: string;
  port: number;
}

/** Writes for so many seconds; resolves with how many changes it made. */
type Load = (server: Server, seconds: number) => Promise<number>;

export async function benchExactness(bench: Bench): Promise<void> {
  await share(bench, "one table of 100,000 documents, 1,000 changes/s", {
    tables: [{ name: "orders", documents: 100_000 }],
    db: "one",
    load: (server, seconds) =>
      writeSteadily(server, { ...rate(1000, 50), ...at("one", "orders", 100_000), seconds }),
  });
  const names = Array.from({ length: 10 }, (_, i) => `orders${i}`);
  await share(bench, "ten tables of 10,000 documents, 100 changes/s each", {
    tables: names.map((name) => ({ name, documents: 10_000 })),
    db: "ten",
    load: async (server, seconds) => {
      const loads = names.map((name) =>
        writeSteadily(server, { ...rate(100, 50), ...at("ten", name, 10_000), seconds }),
      );
      return (await Promise.all(loads)).reduce((sum, written) => sum + written, 0);
    },
  });
  await share(bench, "one table of 3 documents, as fast as one connection", {
    tables: [{ name: "orders", documents: 3 }],
    db: "hot",
    load: writeHot,
  });
}

function rate(changesPerSecond: number, writesPerSecond: number) {
  return { changesPerSecond, writesPerSecond };
}

function at(db: string, table: string, documents: number) {
  return { db, table, documents };
}

/** One update after the other. */
async function writeHot(server: Server, seconds: number): Promise<number> {
  const connection = await r.connect(server);
  const end = performance.now() + seconds * 1000;
  let written = 0;
  while (performance.now() < end) {
    const term = r
      .db("hot")
      .table("orders")
      .get(orderKey(written % 3));
    await term.update({ written }).run(connection, { durability: "soft" });
    written += 1;
  }
  await connection.close();
  return written;
}

async function share(
  bench: Bench,
  title: string,
  of: { db: string; tables: { name: string; documents: number }[]; load: Load },
): Promise<void> {
  const { scratch, seconds } = bench;
  const server = await bench.server();
  for (const { name, documents } of of.tables) await loadOrders(server, of.db, name, documents);
  const run = await WatchedRun.start(server, of.db, scratch);
  const before = await run.cpu();
  const from = Date.now() + edgeMs;
  const written = await of.load(server, seconds);
  const to = Date.now() - edgeMs;
  const after = await run.cpu();
  const load = loadavg().map((value) => value.toFixed(1));
  const status = await run.end();
  const { catalog } = status;
  const perSecond = (cpu: number) => ((1000 * cpu) / seconds).toFixed(0);
  process.stdout.write(
    `${title}: ${Math.round(written / seconds)} changes/s for ${seconds} s, load ${load.join(" ")}\n` +
      `  ms of CPU a second: server ${perSecond(after.server - before.server)}, ` +
      `capture ${perSecond(after.capture - before.capture)}\n`,
  );
  for (const { name, intervals } of run.ofDatabase(status)) printShares(name, intervals, from, to);
  if (catalog) printShares("catalog", catalog.intervals, from, to);
  process.stdout.write("\n");
}

/** Shares of the instants between two; and how late what is late may be. */
function printShares(name: string, intervals: Interval[], from: number, to: number): void {
  const shares = new Map<string, number>();
  const late: number[] = [];
  for (const { from: begin, to: end, class: of, lateMs } of intervals) {
    const ms = Math.min(to, Date.parse(end)) - Math.max(from, Date.parse(begin)) + 1;
    if (ms <= 0) continue;
    shares.set(of, (shares.get(of) ?? 0) + ms);
    if (lateMs !== undefined) late.push(lateMs);
  }
  const texts = [...shares].map(
    ([of, ms]) => `${of} ${((100 * ms) / (to - from + 1)).toFixed(2)} %`,
  );
  const lateText =
    late.length > 0 ? `; ${late.length} late spans, by at most ${Math.max(...late)} ms` : "";
  process.stdout.write(`  ${name}: ${texts.join(", ")}${lateText}\n`);
}
