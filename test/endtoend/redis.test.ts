/** Processes that find each other by a real Redis, and processes that do a part of the work. */
import { Redis } from "ioredis";
import { afterAll, beforeAll, expect, test } from "vitest";
import { RedisMembers, type ToldMember } from "../../src/coordination/redis-members.js";
import { redisWaker } from "../../src/coordination/redis-waker.js";
import { listClaims } from "../../src/repository/log/claims.js";
import { memberRenewMs } from "../../src/repository/registers/members.js";
import { storeAt } from "../../src/storage/store-at.js";
import { valueIn } from "../health/exposition.js";
import { r } from "../server/driver.js";
import { RedisServer } from "../server/redis-server.js";
import { cli } from "./cli.js";
import { brokenChains, judge, spread } from "./judge.js";
import { Ledger } from "./ledger.js";
import { otherMachine } from "./other-machine.js";
import { metricsUrl, scrape } from "./scrape.js";
import { kill, Stage, stop, tableOf, until } from "./stage.js";
import { Writer } from "./workload.js";

let stage: Stage;
let redis: RedisServer;
beforeAll(async () => {
  [stage, redis] = await Promise.all([Stage.open(), RedisServer.start()]);
});
afterAll(() => Promise.all([stage.close(), redis.stop()]));

/** The process that has claimed the newest epoch. */
async function writerOf(repo: string): Promise<number | undefined> {
  return (await listClaims(storeAt(repo))).at(-1)?.process;
}

/** By objects alone a process of another machine is not taken for gone any sooner. */
const takeOverMsMax = 3 * memberRenewMs;

test("one of two processes captures the only lane; when it is killed, the other goes on", async () => {
  await stage.query(r.dbCreate("shop"));
  await stage.query(r.db("shop").tableCreate("orders"));
  const ledger = new Ledger();
  const connection = await stage.connect();
  const of = { db: "shop", table: "orders", writer: 1, documents: 40, seed: 3 };
  const writer = new Writer(connection, { ...of, ledger });
  await writer.load();
  const ended = new AbortController();
  const writing = writer.write(ended.signal, 20);
  const repo = stage.repo("shared");
  const began = Date.now();
  const first = stage.capture(repo, "--redis", redis.address, "--metrics", "0");
  await until("the first one captures", async () => {
    return (await writerOf(repo)) === first.process.pid;
  });
  // It cannot know whether the first one runs: it goes by the lease.
  const second = stage.captureIn(otherMachine, repo, "--redis", redis.address);
  await stage.untilExactNow(repo, "shop.orders");
  await until("both are members", async () => {
    const keys = await redis.ask((client) => client.keys("thinkback:*:member:*"));
    return keys.length === 2;
  });
  expect(await writerOf(repo)).toBe(first.process.pid);
  const metrics = await scrape(await metricsUrl(first));
  const answered = valueIn(metrics, "thinkback_redis_answer_timestamp_seconds")! * 1000;
  expect(Math.abs(Date.now() - answered)).toBeLessThan(5000);

  const killed = Date.now();
  await kill(first);
  const isNext = async () => (await writerOf(repo)) === second.process.pid;
  await until("the second one goes on", isNext, takeOverMsMax).catch((error: Error) => {
    throw new Error(`${error.message}; it says:\n${second.stderr()}`);
  });
  expect(Date.now() - killed).toBeGreaterThan(3000);
  await stage.untilExactNow(repo, "shop.orders");
  const live = Date.now();
  ended.abort();
  await writing;
  await connection.close();
  await stage.untilExactNow(repo, "shop.orders");
  expect((await stop(second)).status).toBe(0);

  const moments = [...spread(began, killed, 60), ...spread(killed, live, 60)];
  const verdict = await judge(repo, "shop.orders", ledger, moments);
  expect(verdict.wrong).toEqual([]);
  expect(verdict.exact + verdict.late).toBeGreaterThan(10);
  const { intervals } = tableOf(await stage.untilExact(repo, live, "shop.orders"), "shop.orders")!;
  const gaps = intervals.filter(({ class: is }) => is === "gap");
  expect(gaps.map(({ from }) => Date.parse(from) > killed - 5000)).toEqual([true]);
  expect(await brokenChains(repo)).toEqual([]);
});

