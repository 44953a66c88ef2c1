/** The faults of the simulated cluster, in virtual time. */
import { beforeEach, expect, test } from "vitest";
import { r, type Term } from "../server/driver.js";
import { RawClient } from "../server/raw-client.js";
import { Address } from "./address.js";
import { Cluster, ConnectionRefused, RawJson } from "./cluster.js";
import { hashShard, primaryCode } from "./key-code.js";
import { VirtualTimers } from "./virtual-timers.js";

const table = r.db("test").table("t");
let timers: VirtualTimers;
let cluster: Cluster;
let client: RawClient;
let tableId: string;

beforeEach(() => {
  timers = new VirtualTimers();
  cluster = new Cluster({ timers, seed: 7 });
  tableId = cluster.createTable("test", "t");
  client = new RawClient(cluster.open());
});

/** Waits in virtual time, at most ten seconds of it. */
async function during<T>(work: Promise<T>): Promise<T> {
  let settled = false;
  const mark = () => {
    settled = true;
  };
  work.then(mark, mark);
  for (let i = 0; i < 1000 && !settled; i += 1) await timers.advance(10);
  return work;
}

const ask = (term: { build(): unknown }) => during(client.query(term.build()));
const openFeed = async (options = {}) => {
  const token = client.start(table.changes(options).build());
  await during(client.next(token));
  return token;
};
const system = (name: string) => r.db("rethinkdb").table(name);
const servers = system("server_config")("name").coerceTo("array");
const majorityRead = r.db("test").table("t", { readMode: "majority" }).limit(1).coerceTo("array");
const rowsOf = (response: string) => (JSON.parse(response) as { r: unknown[] }).r;
const names = (response: string) => rowsOf(response)[0];

/** Opens a feed that reads one row of each shard at a time; gives its token and the first rows. */
async function openFence(selection: Term): Promise<[bigint, unknown[]]> {
  const initials = { includeInitial: true, includeStates: true, includeTypes: true };
  const fence = selection
    .changes(initials)
    .filter((row: Term) => r.expr(["initial", "state"]).contains(row("type")));
  const token = client.start(fence.build(), { max_batch_rows: 1 });
  return [token, rowsOf(await during(client.next(token)))];
}

/** How many responses a fence takes until it is ready. */
async function untilReady(token: bigint): Promise<number> {
  for (let responses = 1; ; responses += 1) {
    if ((await client.continue(token)).includes('"ready"')) return responses;
  }
}

/** What each server has counted as written to the table, of those within reach. */
async function written(): Promise<number[]> {
  const members = rowsOf(await ask(system("server_config")("id").coerceTo("array")))[0] as string[];
  const counts: number[] = [];
  for (const server of members) {
    const row = system("stats").get(["table_server", tableId, server]);
    counts.push(Number(rowsOf(await ask(row("query_engine")("written_docs_total")))[0]));
  }
  return counts;
}

/** Whether nothing is answered for so long. */
async function nothingFor(ms: number, answer: Promise<unknown>): Promise<boolean> {
  await timers.advance(ms);
  return (await Promise.race([answer, Promise.resolve(nothing)])) === nothing;
}

const nothing = Symbol("nothing");
const put = (id: number, more = {}) => cluster.write("test", "t", { put: { id, ...more } });

test("direct writes are seen by queries, feeds and the oracle alike", async () => {
  const token = await openFeed();
  cluster.write("test", "t", { put: new RawJson('{"id":1,"z":-0.0,"__proto__":2}') });
  cluster.write("test", "t", { delete: 1 });
  put(2);
  expect(await ask(table.count())).toBe('{"t":1,"r":[1]}');
  expect(cluster.documents("test", "t")).toEqual(new Map([["2", '{"id":2}']]));
  const seen: string[] = [];
  while (seen.join().split("new_val").length < 4) seen.push(await during(client.continue(token)));
  expect(seen.join()).toContain('{"new_val":{"__proto__":2,"id":1,"z":-0.0},"old_val":null}');
  expect(seen.join()).toContain('{"new_val":null,"old_val":{"__proto__":2,"id":1,"z":-0.0}}');
});

