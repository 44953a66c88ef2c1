/**
 * From delivery to durable: 1,000 changes a second at a tick of one second. A change is delivered at its capture time,
 * which its line says, and durable when the put of its segment has resolved.
 */

import { recorderDefaults } from "../../src/capture/recorder.js";
import { runCapture } from "../../src/capture/run-capture.js";
import { systemClock } from "../../src/clock.js";
import { openSegment, segmentVersions } from "../../src/repository/log/log.js";
import { openOrCreateRepository } from "../../src/repository/repository.js";
import { parseAddress } from "../../src/rethinkdb/address.js";
import { dialer } from "../../src/rethinkdb/channel.js";
import { RethinkSource } from "../../src/rethinkdb/rethink-source.js";
import { DirectoryStore } from "../../src/storage/directory-store.js";
import type { TestServer } from "../server/find-server.js";
import type { Bench } from "./bench.js";
import { scratchDirectory } from "./generated.js";
import { loadOrders } from "./orders.js";
import { writeSteadily } from "./steady-writer.js";

const tickMs = 1000;
const seconds = 30;

export async function benchLag(bench: Bench): Promise<void> {
  const server = await bench.server();
  await loadOrders(server, "lag", "orders", 10_000);
  const store = new TimedStore(await scratchDirectory(bench.scratch));
  const ended = new AbortController();
  let live = () => undefined as void;
  const isLive = new Promise<void>((resolve) => (live = resolve));
  const captured = capture(server, store, live, ended.signal);
  await Promise.race([isLive, captured]);
  const from = Date.now() + 2 * tickMs;
  const written = await writeSteadily(server, {
    db: "lag",
    table: "orders",
    documents: 10_000,
    changesPerSecond: 1000,
    writesPerSecond: 50,
    seconds,
  });
  const until = Date.now() - 2 * tickMs;
  ended.abort();
  await captured;
  const lags: number[] = [];
  for (const [name, durable] of store.durable) {
    const segment = await openSegment(store, name);
    for (const stream of new Set(segment.index.frames.map(({ table }) => table ?? ""))) {
      if (stream === "catalog" || stream === "coverage") continue;
      for await (const { time } of segmentVersions(segment, stream)) {
        if (time >= from && time <= until) lags.push(durable - time);
      }
    }
  }
  lags.sort((a, b) => a - b);
  const at = (share: number) => lags[Math.min(lags.length - 1, Math.floor(share * lags.length))]!;
  process.stdout.write(
    `delivery to durable, ${(written / seconds).toFixed(0)} changes/s, tick ${tickMs} ms, ms, of ${lags.length} changes\n` +
      `  median ${at(0.5).toFixed(0)}  p99 ${at(0.99).toFixed(0)}  greatest ${at(1).toFixed(0)}  ` +
      `(tick and 250 ms: ${tickMs + 250})\n\n`,
  );
}

/** A directory that notes when each segment was durable. */
class TimedStore extends DirectoryStore {
  readonly durable = new Map<string, number>();

  override async put(name: string, bytes: Uint8Array): Promise<void> {
    await super.put(name, bytes);
    if (name.startsWith("log/")) this.durable.set(name, Date.now());
  }
}

async function capture(
  { host, port }: TestServer,
  store: DirectoryStore,
  live: () => void,
  signal: AbortSignal,
): Promise<void> {
  const repository = await openOrCreateRepository(store, Date.now());
  const dial = dialer(parseAddress(`rethinkdb://${host}:${port}`), "source");
  const source = new RethinkSource("the benchmark's server", dial, systemClock);
  const ignore = () => undefined;
  await runCapture(
    source,
    repository,
    systemClock,
    {
      ...recorderDefaults,
      tickMs,
      selects: (db) => db === "lag",
      once: false,
      copiesAtOnce: 1,
      bothEndsFrom: Number.POSITIVE_INFINITY,
      acceptCluster: false,
      forgetServers: [],
      trustClock: false,
      takeOver: false,
      standby: false,
      owner: { host: "bench", process: 1, isAlive: () => false },
      spool: undefined,
      random: () => 0.5,
      reopen: async () => repository,
    },
    {
      state: (_, state) => {
        if (state === "live") live();
      },
      begins: () => undefined,
      ends: () => undefined,
      tickStored: () => undefined,
      waits: () => undefined,
      renamed: () => undefined,
      scanned: ignore,
      moved: ignore,
      goesOnAfter: ignore,
      hasHandedOver: ignore,
      lost: ignore,
      stopped: (_, error) => {
        throw error;
      },
      storeFails: ignore,
      storeIsBack: ignore,
      spoolDelivered: ignore,
      spoolDropped: ignore,
      spoolKept: ignore,
      logLost: ignore,
      beginsLater: ignore,
      beginsAgain: ignore,
      waitsForWriter: ignore,
      standsBy: ignore,
      asksForHandOver: ignore,
      handOverEnds: ignore,
      nobodyGoesOn: ignore,
      handOverFails: ignore,
      readingStops: ignore,
      writeHookGone: ignore,
      surveyFails: () => undefined,
      catalogUnreadable: () => undefined,
      clockSet: () => undefined,
      serversMissing: () => undefined,
      accessRefused: () => undefined,
      tickAdapted: ignore,
    },
    signal,
  );
  source.close();
}