test("a process without the role capture folds, and claims nothing", async () => {
  const repo = stage.repo("folded");
  const nothing = await cli(["run", "--role", "fold", "--repo", repo]);
  expect([nothing.status, nothing.stderr]).toEqual([4, expect.stringContaining("no repository")]);
  expect((await stage.backUp(repo)).status).toBe(0);
  const claims = await listClaims(storeAt(repo));
  const once = await cli(["run", "--role", "fold", "--repo", repo, "--once"]);
  expect([once.status, once.stderr]).toEqual([2, expect.stringContaining("--once has no effect")]);
  const running = stage.start(["run", "--repo", repo, "--role", "fold", "--maintain-every", "1s"]);
  await until("it has maintained", () =>
    running.stderr().includes("the repository was maintained"),
  );
  const { status, stdout } = await stop(running);
  expect([status, stdout]).toEqual([0, expect.stringMatching(/^served for /)]);
  expect(await listClaims(storeAt(repo))).toEqual(claims);
});

test("a Redis that cannot do what is needed is refused, and one that is away is not", async () => {
  const repo = stage.repo("refused");
  const evicting = await RedisServer.start("--maxmemory-policy", "allkeys-lru");
  try {
    const refused = await stage.capture(repo, "--redis", evicting.address).finished;
    expect([refused.status, refused.stderr]).toEqual([16, expect.stringContaining("allkeys-lru")]);
  } finally {
    await evicting.stop();
  }
  const away = stage.capture(repo, "--redis", evicting.address);
  await until("it captures", async () => (await claimsOf(repo)) === 1);
  expect(away.stderr()).toContain("Redis does not answer");
  expect((await stop(away)).status).toBe(0);
});

const claimsOf = async (repo: string) => (await listClaims(storeAt(repo))).length;

test("what members tell stands in Redis as long as they tell it, and what others put there does not matter", async () => {
  const client = new Redis(redis.port, "127.0.0.1");
  try {
    const members = new RedisMembers(client, "a-repository");
    const common = { host: "h", process: 1, space: "s", lanes: [0, 3], replaces: [], number: 7 };
    const told = (unique: string, beat: number): ToldMember => {
      return { ...common, unique, beat, left: false };
    };
    expect(await members.tell(told("a", 1), 60_000)).toEqual([told("a", 1)]);
    const both = await members.tell(told("b", 1), 100);
    expect(both.map(({ unique }) => unique).sort()).toEqual(["a", "b"]);
    await client.sadd("thinkback:{a-repository}:members", "c", "d");
    await client.set("thinkback:{a-repository}:member:c", "{}");
    await client.set("thinkback:{a-repository}:member:d", '{"unique":');
    await until("it is forgotten", async () => {
      return (await client.exists("thinkback:{a-repository}:member:b")) === 0;
    });
    expect(await members.tell(told("a", 2), 60_000)).toEqual([told("a", 2)]);
    expect(await client.sismember("thinkback:{a-repository}:members", "b")).toBe(0);
    const other = new RedisMembers(client, "another");
    expect(await other.tell(told("z", 1), 60_000)).toEqual([told("z", 1)]);
  } finally {
    client.disconnect();
  }
});

test("a process is woken by another one, and when Redis is back", async () => {
  const options = { lazyConnect: true, retryStrategy: () => 50 };
  const clients = Array.from({ length: 3 }, () => new Redis(redis.port, "127.0.0.1", options));
  for (const client of clients) client.on("error", () => undefined);
  const [publisher, ...subscribers] = clients as [Redis, Redis, Redis];
  await publisher.connect();
  const [here, there] = subscribers.map((one) => redisWaker(publisher, one, "a-repository"));
  let woken = 0;
  const end = there!.onWake("recoveries", () => {
    woken += 1;
  });
  try {
    await until("it is subscribed", () => woken > 0);
    woken = 0;
    here!.wake("audits");
    here!.wake("recoveries");
    await until("it is woken", () => woken === 1);
    await redis.restart();
    await until("it is woken after the restart", () => woken === 2);
    end();
    here!.wake("recoveries");
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(woken).toBe(2);
  } finally {
    here!.end();
    there!.end();
    publisher.disconnect();
  }
});