test("the same seed gives the same bytes at the same times, another seed does not", async () => {
  const run = async (seed: number): Promise<string[]> => {
    timers = new VirtualTimers();
    cluster = new Cluster({ timers, seed, feedDelayMsMax: 30 });
    cluster.createTable("test", "t");
    client = new RawClient(cluster.open());
    const token = await openFeed();
    const seen: string[] = [];
    for (let id = 0; id < 50; id += 1) put(id);
    while (seen.join().split("new_val").length < 51) {
      seen.push(`${timers.now()} ${await during(client.continue(token))}`);
    }
    return seen;
  };
  const first = await run(3);
  expect(await run(3)).toEqual(first);
  expect(await run(4)).not.toEqual(first);
});

test("a read shows a write whose change comes later", async () => {
  const token = await openFeed();
  put(1);
  const read = client.query(table.get(1).build());
  const change = client.continue(token);
  expect(await during(Promise.race([read.then(() => "read"), change.then(() => "change")]))).toBe(
    "read",
  );
  expect(await during(change)).toContain('"new_val":{"id":1}');
});

test("dropped connections, refused connections, wrong passwords", async () => {
  const token = await openFeed();
  const waiting = client.continue(token);
  cluster.dropConnections();
  await expect(waiting).rejects.toThrow("the connection was closed");
  cluster.refuseConnections(true);
  expect(() => cluster.open()).toThrow(ConnectionRefused);
  cluster.refuseConnections(false);
  expect(() => cluster.open({ password: "no" })).toThrow(
    new ConnectionRefused("Wrong password", 12),
  );
  expect(() => cluster.open({ user: "nobody" })).toThrow(new ConnectionRefused("Unknown user", 17));
});

test("an abort ends the feeds of one table", async () => {
  const token = await openFeed();
  const waiting = client.continue(token);
  cluster.abortFeeds(tableId);
  expect(await during(waiting)).toBe(
    '{"t":18,"e":4100000,"r":["Changefeed aborted (unavailable)."],"b":[]}',
  );
});

test("resharding ends feeds and takes the write hook along", async () => {
  await ask(table.setWriteHook((_c: unknown, _o: unknown, n: unknown) => n));
  const token = await openFeed();
  cluster.reshard(tableId);
  expect(await during(client.continue(token))).toContain("Changefeed aborted");
  expect(await ask(table.getWriteHook())).toBe('{"t":1,"r":[null]}');
});

test("a forced overflow loses what is queued and on its way, and says how much", async () => {
  const token = await openFeed({ includeTypes: true });
  for (let id = 0; id < 5; id += 1) put(id);
  cluster.overflow(tableId);
  put(9);
  expect(await during(client.continue(token))).toBe(
    '{"t":3,"r":[{"error":"Changefeed cache over array size limit, skipped 5 elements."}],"n":[1]}',
  );
  expect(await during(client.continue(token))).toContain('"new_val":{"id":9}');
});

test("a paused server answers nothing, and then everything", async () => {
  cluster.pause();
  const answer = client.query(table.count().build());
  await timers.advance(6000);
  expect(await Promise.race([answer, Promise.resolve("nothing")])).toBe("nothing");
  cluster.resume();
  expect(await during(answer)).toBe('{"t":1,"r":[0]}');
});

test("an isolated primary: silent feeds, failing reads, and feeds that end when it is over", async () => {
  const token = await openFeed();
  cluster.isolatePrimary(tableId, true);
  put(1);
  const waiting = client.continue(token);
  expect(await ask(table.count())).toContain(
    "The primary replica isn't connected to a quorum of replicas.",
  );
  expect(await ask(r.db("test").table("t", { readMode: "outdated" }).count())).toBe(
    '{"t":1,"r":[0]}',
  );
  expect(await ask(table.changes())).toContain("cannot subscribe to table `test.t`");
  expect(await Promise.race([waiting, Promise.resolve("silence")])).toBe("silence");
  cluster.isolatePrimary(tableId, false);
  expect(await during(waiting)).toContain("Changefeed aborted");
  expect(await ask(table.count())).toBe('{"t":1,"r":[1]}');
});

