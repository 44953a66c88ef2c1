import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { r } from "../server/driver.js";
import { startServer } from "../server/find-server.js";
import { cliJson, start, untilStatus } from "./cli.js";
import { Ledger } from "./ledger.js";
import { readTable, Writer } from "./workload.js";

/** How long after its acknowledgement a write may still be on its way to us. */
const deliveryMs = 250;
const documents = Number(process.env.THINKBACK_TEST_DOCUMENTS ?? 4000);
const instants = Number(process.env.THINKBACK_TEST_INSTANTS ?? 4);
const pauseMs = Number(process.env.THINKBACK_TEST_PAUSE_MS ?? 1);

test(`${instants} instants of ${documents} documents under two writers, against their ledger`, async () => {
  const server = await startServer();
  const repo = await mkdtemp(join(tmpdir(), "thinkback-test-"));
  const address = `rethinkdb://${server.host}:${server.port}`;
  const connections = await Promise.all([0, 1, 2].map(() => r.connect(server)));
  const admin = connections[2]!;
  const ledger = new Ledger();
  const stop = new AbortController();
  try {
    await r.dbCreate("shop").run(admin);
    await r.db("shop").tableCreate("orders").run(admin);
    await r.db("shop").table("orders").indexCreate("customer").run(admin);
    const writers = [0, 1].map(
      (writer) =>
        new Writer(connections[writer]!, {
          db: "shop",
          table: "orders",
          writer,
          documents: documents / 2,
          seed: 7 + writer,
          ledger,
        }),
    );
    await Promise.all(writers.map((writer) => writer.load()));
    const writing = Promise.all(writers.map((writer) => writer.write(stop.signal, pauseMs)));
    const run = start(["run", "--source", address, "--repo", repo]);
    await untilStatus(
      repo,
      ({ tables }) => tables[0]?.state === "live" && tables[0].lastRestorable !== null,
    );

    const chosen: number[] = [];
    for (let i = 0; i < instants; i += 1) {
      await new Promise((resolve) => setTimeout(resolve, 700 + 137 * (i % 5)));
      chosen.push(Date.now());
    }
    const until = chosen.at(-1)!;
    await untilStatus(
      repo,
      ({ restorableUntil }) => restorableUntil !== null && Date.parse(restorableUntil) > until,
    );
    stop.abort();
    const writes = (await writing).reduce((a, b) => a + b, 0);
    run.process.kill("SIGTERM");
    expect((await run.finished).status).toBe(0);

    let inFlight = 0;
    for (const [i, instant] of chosen.entries()) {
      const restored = await cliJson<{ restored: { matches: boolean; documents: number }[] }>([
        "restore",
        "--repo",
        repo,
        "--target",
        address,
        "--at",
        new Date(instant).toISOString(),
        "--rename",
        `shop.orders=then.orders_${i}`,
      ]);
      expect(restored.restored[0]!.matches).toBe(true);
      const state = await readTable(admin, "then", `orders_${i}`);
      const judgement = ledger.judge(state, instant, deliveryMs);
      expect(judgement.wrong.slice(0, 3)).toEqual([]);
      expect(judgement.keys).toBeGreaterThanOrEqual(documents);
      inFlight += judgement.inFlight;
      await r.db("then").tableDrop(`orders_${i}`).run(admin);
    }
    process.stdout.write(
      `${writes} writes, ${instants} instants right, ${inFlight} keys were in flight\n`,
    );
    expect(writes).toBeGreaterThan(100);
  } finally {
    stop.abort();
    await Promise.all(connections.map((connection) => connection.close().catch(() => undefined)));
    await server.stop();
    await rm(repo, { recursive: true, force: true });
  }
}, 1_200_000);
