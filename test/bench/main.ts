/**
 * `npm run bench`: each case beside its bare limit, in turn, in one run; medians and their ratio are printed.
 * Nothing is asserted about time: machines are noisy.
 */
import { rm } from "node:fs/promises";
import { type DriverConnection, r } from "../server/driver.js";
import { startServer, type TestServer } from "../server/find-server.js";
import type { Place } from "./capture.js";
import { bareWalk, firstCopy } from "./first-copy.js";
import { peakMemory } from "./memory.js";
import { load } from "./orders.js";
import { alternate, type Run, report } from "./report.js";
import { bareFeed, captureFeed, driverFeed, provoker } from "./steady.js";

const documents = Number(process.env.THINKBACK_BENCH_DOCUMENTS ?? 200_000);
const rounds = Number(process.env.THINKBACK_BENCH_ROUNDS ?? 5);
/** As many as the server queues for a feed, so that none of the readers can lose one. */
const changes = Math.min(documents, 100_000);

async function main(): Promise<void> {
  const server = await startServer();
  const connection = await r.connect(server);
  const scratch: string[] = [];
  try {
    const bytes = await load(connection, "large", "orders", documents);
    process.stdout.write(`${documents} orders of ${Math.round(bytes / documents)} bytes\n\n`);
    await benchFirstCopy({ ...server, db: "large", table: "orders" }, scratch);
    await load(connection, "changing", "orders", changes);
    await benchSteady({ ...server, db: "changing", table: "orders" }, connection, scratch);
    await load(connection, "small", "orders", documents / 10);
    await benchMemory(server, scratch);
  } finally {
    await connection.close();
    await server.stop();
    for (const directory of scratch) await rm(directory, { recursive: true, force: true });
  }
}

async function benchFirstCopy(place: Place, scratch: string[]): Promise<void> {
  const names = [
    "bare reader of raw frames, the same walk",
    "thinkback: feed open, compressed, digested, stored",
  ];
  const runs = await alternate(rounds, [() => bareWalk(place), () => firstCopy(place, scratch)]);
  reportRuns("first copy, one connection", documents, names, runs);
}

async function benchSteady(
  place: Place,
  connection: DriverConnection,
  scratch: string[],
): Promise<void> {
  const provoke = provoker(place, connection);
  const names = [
    "bare reader of raw frames, the same feed",
    "the official driver's cursor, counting",
    "thinkback: digested, compressed, stored each second",
  ];
  const runs = await alternate(rounds, [
    () => bareFeed(place, provoke),
    () => driverFeed(place, provoke, changes),
    () => captureFeed(place, provoke, changes, scratch),
  ]);
  reportRuns("a saturated feed", changes, names, runs);
}

/** Rates, then CPU for 100,000 documents or changes. */
function reportRuns(title: string, count: number, names: string[], runs: Run[][]): void {
  const series = (of: (run: Run) => number) =>
    names.map((name, i): [string, number[]] => [name, runs[i]!.map(of)]);
  report(
    `${title}, per second`,
    series(({ seconds }) => count / seconds),
  );
  report(
    `${title}, ms of CPU per 100,000`,
    series(({ cpuMs }) => (cpuMs * 100_000) / count),
  );
}

async function benchMemory(server: TestServer, scratch: string[]): Promise<void> {
  const small: number[] = [];
  const large: number[] = [];
  for (let round = 0; round < 3; round += 1) {
    small.push(await peakMemory(server, "small.*", scratch));
    large.push(await peakMemory(server, "large.*", scratch));
  }
  report("peak memory of `thinkback run --once`, MiB", [
    [`${documents / 10} documents`, small],
    [`${documents} documents`, large],
  ]);
}

await main();