test("a primary that has not noticed that it is alone reads what it had; only a majority read hangs", async () => {
  cluster.addServer("second");
  cluster.addServer("third");
  cluster.addReplicas(tableId, ["second", "third"]);
  put(1);
  cluster.isolatePrimary(tableId, true, { noticedAfterMs: 16_000 });
  put(2);
  const majority = client.query(majorityRead.build());
  const write = client.query(table.insert({ id: 3 }).build());
  expect(await ask(table.count())).toBe('{"t":1,"r":[1]}');
  expect(await ask(table.changes())).toContain('"t":3');
  const [probe] = await openFence(table);
  expect(await during(client.continue(probe))).toContain("ready");
  expect(names(await ask(servers))).toEqual(["simulated_1", "second", "third"]);
  const gathered = [table.status(), table.info(), table.indexStatus(), system("stats")];
  const waiting = gathered.map((term) => client.query(term.build()));
  expect(await nothingFor(9000, Promise.race([majority, write, ...waiting]))).toBe(true);
  await timers.advance(7000);
  expect(await Promise.all(waiting)).toHaveLength(4);
  expect(await majority).toContain("isn't connected to a quorum of replicas");
  expect(await write).toContain("The write was not performed.");
  expect(names(await ask(servers))).toEqual(["simulated_1"]);
  expect(await ask(system("table_config").get(tableId)("shards")(0)("replicas"))).toBe(
    '{"t":1,"r":[["simulated_1","second","third"]]}',
  );
  expect(await ask(system("table_status").get(tableId))).toContain('"state":"disconnected"');
  expect(await written()).toEqual([1]);
  cluster.isolatePrimary(tableId, false);
  expect(await written()).toEqual([1, 2, 2]);
  expect(await ask(majorityRead)).toContain('"id":1');
});

test("servers that join and replicas on them leave feeds open; each replica counts its own writes", async () => {
  const token = await openFeed();
  put(1);
  cluster.addServer("second");
  cluster.addReplicas(tableId, ["second"]);
  put(2);
  expect(await during(client.continue(token))).toContain('"id":1');
  expect(names(await ask(servers))).toEqual(["simulated_1", "second"]);
  expect(await ask(table.config()("shards"))).toContain(
    '"primary_replica":"simulated_1","replicas":["simulated_1","second"]',
  );
  expect(await written()).toEqual([2, 1]);
  cluster.restart({ downMs: 10 });
  await timers.advance(1000);
  client = new RawClient(cluster.open());
  expect(await written()).toEqual([0, 0]);
});

test("a feed that lags: writes are acknowledged, changes come late in small responses, nothing overflows", async () => {
  const token = await openFeed({ changefeedQueueSize: 500 });
  const sizes: number[] = [];
  void (async () => {
    for (;;) sizes.push(rowsOf(await client.continue(token)).length);
  })();
  cluster.lagFeeds(tableId, 5000);
  for (let id = 0; id < 20_000; id += 1) put(id);
  const sentMs = timers.now();
  expect(await ask(table.count())).toBe('{"t":1,"r":[20000]}');
  expect(await written()).toEqual([20_000]);
  expect(timers.now() - sentMs).toBeLessThan(100);
  await timers.advance(2000);
  const delivered = () => sizes.reduce((sum, size) => sum + size, 0);
  expect(delivered()).toBeGreaterThan(9000);
  expect(delivered()).toBeLessThan(11_000);
  expect(Math.max(...sizes)).toBeLessThanOrEqual(200);
  await timers.advance(2100);
  expect(delivered()).toBe(20_000);
  cluster.lagFeeds(tableId, undefined);
  put(1, { v: 1 });
  put(2, { v: 1 });
  await timers.advance(10);
  expect(delivered()).toBe(20_002);
});

test("a fence waits for a feed that lags, and an empty range does not", async () => {
  for (let id = 0; id < 200; id += 1) put(id);
  const token = await openFeed();
  let delivered = 0;
  void (async () => {
    for (;;) delivered += rowsOf(await client.continue(token)).length;
  })();
  cluster.lagFeeds(tableId, 1000);
  const [whole, single, early, empty] = [
    (await openFence(table))[0],
    (await openFence(table.getAll(1)))[0],
    (await openFence(table.between(0, 8)))[0],
    (await openFence(table.between(5, 5)))[0],
  ];
  for (let id = 0; id < 200; id += 1) put(id, { v: 1 });
  for (const proofless of [single, empty]) {
    expect(await during(client.continue(proofless))).toContain("ready");
  }
  expect(delivered).toBeLessThan(100);
  expect(await during(untilReady(early))).toBeGreaterThan(0);
  expect(await during(untilReady(whole))).toBeGreaterThan(10);
  expect(delivered).toBe(200);
});

