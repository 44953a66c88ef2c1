/** What `recoveries show` prints of a plan and a result: for people a table, for programs all of it, and no path. */
import { tmpdir } from "node:os";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { type Recovery, readRecovery } from "../../src/recoveries/recoveries.js";
import { DirectoryStore } from "../../src/storage/directory-store.js";
import { r, type Term } from "../server/driver.js";
import { cli, cliJson, type Running } from "./cli.js";
import { iso, nextInstant, Stage, until } from "./stage.js";

vi.setConfig({ testTimeout: 200_000 });

const orders = r.db("shop").table("orders");

let stage: Stage;
let repo: string;
let store: DirectoryStore;
let worker: Running;
let before: string;
let after: string;

beforeAll(async () => {
  stage = await Stage.open();
  repo = stage.repo("repository");
  store = new DirectoryStore(repo);
  await stage.query(r.dbCreate("shop"));
  await stage.query(r.db("shop").tableCreate("orders"));
  await stage.query(orders.insert(["a", "b", "c"].map((id) => ({ id, status: "open" }))));
  worker = stage.capture(repo, "--recoveries");
  await stage.untilExactNow(repo, "shop.orders");
  await cliJson(["recoveries", "approval", "none", "--repo", repo]);
  before = iso(await nextInstant(300));
  await stage.query(orders.update({ status: "bad" }));
  after = iso(await nextInstant(300));
  await stage.query(orders.get("a").update({ status: "mended" }));
  await stage.untilExactNow(repo, "shop.orders");
}, 120_000);

afterAll(() => stage.close());

interface Ended {
  recovery: Recovery;
  /** What is printed for people. */
  shown: string;
}

async function ended(state: Recovery["state"], ...words: string[]): Promise<Ended> {
  const asked = ["recoveries", "request", "--repo", repo, "--", ...words];
  const { id } = await cliJson<Recovery>(asked);
  await until(
    `recovery ${id} is ${state}`,
    async () => {
      const now = (await readRecovery(store, id))!;
      const isOther = ["done", "failed", "parked"].includes(now.state) && now.state !== state;
      if (isOther) throw new Error(`${JSON.stringify(now.error)}; ${worker.stderr()}`);
      return now.state === state;
    },
    150_000,
  );
  const { stdout: shown } = await cli(["recoveries", "show", id, "--repo", repo]);
  const recovery = await cliJson<Recovery>(["recoveries", "show", id, "--repo", repo]);
  // Of the machine that made the plan no place is told, and no server.
  for (const place of [tmpdir(), stage.directory, stage.address, "plan.json"]) {
    const { plan, result, error } = recovery;
    expect([place, JSON.stringify({ plan, result, error }).includes(place)]).toEqual([
      place,
      false,
    ]);
    expect([place, shown.includes(place)]).toEqual([place, false]);
  }
  // No line of JSON.
  expect(shown).not.toMatch(/[{}]/);
  return { recovery, shown };
}

/** A row of a printed table, by its first column. */
const row = (shown: string, ...cells: (string | RegExp)[]) =>
  new RegExp(
    `^ +${cells.map((cell) => (typeof cell === "string" ? cell.replaceAll(/\W/g, "\\$&") : cell.source)).join(" {2,}")}$`,
    "m",
  ).test(shown);

test("of an undo: what it changes, its conflicts, how long it takes, and the way back by another request", async () => {
  const words = [`--from=${before}`, `--to=${after}`, "--on-conflict=skip"];
  const { recovery, shown } = await ended("done", "undo", "shop.orders", ...words);
  expect(shown).toMatch(/^plan: undo .*: would change 2 documents, delete 0 .*, bring back 0/m);
  expect(shown).toMatch(/^ {2}table +change +delete +bring back +size +conflicts$/m);
  expect(row(shown, "shop.orders", "2", "0", "0", /\d+ B/, "1")).toBe(true);
  expect(shown).toMatch(/^ {2}conflict: shop\.orders "a": status$/m);
  expect(shown).toMatch(/^ {2}carrying it out: about \d+\.\d s .* PUT, .* read back$/m);
  expect(shown).toMatch(/^result: undo .*: 2 documents written in \d+\.\d s: changed 2/m);
  expect(row(shown, "shop.orders", "2", "0", "0", "0")).toBe(true);
  const { operation, wayBack } = recovery.result as { operation: string; wayBack: string };
  expect(wayBack).toBe(`thinkback recoveries request -- undo --operation=${operation}`);
  expect(shown).toContain(`: ${wayBack}\n`);
  expect(recovery.plan).toMatchObject({ changed: 2, conflictCount: 1, estimate: { documents: 2 } });
  expect(recovery.plan).not.toHaveProperty("plan");

  // The way back is one.
  const back = wayBack.split(" -- ")[1]!.split(" ");
  const { recovery: undone } = await ended("done", ...back);
  expect(undone.result).toMatchObject({ written: 2 });
  expect(await stage.query(orders.get("b")("status"))).toBe("bad");
});

test("of one that conflicts refuse: which these are", async () => {
  const { recovery, shown } = await ended(
    "failed",
    "undo",
    "shop.orders",
    `--from=${before}`,
    `--to=${after}`,
  );
  expect(recovery.error).toMatchObject({ code: "conflict" });
  expect(shown).toMatch(/^result: undo .*/m);
  expect(shown).toMatch(/^ {2}conflict: shop\.orders "a": status$/m);
});

test("of a restore and a promote: tables, classes, counts, and what became of them", async () => {
  const { recovery, shown } = await ended(
    "done",
    "restore",
    `--at=${before}`,
    "--table=shop.orders",
    "--beside",
  );
  const { restored } = recovery.result as { restored: { to: string }[] };
  const [{ to }] = restored as [{ to: string }];
  expect(shown).toMatch(/^plan: restores to /m);
  expect(row(shown, "shop.orders", to, "exact", /\S+/, "3", /\d+ B/, "0")).toBe(true);
  expect(shown).toMatch(/^ {2}catalog: exact$/m);
  expect(shown).toMatch(/^ {2}it takes about /m);
  expect(shown).toMatch(/^result: restored to .* in \d+\.\d s$/m);
  expect(row(shown, to, "3", /\d+ B/, /\d+\.\d/, "0", "equal")).toBe(true);

  const { shown: swapped } = await ended("done", "promote", "shop.orders", `--from=${to}`);
  expect(swapped).toContain(`plan: ${to} would become shop.orders\n`);
  expect(row(swapped, to, "3", "would become shop.orders")).toBe(true);
  expect(swapped).toContain(`result: ${to} became shop.orders\n`);

  // The restore put a write hook on its table while that was not whole. It is not missed; somebody's own is.
  const warning = "has no write hook any more";
  expect(worker.stderr()).not.toContain(warning);
  await stage.query(orders.setWriteHook!((_: Term, __: Term, document: Term) => document));
  await stage.untilExactNow(repo, "shop.orders");
  await stage.query(orders.setWriteHook!(null));
  await until("the hook is missed", () => worker.stderr().includes(warning));
});
