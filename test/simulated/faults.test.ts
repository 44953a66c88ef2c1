/** The faults of the simulated cluster, in virtual time. */
import { beforeEach, expect, test } from "vitest";
import { r } from "../server/driver.js";
import { RawClient } from "../server/raw-client.js";
import { Cluster, ConnectionRefused, RawJson } from "./cluster.js";
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
    '{"t":1,"r":[1]}',
  );
  expect(await Promise.race([waiting, Promise.resolve("silence")])).toBe("silence");
  cluster.isolatePrimary(tableId, false);
  expect(await during(waiting)).toContain("Changefeed aborted");
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

test("a table of 20,000 documents is written, walked and watched in well under a second of CPU", async () => {
  const started = performance.now();
  for (let id = 0; id < 20_000; id += 1) put((id * 7919) % 20_000, { name: `number ${id}` });
  let walked = 0;
  for (let from = -1; ; ) {
    const page = table
      .between(from, r.maxval, { leftBound: "open" })
      .orderBy({ index: "id" })
      .limit(2000);
    const rows = (JSON.parse(await ask(page.coerceTo("array"))) as { r: [{ id: number }[]] }).r[0];
    if (rows.length === 0) break;
    walked += rows.length;
    from = rows.at(-1)!.id;
  }
  expect(walked).toBe(20_000);
  expect(performance.now() - started).toBeLessThan(5000);
});
