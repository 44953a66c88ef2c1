/** Many changes at once, and as many as can be: acknowledged is not yet delivered. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { whyNotLong } from "../long.js";
import { type DriverConnection, r } from "../server/driver.js";
import { boundMs, brokenChains, exactShare, judge, spread, suspects } from "./judge.js";
import { Ledger } from "./ledger.js";
import { kill, nextInstant, Stage, stop, tableOf } from "./stage.js";
import { canonicalJson } from "./workload.js";

/** More than a feed delivers within the bound. */
const documents = 20_000;
/** What a simulated feed delivers a second; a real one lags by itself. */
const simulatedRate = 8000;
const bulk = r.db("mass").table("bulk");

let stage: Stage;
let ledger: Ledger;

beforeAll(async () => {
  stage = await Stage.open();
  await stage.query(r.dbCreate("mass"));
});

afterAll(() => stage.close());

const documentOf = (id: number, version: number) => ({ id, version, pad: "é".repeat(40) });

/** Notes a write of every document, made by one query. */
async function noted(version: number | null, ids: number[], query: () => Promise<unknown>) {
  const acknowledge = ids.map((id) => {
    const document = version === null ? null : canonicalJson(documentOf(id, version));
    return ledger.send(canonicalJson(id), document, Date.now);
  });
  const sent = Date.now();
  await query();
  for (const done of acknowledge) done();
  return { sent, acknowledged: Date.now() };
}

const all = Array.from({ length: documents }, (_, id) => id);

async function makeBulk(): Promise<void> {
  ledger = new Ledger();
  await stage.query(r.db("mass").tableCreate("bulk"));
  for (let from = 0; from < documents; from += 2000) {
    const ids = all.slice(from, from + 2000);
    await noted(0, ids, () => stage.query(bulk.insert(ids.map((id) => documentOf(id, 0)))));
  }
  const { cluster } = stage.server;
  cluster?.lagFeeds(cluster.tableId("mass", "bulk"), simulatedRate);
}

/** One update of all documents; when it was sent and acknowledged. */
const updateAll = (version: number) =>
  noted(version, all, () => stage.query(bulk.update({ version }, { durability: "soft" })));

const long = test.skipIf(whyNotLong !== undefined);

long(
  "an update of all documents, and a kill right after status has passed it; then a delete of all",
  async () => {
    const repo = stage.repo("bulk");
    await makeBulk();
    const first = stage.capture(repo, "--include", "mass.*");
    await stage.untilExactNow(repo, "mass.bulk");
    const moments: number[] = [];
    const judged = async () => {
      const instants = await suspects(repo, "mass.bulk", moments.splice(0));
      return judge(repo, "mass.bulk", ledger, instants);
    };

    const one = await updateAll(1);
    moments.push(one.acknowledged);
    await stage.untilExact(repo, one.acknowledged + boundMs, "mass.bulk");
    await kill(first);
    const killed = await judged();
    expect(killed.wrong).toEqual([]);
    expect(killed.exact + killed.late).toBeGreaterThan(3);

    const second = stage.capture(repo, "--include", "mass.*");
    await stage.untilExactNow(repo, "mass.bulk");
    const two = await updateAll(2);
    moments.push(two.acknowledged);
    await stage.untilExact(repo, two.acknowledged + boundMs, "mass.bulk");
    const three = await noted(null, all, () => stage.query(bulk.delete({ durability: "soft" })));
    moments.push(three.acknowledged);
    await stage.untilExact(repo, three.acknowledged + 3 * boundMs, "mass.bulk");
    expect((await stop(second)).status).toBe(0);
    const ended = await judged();
    expect(ended.wrong).toEqual([]);
    expect(ended.exact + ended.late).toBeGreaterThan(10);
    expect(await brokenChains(repo)).toEqual([]);
  },
  240_000,
);

/** Writers of one key each, on connections of their own, as fast as they can; gives when they began and ended. */
async function hammer(table: string, keys: number, ms: number) {
  const hot = r.db("mass").table(table);
  const connections = await Promise.all(Array.from({ length: keys }, () => stage.connect()));
  const from = Date.now();
  const write = async (connection: DriverConnection, id: number) => {
    for (let version = 1; Date.now() < from + ms; version += 1) {
      const document = canonicalJson({ id, version });
      const acknowledge = ledger.send(canonicalJson(id), document, Date.now);
      await hot.get(id).update({ version }, { durability: "soft" }).run(connection);
      acknowledge();
    }
  };
  await Promise.all(connections.map((connection, id) => write(connection, id)));
  const to = Date.now();
  await Promise.all(connections.map((connection) => connection.close()));
  return { from, to };
}

