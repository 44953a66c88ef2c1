/** Pins through the command line, and what a restore notes in the repository while it reads. */
import { readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { r } from "../server/driver.js";
import { cli, cliJson, type Finished, start } from "./cli.js";
import { Stage, stop, tableOf, until } from "./stage.js";

interface PinResult {
  name: string;
  at: string;
  made: string;
  note: string | null;
}

let stage: Stage;
let repo: string;
/** An instant at which both tables were exact; one in the gap of both; one before everything. */
let exact: string;
let gap: string;

beforeAll(async () => {
  stage = await Stage.open();
  repo = stage.repo("pinned");
  await stage.query(r.dbCreate("shop"));
  for (const name of ["orders", "carts"]) {
    await stage.query(r.db("shop").tableCreate(name));
    const rows = Array.from({ length: 500 }, (_, id) => ({ id }));
    await stage.query(r.db("shop").table(name).insert(rows));
  }
  const first = stage.capture(repo);
  // The table of the stage's own beat too: what is to be pinned has to be exact for all that is captured.
  const all = ["shop.orders", "shop.carts", "pulse.beat"];
  const status = await stage.untilExactNow(repo, ...all);
  exact = tableOf(status, "shop.orders")!.lastRestorable!;
  await stop(first);
  const second = stage.capture(repo);
  const later = await stage.untilExactNow(repo, ...all);
  await stop(second);
  const begins = ["shop.orders", "shop.carts"].map(
    (name) => tableOf(later, name)!.intervals.find((one) => one.class !== "exact")!.from,
  );
  gap = begins.sort()[1]!;
});

afterAll(() => stage.close());

const pin = (...args: string[]) => cli(["pin", ...args, "--repo", repo]);
const pins = async () =>
  (await cliJson<{ pins: PinResult[] }>(["pin", "list", "--repo", repo])).pins;

function expectError(finished: Finished, code: number, message: RegExp, next: RegExp): void {
  expect(finished.stderr).toMatch(message);
  expect(finished.stderr).toMatch(next);
  expect(finished.status).toBe(code);
}

describe("a pin", () => {
  test("is added at the newest restorable instant, listed, shown by status, removed, and made again", async () => {
    expect(await pins()).toEqual([]);
    expect((await pin("list")).stdout).toBe("no pins\n");
    const added = await pin("add", "newest");
    const [, at] = /^pinned newest at (\S+\+00:00)\n$/.exec(added.stdout) ?? [];
    const { restorableUntil } = await cliJson<{ restorableUntil: string }>([
      "status",
      "--repo",
      repo,
    ]);
    expect(at).toBe(restorableUntil);
    const local = exact.replace("+00:00", "Z");
    await pin("add", "release-12", "--at", local, "--note", "before 1.2");
    const ever = { until: null, ended: false };
    const held = { made: expect.any(String), holds: true, losses: [], ...ever };
    const expected = [
      { name: "newest", at, note: null, ...held },
      { name: "release-12", at: exact, note: "before 1.2", ...held },
    ];
    expect(await pins()).toEqual(expected);
    const status = await cli(["status", "--repo", repo]);
    expect(status.stdout).toContain(`\nrelease-12  ${exact}  `);
    expect(await cliJson(["status", "--repo", repo])).toMatchObject({ pins: expected });
    const removed = await pin("remove", "newest");
    expect(removed.stdout).toBe(`removed newest, which was at ${at}\n`);
    expect(await pins()).toEqual(expected.slice(1));
    const again = await cliJson<PinResult>(["pin", "add", "newest", "--at", exact, "--repo", repo]);
    expect(again).toMatchObject({
      name: "newest",
      at: exact,
      tables: expect.arrayContaining([
        { id: expect.any(String), name: "shop.carts", class: "exact" },
        { id: expect.any(String), name: "shop.orders", class: "exact" },
      ]),
    });
    expect((await cli(["pin", "--help"])).stdout).toMatch(/add .*\n.*list .*\n.*remove /);
  });

  test("of an instant in a gap is refused, with every table named; or allowed", async () => {
    const refused = await pin("add", "gap", "--at", gap);
    const both = /shop\.(orders|carts) is in a gap, shop\.(orders|carts) is in a gap/;
    expectError(refused, 5, both, /→ .*--allow-inexact/);
    const allowed = await pin("add", "gap", "--at", gap, "--allow-inexact");
    expect(allowed.stdout).toContain(`pinned gap at ${gap}\n`);
    expect(allowed.stdout).toContain("shop.orders is in a gap then\n");
    await pin("remove", "gap");
  });

  test("that cannot be is refused", async () => {
    expectError(await pin("add", "Ä"), 2, /"Ä" is not a name for a pin/, /→ give/);
    expectError(await pin("add", "x", "--at", "soon"), 2, /"soon" as a time/, /→ give/);
    expectError(await pin("add", "x", "--at", "2999-01-01"), 5, /is still to come/, /→ pin it/);
    expectError(await pin("add", "x", "--at", "2020-01-01"), 5, /no table was captured/, /→/);
    expectError(await pin("remove", "x"), 6, /there is no pin x/, /→ `thinkback pin list`/);
    await pin("add", "taken", "--at", exact);
    expectError(await pin("add", "taken"), 2, /there is a pin taken already/, /→ take another/);
    const nowhere = await cli(["pin", "list", "--repo", stage.repo("nowhere")]);
    expectError(nowhere, 4, /there is no repository/, /→ check --repo/);
    expect((await cli(["pin"])).status).toBe(2);
    expect((await cli(["pin", "ad", "x"])).status).toBe(2);
    expect((await cli(["pin", "add"])).status).toBe(2);
    const asJson = await cli(["pin", "remove", "x", "--repo", repo, "--json"]);
    expect(JSON.parse(asJson.stderr)).toMatchObject({ error: { code: "unknown" } });
  });
});

describe("a restore", () => {
  const holds = () => readdir(join(repo, "holds")).catch(() => [] as string[]);
  const restoring = (name: string) => {
    const names = ["--db", "shop", "--rename", `shop=${name}`];
    return start(["restore", "--repo", repo, "--target", stage.address, ...names]);
  };

  test("places a hold in the repository while it runs, and none is there afterwards; a dry run places none", async () => {
    const dry = await cli(["restore", "--repo", repo, "--dry-run"]);
    expect(dry.status).toBe(0);
    expect(await holds()).toEqual([]);
    const running = restoring("held");
    let hold = "";
    await until("the hold is placed", async () => {
      const [name] = await holds();
      if (name?.endsWith(".json")) hold = await readFile(join(repo, "holds", name), "utf8");
      return hold !== "";
    });
    expect(JSON.parse(hold)).toMatchObject({ thinkback: "hold", number: 1, ended: false });
    expect((await running.finished).status).toBe(0);
    expect(await holds()).toEqual([]);
  });

  test("that is refused, or fails once its hold is placed, leaves no hold", async () => {
    const taken = await cli(["restore", "--repo", repo, "--target", stage.address]);
    expectError(taken, 7, /the target has .*shop\.orders already/, /→/);
    expect(await holds()).toEqual([]);
    await stage.query(r.db("rethinkdb").table("users").insert({ id: "reader", password: false }));
    await stage.query(r.db("rethinkdb").grant("reader", { read: true }));
    const target = stage.address.replace("//", "//reader@");
    const args = ["--db", "shop", "--rename", "shop=denied", "--target", target];
    const denied = await cli(["restore", "--repo", repo, ...args]);
    expectError(denied, 7, /does not permit to create database denied/, /→ grant/);
    expect(await holds()).toEqual([]);
  });

  test("from a repository that does not take the hold goes on, and says that there is none", async () => {
    await rm(join(repo, "holds"), { recursive: true, force: true });
    // What stands in the way stops root too, as missing permissions do not.
    await writeFile(join(repo, "holds"), "");
    const { status, stderr } = await restoring("unheld").finished;
    expect(stderr).toMatch(/cannot place a hold in the repository \(.*not a directory\)/);
    expect(status).toBe(0);
  });
});
