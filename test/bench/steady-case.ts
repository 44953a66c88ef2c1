/** A saturated feed: the capture beside a bare reader of raw frames and the official driver's cursor. */
import { r } from "../server/driver.js";
import type { Bench } from "./bench.js";
import { loadOrders } from "./orders.js";
import { alternate, reportRuns } from "./report.js";
import { bareFeed, captureFeed, driverFeed, provoker } from "./steady.js";

/** As many as the server queues for a feed, so that none of the readers can lose one. */
const changesMax = 100_000;

export async function benchSteady(bench: Bench): Promise<void> {
  const { documents, rounds, scratch } = bench;
  const server = await bench.server();
  const changes = Math.min(documents, changesMax);
  await loadOrders(server, "changing", "orders", changes);
  const connection = await r.connect(server);
  try {
    const place = { host: server.host, port: server.port, db: "changing", table: "orders" };
    const provoke = provoker(place, connection, changes);
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
  } finally {
    await connection.close();
  }
}
