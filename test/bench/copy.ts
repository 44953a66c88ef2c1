/** A first copy beside a bare reader of the same scan, and the memory of one. */
import { r } from "../../src/rethinkdb/reql.js";
import type { Bench } from "./bench.js";
import { bareScan, bareScans, firstCopy } from "./first-copy.js";
import { peakMemory } from "./memory.js";
import { loadOrders, orderKey } from "./orders.js";
import { alternate, report, reportRuns } from "./report.js";

export async function benchCopy(bench: Bench): Promise<void> {
  const { documents, rounds, scratch } = bench;
  const server = await bench.server();
  await loadOrders(server, "bench", "large", documents);
  const place = { host: server.host, port: server.port, db: "bench", table: "large" };
  const names = [
    "bare reader of raw frames, the same scan",
    "thinkback, one connection: feed open, compressed, digested, stored",
    "bare reader, two connections, half of the keys each",
    "thinkback, from both ends",
    "bare reader, four connections, a quarter of the keys each",
  ];
  const runs = await alternate(rounds, [
    () => bareScan(place),
    () => firstCopy(place, scratch),
    () => bareScans(place, shares(documents, 2)),
    () => firstCopy(place, scratch, 0),
    () => bareScans(place, shares(documents, 4)),
  ]);
  reportRuns("first copy", documents, names, runs);
}

/** Ranges of keys with as many documents each. */
function shares(documents: number, count: number): [unknown, unknown][] {
  const bounds = Array.from({ length: count - 1 }, (_, i) =>
    orderKey(Math.floor(((i + 1) * documents) / count)),
  );
  const lows = [r.minval, ...bounds];
  return lows.map((low, i) => [low, bounds[i] ?? r.maxval]);
}

export async function benchCopyMemory(bench: Bench): Promise<void> {
  const { documents, scratch } = bench;
  const server = await bench.server();
  await loadOrders(server, "bench", "large", documents);
  await loadOrders(server, "small", "orders", documents / 10);
  const small: number[] = [];
  const large: number[] = [];
  for (let round = 0; round < 3; round += 1) {
    small.push(await peakMemory(server, "small.*", scratch));
    large.push(await peakMemory(server, "bench.large", scratch));
  }
  report("peak memory of `thinkback run --once`, MiB", [
    [`${documents / 10} documents`, small],
    [`${documents} documents`, large],
  ]);
}
