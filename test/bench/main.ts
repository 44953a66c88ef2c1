/**
 * `npm run bench`: each case beside its bare limit, in turn, in one run; medians and their ratio are printed.
 * Nothing is asserted about time: machines are noisy. `npm run bench -- fold` runs the folds alone, which need no server.
 */
import { rm } from "node:fs/promises";
import { r } from "../server/driver.js";
import { startServer, type TestServer } from "../server/find-server.js";
import { bareWalk, firstCopy } from "./first-copy.js";
import { benchFold } from "./fold.js";
import { peakMemory } from "./memory.js";
import { load } from "./orders.js";
import { alternate, report } from "./report.js";

const documents = Number(process.env.THINKBACK_BENCH_DOCUMENTS ?? 100_000);
const rounds = Number(process.env.THINKBACK_BENCH_ROUNDS ?? 5);

async function main(): Promise<void> {
  await benchFold(10 * documents, rounds);
  if (process.argv.includes("fold")) return;
  const server = await startServer();
  const connection = await r.connect(server);
  const scratch: string[] = [];
  try {
    const bytes = await load(connection, "bench", "large", documents);
    process.stdout.write(`${documents} orders of ${Math.round(bytes / documents)} bytes\n\n`);
    await benchFirstCopy(server, scratch);
    await load(connection, "small", "orders", documents / 10);
    await benchMemory(server, scratch);
  } finally {
    await connection.close();
    await server.stop();
    for (const directory of scratch) await rm(directory, { recursive: true, force: true });
  }
}

async function benchFirstCopy(server: TestServer, scratch: string[]): Promise<void> {
  const { limit, ours } = await alternate(
    rounds,
    () => bareWalk(server, "bench", "large"),
    () => firstCopy(server, "bench", "large", scratch),
  );
  report("first copy, one connection, documents/s", [
    ["bare raw-frame reader of the same walk", limit.map((seconds) => documents / seconds)],
    [
      "thinkback: feed open, compressed, digested, stored",
      ours.map((seconds) => documents / seconds),
    ],
  ]);
}

async function benchMemory(server: TestServer, scratch: string[]): Promise<void> {
  const small: number[] = [];
  const large: number[] = [];
  for (let round = 0; round < 3; round += 1) {
    small.push(await peakMemory(server, "small.*", scratch));
    large.push(await peakMemory(server, "bench.*", scratch));
  }
  report("peak memory of `thinkback run --once`, MiB", [
    [`${documents / 10} documents`, small],
    [`${documents} documents`, large],
  ]);
}

await main();
