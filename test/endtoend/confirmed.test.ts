/** A rewind whose plan is shown first: nothing is written before somebody confirms it, and then exactly the plan. */
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { systemClock } from "../../src/clock.js";
import { approve, createRecovery, type Recovery } from "../../src/recoveries/recoveries.js";
import { DirectoryStore } from "../../src/storage/directory-store.js";
import { r } from "../server/driver.js";
import { cli, cliJson, type Running } from "./cli.js";
import { countWrites } from "./count-writes.js";
import { iso, kill, nextInstant, Stage, until } from "./stage.js";

vi.setConfig({ testTimeout: 300_000 });

const [documents, bad] = [400, 300];
const orders = r.db("shop").table("orders");

let stage: Stage;
let repo: string;
let worker: Running;
let then: string;
/** Text of each document at `then`, by its key. */
let before: Map<string, string>;

beforeAll(async () => {
  stage = await Stage.open();
  repo = stage.repo("repository");
  await stage.query(r.dbCreate("shop"));
  await stage.query(r.db("shop").tableCreate("orders"));
  const some = Array.from({ length: documents }, (_, id) => ({ id, status: "open" }));
  await stage.query(orders.insert(some));
  worker = stage.capture(repo, "--recoveries");
  await stage.untilExactNow(repo, "shop.orders");
  before = await stage.texts("shop", "orders");
  then = iso(await nextInstant(300));
  await damage();
}, 120_000);

afterAll(() => stage.close());

async function damage(): Promise<void> {
  const some = orders.between(0, bad).update({ status: "bad" });
  await stage.query(some);
  await stage.untilExactNow(repo, "shop.orders");
}

const recoveries = (...words: string[]) =>
  cliJson<Recovery>(["recoveries", words[0]!, "--repo", repo, ...words.slice(1)]);

async function untilState(id: string, state: Recovery["state"]): Promise<Recovery> {
  let now: Recovery | undefined;
  await until(
    `recovery ${id} is ${state}`,
    async () => {
      now = await recoveries("show", id);
      if (now.state !== state && ["failed", "parked"].includes(now.state)) {
        throw new Error(`it is ${now.state}: ${JSON.stringify(now.error)}; ${worker.stderr()}`);
      }
      return now.state === state;
    },
    150_000,
  );
  return now!;
}

/** The worker has looked at everything that is older than what it carries out now to its end. */
async function untilLookedAt(at: string): Promise<void> {
  const restore = ["restore", "--at", at, "--table=shop.orders", "--beside"];
  const { id } = await recoveries("request", "--", ...restore);
  await untilState(id, "done");
}

test("nothing is written before the confirmation, and exactly the plan after it", async () => {
  await cliJson(["recoveries", "approval", "none", "--repo", repo]);
  const asked = await recoveries(
    "request",
    "--confirm",
    "--",
    "rewind",
    "shop.orders",
    "--at",
    then,
  );
  expect(asked).toMatchObject({ confirm: true, needsApproval: false });
  const { id } = asked;
  const shown = await untilState(id, "waiting");
  expect(shown).toMatchObject({
    waitsFor: ["confirmation"],
    plan: { documents: bad, changed: bad, deleted: 0 },
  });
  const writes = new Map<string, number>();
  const counting = await countWrites(stage, orders, writes);
  await untilLookedAt(then);
  const listed = await cli(["recoveries", "list", "--repo", repo]);
  expect(listed.stdout).toMatch(new RegExp(`${id} .* waiting for confirmation `));
  const other = ["confirm", id, "--number", String(shown.planIn! + 1)];
  const refused = await cli(["recoveries", ...other, "--repo", repo]);
  expect([refused.status, refused.stderr]).toEqual([
    2,
    expect.stringContaining(`the plan of recovery ${id} is in event ${shown.planIn}`),
  ]);
  expect([...writes]).toEqual([]);
  // It differs from the instant by now, but not when the plan was made.
  const late = documents - 1;
  await stage.query(orders.get(late).update({ status: "late" }));
  await until("the feed has told of it", () => writes.get(String(late)) === 1);

  await recoveries("confirm", id, "--number", String(shown.planIn));
  const done = await untilState(id, "done");
  expect(done).toMatchObject({ waitsFor: [], confirmedBy: { via: "cli" }, plan: shown.plan });
  expect(done.result).toMatchObject({ written: bad });
  await until("the feed has told of all writes", () => writes.size === bad + 1);
  await counting.close();
  const planned = Array.from({ length: bad }, (_, key): [string, number] => [String(key), 1]);
  expect(writes).toEqual(new Map([[String(late), 1], ...planned]));
  const now = await stage.texts("shop", "orders");
  const differing = [...before].filter(([key, text]) => now.get(key) !== text);
  expect(differing.map(([key]) => key)).toEqual([String(late)]);
  const followed = await cli(["recoveries", "show", id, "--follow", "--repo", repo]);
  expect(followed.stderr).toMatch(
    /waiting for confirmation: the plan is made\n.* planned: confirmed by /,
  );
});

test("with an approval besides it waits for both, also while its process ends and another one begins", async () => {
  await cliJson(["recoveries", "approval", "live", "--repo", repo]);
  await damage();
  const later = await nextInstant(300);
  await stage.untilExact(repo, later + 1, "shop.orders");
  const store = new DirectoryStore(repo);
  const by = { name: "alice", via: "api" } as const;
  const asked = { command: "rewind", args: ["shop.orders", `--at=${then}`], by, confirm: true };
  const { id } = await createRecovery(store, systemClock, asked);
  const shown = await untilState(id, "waiting");
  expect(shown).toMatchObject({
    waitsFor: ["confirmation", "approval"],
    plan: { documents: bad + 1 },
  });
  await approve(store, systemClock, id, { name: "bob", via: "api" });
  await kill(worker);
  worker = stage.capture(repo, "--recoveries");
  await untilLookedAt(iso(later));
  expect(await recoveries("show", id)).toMatchObject({ waitsFor: ["confirmation"] });
  const open = orders.filter({ status: "open" }).count();
  expect(await stage.query(open)).toBe(documents - bad - 1);
  // One of the plan's documents that somebody has changed since stays, and is named.
  await stage.query(orders.get(0).update({ status: "kept" }));
  await recoveries("confirm", id);
  const ended = await untilState(id, "failed");
  expect(ended).toMatchObject({
    error: { code: "conflict" },
    result: { written: bad },
  });
  expect(await stage.query(orders.get(0))).toEqual({ id: 0, status: "kept" });
  expect(await stage.query(open)).toBe(documents - 1);
});
