/** Recoveries that are requested in the repository, and carried out by a process that is killed on the way. */
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { systemClock } from "../../src/clock.js";
import {
  approve,
  eventsOf,
  type Recovery,
  type RecoveryEvent,
  readRecovery,
} from "../../src/recoveries/recoveries.js";
import { listOperations } from "../../src/repository/records/operations.js";
import { DirectoryStore } from "../../src/storage/directory-store.js";
import { r } from "../server/driver.js";
import { cli, cliJson, type Running } from "./cli.js";
import { countWrites } from "./count-writes.js";
import { kill, Stage, until } from "./stage.js";

vi.setConfig({ testTimeout: 300_000 });

const documents = 6000;
const orders = r.db("shop").table("orders");
const bob = { name: "bob", via: "api" } as const;

let stage: Stage;
let repo: string;
let store: DirectoryStore;
let worker: Running;
let then: string;
let before: Map<string, string>;

beforeAll(async () => {
  stage = await Stage.open();
  repo = stage.repo("repository");
  store = new DirectoryStore(repo);
  await stage.query(r.dbCreate("shop"));
  await stage.query(r.db("shop").tableCreate("orders"));
  for (let from = 0; from < documents; from += 2000) {
    const some = Array.from({ length: 2000 }, (_, i) => ({ id: from + i, status: "open" }));
    await stage.query(orders.insert(some, { durability: "soft" }));
  }
  begin();
  await stage.untilExactNow(repo, "shop.orders");
  before = await stage.texts("shop", "orders");
  await new Promise((resolve) => setTimeout(resolve, 300));
  const at = Date.now();
  await stage.untilExact(repo, at + 1, "shop.orders");
  then = new Date(at).toISOString();
  await stage.query(orders.update({ status: "bad" }, { durability: "soft" }));
  await stage.untilExactNow(repo, "shop.orders");
}, 120_000);

afterAll(() => stage.close());

function begin(): void {
  worker = stage.capture(repo, "--recoveries");
}

const recoveries = <T = Recovery>(...words: string[]) =>
  cliJson<T>(["recoveries", words[0]!, "--repo", repo, ...words.slice(1)]);
const request = (key: string, ...words: string[]) =>
  recoveries("request", "--idempotency-key", key, "--", ...words);
/** Read here: a command for each look would cost more than what is looked at. */
const show = async (id: string) => (await readRecovery(store, id))!;

async function untilState(id: string, state: string): Promise<Recovery> {
  let now: Recovery | undefined;
  await until(
    `recovery ${id} is ${state}`,
    async () => {
      now = await show(id);
      if (now.state !== state && ["failed", "parked"].includes(now.state)) {
        throw new Error(`it is ${now.state}: ${JSON.stringify(now.error)}; ${worker.stderr()}`);
      }
      return now.state === state;
    },
    150_000,
  );
  return now!;
}

/** Resolves when so much of it is done. */
const untilShare = (id: string, share: number) =>
  until(
    `recovery ${id} is under way`,
    async () => {
      const { state, progress } = await show(id);
      if (state === "done") throw new Error("it was done too soon");
      return (progress?.share ?? 0) >= share;
    },
    150_000,
  );

/** The events of a recovery: each number once, and every later one after the one before. */
async function checkedEvents(id: string): Promise<RecoveryEvent[]> {
  const events = await eventsOf(store, id, 0);
  expect(events.map(({ number }) => number)).toEqual(events.map((_, i) => i + 1));
  for (const after of [1, 3, events.length]) {
    expect(await eventsOf(store, id, after)).toEqual(events.slice(after));
  }
  return events;
}