test("a fence leaves out a shard that START has read to its end", async () => {
  const keys = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9];
  for (const id of keys) put(id);
  const shards = keys.map((key) => hashShard(primaryCode(key)));
  const alone = shards.findIndex((shard) => shards.filter((other) => other === shard).length === 1);
  const accompanied = shards.findIndex((shard, key) => shards.lastIndexOf(shard) > key);
  const readyAfter = async (key: number): Promise<boolean> => {
    const token = await openFeed();
    const change = client.continue(token);
    const [fence] = await openFence(table.getAll(r.args(keys)));
    cluster.lagFeeds(tableId, 0.2);
    put(keys[key]!, { before: true });
    put(keys[key]!, { written: token.toString() });
    const ready = untilReady(fence).then(() => "ready");
    const first = await during(Promise.race([change.then(() => client.continue(token)), ready]));
    cluster.lagFeeds(tableId, undefined);
    await during(ready);
    return first !== "ready";
  };
  expect(await readyAfter(alone)).toBe(false);
  expect(await readyAfter(accompanied)).toBe(true);
});

test("a reading that is refused, and one that is slow", async () => {
  const feed = await openFeed();
  cluster.refuseReading("table_config", true);
  expect(await ask(system("table_config").count())).toContain(
    '"e":6000000,"r":["User `admin` does not have the required `read` permission."]',
  );
  expect(await ask(system("table_config").changes())).toContain("6000000");
  expect(await ask(system("db_config").count())).toBe('{"t":1,"r":[1]}');
  cluster.refuseReading("table_config", false);
  expect(await ask(system("table_config").count())).toBe('{"t":1,"r":[1]}');
  cluster.slowReading("table_config", 4000);
  const slow = client.query(system("table_config").get(tableId).build());
  expect(await nothingFor(3900, slow)).toBe(true);
  put(1);
  expect(await during(client.continue(feed))).toContain('"id":1');
  expect(await during(slow)).toContain('"name":"t"');
  cluster.slowReading("table_config", 0);
  expect(await ask(system("table_config").count())).toBe('{"t":1,"r":[1]}');
});

test("a majority read that hangs holds up nothing else, and can be stopped", async () => {
  cluster.hangMajority(tableId, true);
  const stopped = client.start(majorityRead.build());
  const waiting = client.query(majorityRead.build());
  expect(await nothingFor(60_000, waiting)).toBe(true);
  expect(await ask(table.count())).toBe('{"t":1,"r":[0]}');
  expect(await ask(system("stats").count())).toBe('{"t":1,"r":[4]}');
  expect(await during(client.stop(stopped))).toContain('"r":[]');
  cluster.hangMajority(tableId, false);
  expect(await during(waiting)).toBe('{"t":1,"r":[[]]}');
});

test("a frozen member makes what is gathered from all slow, and nothing else", async () => {
  cluster.freezeMember(6000);
  const gathered = ["table_config", "table_status", "stats"].map((name) =>
    client.query(system(name).count().build()),
  );
  expect(await written()).toEqual([0]);
  expect(await ask(table.count())).toBe('{"t":1,"r":[0]}');
  expect(await nothingFor(5500, Promise.race(gathered))).toBe(true);
  await timers.advance(1000);
  expect(await Promise.all(gathered)).toEqual([
    '{"t":1,"r":[1]}',
    '{"t":1,"r":[1]}',
    '{"t":1,"r":[4]}',
  ]);
});

test("a proxy that is cut off answers what it knows, and is silent otherwise", async () => {
  client = new RawClient(cluster.openThroughProxy());
  expect(await during(client.serverInfo())).toMatch(/"id":"proxy-[-0-9a-f]+","proxy":true/);
  const token = await openFeed();
  const change = client.continue(token);
  cluster.cutProxy(true);
  put(1);
  const read = client.query(table.count().build());
  expect(await during(client.serverInfo())).toContain('"proxy":true');
  expect(await ask(r.expr(1))).toBe('{"t":1,"r":[1]}');
  expect(await ask(system("db_config").count())).toBe('{"t":1,"r":[1]}');
  expect(await nothingFor(5000, Promise.race([read, change]))).toBe(true);
  cluster.cutProxy(false);
  expect(await during(read)).toBe('{"t":1,"r":[1]}');
  expect(await during(change)).toContain('"id":1');
  cluster.cutProxy(true);
  await timers.advance(20_000);
  cluster.cutProxy(false);
  expect(await during(client.continue(token))).toContain("Changefeed aborted");
});