test("a tiny table that is written as fast as can be stays exact", async () => {
  ledger = new Ledger();
  const repo = stage.repo("hot");
  await stage.query(r.db("mass").tableCreate("hot"));
  await noted(null, [], () =>
    stage.query(
      r
        .db("mass")
        .table("hot")
        .insert([0, 1, 2].map((id) => ({ id, version: 0 }))),
    ),
  );
  const run = stage.capture(repo, "--include", "mass.hot");
  await stage.untilExactNow(repo, "mass.hot");
  const { from, to } = await hammer("hot", 3, 8000);
  const now = await stage.untilExact(repo, to + 2 * boundMs, "mass.hot");
  const share = exactShare(tableOf(now, "mass.hot")!, from, to);
  const verdict = await judge(repo, "mass.hot", ledger, spread(from + 500, to + boundMs, 60));
  expect(verdict.wrong).toEqual([]);
  expect(share).toBeGreaterThan(0.9);
  expect((await stop(run)).status).toBe(0);
  expect(await brokenChains(repo)).toEqual([]);
}, 120_000);

test.skipIf(whyNotLong !== undefined)(
  "a table that fills from nothing is exact while it does",
  async () => {
    ledger = new Ledger();
    const repo = stage.repo("filling");
    await stage.query(r.db("mass").tableCreate("filling"));
    const run = stage.capture(repo, "--include", "mass.filling");
    await stage.untilExactNow(repo, "mass.filling");
    const from = Date.now();
    // One document, then more and more at once: every hash shard has its first document at another time.
    for (
      let next = 0, many = 1;
      Date.now() < from + 8000;
      next += many, many = Math.min(50, many + 1)
    ) {
      const ids = Array.from({ length: many }, (_, i) => next + i);
      const batch = ids.map((id) => documentOf(id, 0));
      await noted(0, ids, () =>
        stage.query(r.db("mass").table("filling").insert(batch, { durability: "soft" })),
      );
      await nextInstant(30);
    }
    const to = Date.now();
    const now = await stage.untilExact(repo, to + 2 * boundMs, "mass.filling");
    const share = exactShare(tableOf(now, "mass.filling")!, from, to);
    const verdict = await judge(repo, "mass.filling", ledger, spread(from, to + boundMs, 60));
    expect(verdict.wrong).toEqual([]);
    expect(share).toBeGreaterThan(0.9);
    expect((await stop(run)).status).toBe(0);
    expect(await brokenChains(repo)).toEqual([]);
  },
  120_000,
);

test.skipIf(whyNotLong !== undefined)(
  "a table with documents in two of its four shards is exact under writes, and not wrongly so after an update of all",
  async () => {
    ledger = new Ledger();
    const repo = stage.repo("halves");
    const halves = r.db("mass").table("halves");
    // A new table is split as if its keys were to be UUIDs.
    await stage.query(r.db("mass").tableCreate("halves", { shards: 4 }));
    const keys = Array.from({ length: 10_000 }, (_, i) => `${i % 2 === 0 ? "0" : "8"}${i}`);
    const write = async (ids: string[], version: number, query: () => Promise<unknown>) => {
      const acknowledge = ids.map((id) =>
        ledger.send(canonicalJson(id), canonicalJson({ id, version }), Date.now),
      );
      await query();
      for (const done of acknowledge) done();
      return Date.now();
    };
    for (let from = 0; from < keys.length; from += 2000) {
      const ids = keys.slice(from, from + 2000);
      const documents = ids.map((id) => ({ id, version: 0 }));
      await write(ids, 0, () => stage.query(halves.insert(documents)));
    }
    const run = stage.capture(repo, "--include", "mass.halves");
    await stage.untilExactNow(repo, "mass.halves");

    const connections = await Promise.all([0, 1].map(() => stage.connect()));
    const from = Date.now();
    const busy = async (connection: DriverConnection, place: number) => {
      for (let i = place; Date.now() < from + 8000; i += 2) {
        const id = keys[(7 * i) % keys.length]!;
        const version = i + 1;
        await write([id], version, () => halves.get(id).update({ version }).run(connection));
        // Counted, too, so that the counts alone prove nothing.
        if (i % 20 < 2) await halves.get(id).update({ version }).run(connection);
      }
    };
    await Promise.all(connections.map(busy));
    const to = Date.now();
    await Promise.all(connections.map((connection) => connection.close()));
    const now = await stage.untilExact(repo, to + 2 * boundMs, "mass.halves");
    const share = exactShare(tableOf(now, "mass.halves")!, from, to);

    const { cluster } = stage.server;
    cluster?.lagFeeds(cluster.tableId("mass", "halves"), simulatedRate / 4);
    const all = { version: -1 };
    const done = await write(keys, -1, () =>
      stage.query(halves.update(all, { durability: "soft" })),
    );
    // And the first document of a shard, behind all these.
    const id = "f";
    const first = await write([id], -1, () => stage.query(halves.insert({ id, version: -1 })));
    await stage.untilExact(repo, first + 3 * boundMs, "mass.halves");
    expect((await stop(run)).status).toBe(0);
    const moments = await suspects(repo, "mass.halves", [done, first]);
    const verdict = await judge(repo, "mass.halves", ledger, [
      ...spread(from + 500, to + boundMs, 60),
      ...moments,
    ]);
    expect(verdict.wrong).toEqual([]);
    expect(verdict.exact + verdict.late).toBeGreaterThan(50);
    expect(share).toBeGreaterThan(0.9);
    expect(await brokenChains(repo)).toEqual([]);
  },
  180_000,
);