test("a restore that was requested twice is carried out once, though its process is killed amidst", async () => {
  const words = ["restore", "--at", then, "--table", "shop.orders", "--beside", "--max-rate=1500"];
  const [one, two] = await Promise.all([request("a", ...words), request("a", ...words)]);
  expect(two.id).toBe(one.id);
  expect(one.needsApproval).toBe(false);
  const other = await cli([
    "recoveries",
    "request",
    "--repo",
    repo,
    "--idempotency-key",
    "a",
    "--",
    "drill",
  ]);
  expect(other.status).toBe(2);
  expect(other.stderr).toContain(`used for another request, recovery ${one.id}`);
  await untilShare(one.id, 0.3);
  await kill(worker);
  begin();
  const done = await untilState(one.id, "done");
  expect(done.plan).toMatchObject({ at: then.replace("Z", "+00:00"), estimatedSeconds: null });
  expect(done.result).toMatchObject({ restored: [{ documents, matches: true }] });
  const { restored } = done.result as { restored: { to: string; already: number }[] };
  expect(restored[0]!.already).toBeGreaterThan(0);
  const [db, name] = restored[0]!.to.split(".") as [string, string];
  expect(await stage.texts(db, name)).toEqual(before);
  const events = await checkedEvents(one.id);
  expect(events.filter(({ state }) => state === "done")).toHaveLength(1);
  expect(new Set(events.flatMap(({ worker: of }) => of?.unique ?? [])).size).toBe(2);
  expect(events.at(-1)).toMatchObject({ state: "done", attempt: 2 });
});

test("a rewind of live data waits for somebody else, and writes each document once, though it is killed", async () => {
  const words = ["rewind", "shop.orders", "--at", then, "--max-rate=1500"];
  const { id } = await request("b", ...words);
  const waiting = await untilState(id, "waiting");
  expect(waiting.plan).toMatchObject({ documents, changed: documents, deleted: 0 });
  const own = await cli(["recoveries", "approve", "--repo", repo, id]);
  expect(own.status).toBe(2);
  expect(own.stderr).toContain(`has asked for recovery ${id}, and cannot approve it`);
  expect((await show(id)).state).toBe("waiting");
  const writes = new Map<string, number>();
  const counting = await countWrites(stage, orders, writes);
  await approve(store, systemClock, id, bob);
  await untilShare(id, 0.3);
  await kill(worker);
  begin();
  const done = await untilState(id, "done");
  expect(done.approvedBy).toEqual(bob);
  expect(await stage.texts("shop", "orders")).toEqual(before);
  await until("the feed has told of all writes", () => writes.size === documents);
  await counting.close();
  expect(new Set(writes.values())).toEqual(new Set([1]));
  const { already, written } = done.result as { already: number; written: number };
  expect(already).toBeGreaterThan(0);
  expect(already + written).toBe(documents);
  const operations = await listOperations(store);
  expect(new Set(operations.map((operation) => operation.id)).size).toBe(1);
  await checkedEvents(id);
});

test("one that is cancelled stops, and says what is half done", async () => {
  const words = ["restore", "--at", then, "--db=shop", "--rename=shop=back", "--max-rate=500"];
  await cliJson(["recoveries", "approval", "none", "--repo", repo]);
  const { id } = await request("c", ...words);
  await untilShare(id, 0.1);
  await recoveries("cancel", id);
  let left: Recovery | undefined;
  await until("its process has said what is left", async () => {
    left = await show(id);
    return left.error !== undefined;
  });
  expect(left).toMatchObject({ state: "cancelled", error: { code: "incomplete" } });
  expect(left!.error!.message).toContain("half-filled: back.orders");
  expect(left!.result).toMatchObject({ halfFilled: ["back.orders"] });
  const followed = await cli(["recoveries", "show", id, "--follow", "--repo", repo]);
  expect(followed.status).toBe(12);
  expect(followed.stderr).toContain("half-filled: back.orders");
  await cliJson(["recoveries", "approval", "live", "--repo", repo]);
});

test("one that cannot be planned fails, and says why", async () => {
  const { id } = await request("d", "restore", "--table=shop.nothing", "--beside");
  await until("it has failed", async () => (await show(id)).state === "failed");
  expect((await show(id)).error).toMatchObject({ code: "unknown" });
  const refused = await cli([
    "recoveries",
    "request",
    "--repo",
    repo,
    "--",
    "restore",
    "--report=x",
  ]);
  expect(refused.status).toBe(2);
  const { recoveries: all } = await recoveries<{ recoveries: Recovery[] }>("list");
  expect(all.map(({ state }) => state)).toEqual(["failed", "cancelled", "done", "done"]);
});