test("scans refused while feeds open, and feeds refused while scans are answered", async () => {
  const token = await openFeed();
  cluster.refuseScans(tableId, true);
  expect(await ask(table.limit(1))).toContain('"e":4100000,"r":["Cannot perform read:');
  expect(await ask(table.changes())).toContain('"t":3');
  expect(await ask(table.changes({ includeInitial: true }))).toContain("Cannot perform read:");
  cluster.refuseScans(tableId, false);
  cluster.refuseFeeds(tableId, true);
  expect(await ask(table.changes())).toContain('"e":4100000,"r":["cannot subscribe to table');
  expect(await ask(table.count())).toBe('{"t":1,"r":[0]}');
  put(1);
  expect(await during(client.continue(token))).toContain('"id":1');
  cluster.refuseFeeds(tableId, false);
  expect(await ask(table.changes())).toContain('"t":3');
});

test("a table whose replicas are gone has a row without a configuration", async () => {
  const token = await openFeed();
  cluster.loseReplicas(tableId, true);
  expect(await during(client.continue(token))).toContain("Changefeed aborted");
  expect(await ask(system("table_config").get(tableId))).toBe(
    `{"t":1,"r":[{"db":"test","error":"None of the replicas for this table are accessible.","id":"${tableId}","name":"t"}]}`,
  );
  expect(await ask(table.count())).toContain(
    'primary replica for shard [\\"\\", +inf) not available',
  );
  cluster.loseReplicas(tableId, false);
  expect(await ask(table.count())).toBe('{"t":1,"r":[0]}');
});

test("an address leads to another cluster, and back", async () => {
  const other = new Cluster({ timers, seed: 8 });
  const address = new Address(cluster);
  const serverOf = async () => {
    const at = new RawClient(address.open());
    return (rowsOf(await during(at.serverInfo()))[0] as { id: string }).id;
  };
  const first = await serverOf();
  address.leadTo(other);
  expect(await serverOf()).not.toBe(first);
  address.leadTo(cluster);
  expect(await serverOf()).toBe(first);
});

test("a restart closes connections, is down, then has no primary for a while", async () => {
  cluster.restart({ downMs: 1000 });
  expect(() => cluster.open()).toThrow(ConnectionRefused);
  await timers.advance(1000);
  client = new RawClient(cluster.open());
  const first = client.query(table.insert({ id: 1 }).build());
  await timers.advance(5);
  expect(await first).toContain(
    'Cannot perform write: primary replica for shard [\\"\\", +inf) not available',
  );
  expect(await ask(table.wait())).toBe('{"t":1,"r":[{"ready":1}]}');
  expect(await ask(table.insert({ id: 1 }))).toContain('"inserted":1');
});

test("a restart may lose soft writes that the feed has shown, never hard ones", async () => {
  const token = await openFeed();
  put(1);
  await ask(table.insert({ id: 2 }, { durability: "soft" }));
  await ask(table.get(1).update({ a: 1 }, { durability: "soft" }));
  expect(await during(client.continue(token))).toContain("new_val");
  cluster.restart({ loseUnflushed: true });
  expect(cluster.documents("test", "t")).toEqual(new Map([["1", '{"id":1}']]));
});

test("latency and a clock that is off", async () => {
  cluster.setLatency(200);
  const sentMs = timers.now();
  const answer = client.query(r.now().toEpochTime().build());
  await timers.advance(199);
  expect(await Promise.race([answer, Promise.resolve("not yet")])).toBe("not yet");
  await timers.advance(2);
  expect(await answer).toBe(`{"t":1,"r":[${(sentMs + 100) / 1000}]}`);
  cluster.setLatency(0);
  cluster.setClockOffset(-5000);
  const [now] = (JSON.parse(await ask(r.now().toEpochTime())) as { r: [number] }).r;
  expect(now * 1000).toBeLessThan(timers.now() - 4000);
});

test("a table of 20,000 documents is written, scanned and watched in well under a second of CPU", async () => {
  const started = performance.now();
  for (let id = 0; id < 20_000; id += 1) put((id * 7919) % 20_000, { name: `number ${id}` });
  let scanned = 0;
  for (let from = -1; ; ) {
    const page = table
      .between(from, r.maxval, { leftBound: "open" })
      .orderBy({ index: "id" })
      .limit(2000);
    const rows = (JSON.parse(await ask(page.coerceTo("array"))) as { r: [{ id: number }[]] }).r[0];
    if (rows.length === 0) break;
    scanned += rows.length;
    from = rows.at(-1)!.id;
  }
  expect(scanned).toBe(20_000);
  expect(performance.now() - started).toBeLessThan(5000);
});
