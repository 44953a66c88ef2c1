/** thinkback verify and repair as processes, beside a running capture and on a repository that was damaged. */
import { cp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { LogView } from "../../src/repository/log/log-view.js";
import { openRepository } from "../../src/repository/repository.js";
import { storeAt } from "../../src/storage/store-at.js";
import { foldLog } from "../repository/looks.js";
import { r } from "../server/driver.js";
import { cli, cliJson, status } from "./cli.js";
import { Stage, stop, tableOf } from "./stage.js";

interface VerifyResult {
  sound: boolean;
  read: { objects: number };
  damage: { object: string; what: string; costs: { name: string }[] }[];
  lost: { name: string; from: string; to: string }[];
  breaks: unknown[];
  chainsFollowed: boolean;
}

let stage: Stage;
let repo: string;
let copies = 0;

beforeAll(async () => {
  stage = await Stage.open();
  repo = stage.repo("sound");
  await stage.query(r.dbCreate("shop"));
  await stage.query(r.db("shop").tableCreate("orders"));
  await stage.query(orders().insert(documents(0, 500)));
  const run = stage.capture(repo, "--include", "shop.*");
  await stage.untilExactNow(repo, "shop.orders");
  let verified = 0;
  for (let at = 0; at < 4; at += 1) {
    await stage.query(orders().insert(documents(at * 50, at * 50 + 100), { conflict: "replace" }));
    await stage.query(orders().get(at).delete());
    if (at % 3 === 0) {
      // What is being written meanwhile is no damage.
      const result = await cliJson<VerifyResult>(["verify", "--repo", repo, "--data"]);
      expect(result).toMatchObject({ sound: true, breaks: [], chainsFollowed: true });
      verified = Math.max(verified, result.read.objects);
    }
    await stage.untilExactNow(repo, "shop.orders");
  }
  expect(verified).toBeGreaterThan(5);
  expect((await stop(run)).status).toBe(0);
  await cliJson(["fold", "--repo", repo]);
  // As if some hours had passed.
  await foldLog(await openRepository(storeAt(repo)), {
    now: Date.now() + 3 * 3_600_000,
    settleMs: 60_000,
    partial: true,
    unique: "e2e",
    resolutionOf: () => 1,
    spanMaxMs: () => Number.MAX_SAFE_INTEGER,
    pinned: [],
  });
}, 180_000);

afterAll(() => stage.close());

const orders = () => r.db("shop").table("orders");

function documents(from: number, to: number): object[] {
  return Array.from({ length: to - from }, (_, i) => ({ id: from + i, at: Math.random() }));
}

async function copyOfRepo(): Promise<string> {
  copies += 1;
  const copy = stage.repo(`copy-${copies}`);
  await cp(repo, copy, { recursive: true });
  return copy;
}

async function flip(path: string): Promise<void> {
  const bytes = await readFile(path);
  bytes[12]! ^= 0x10;
  await writeFile(path, bytes);
}

async function usedPart(): Promise<string> {
  const { pieces } = await LogView.read(storeAt(repo));
  const { id } = tableOf(await status(repo), "shop.orders")!;
  const parts = pieces.flatMap((piece) =>
    piece.kind === "folded" ? piece.manifest.tables.filter(({ table }) => table === id) : [],
  );
  return parts[0]!.parts[0]!.name;
}

test("a sound repository ends with 0 and says what it read", async () => {
  const { status: code, stdout } = await cli(["verify", "--repo", repo, "--data"]);
  expect(stdout).toContain("nothing is damaged");
  expect(stdout).toMatch(/\d+ objects, .* of them read to the end, .*; version chains followed/);
  expect(stdout).toMatch(/replaced +\d+ .* other objects hold the same/);
  expect(code).toBe(0);
  const sample = await cli(["verify", "--repo", repo, "--sample", "30%"]);
  expect(sample.stdout).toContain("(a share of 30% was drawn)");
  expect(sample.status).toBe(0);
});

test("a byte that changed is found, repaired, and all of it restored", async () => {
  const copy = await copyOfRepo();
  const part = await usedPart();
  await flip(join(copy, part));
  expect((await cli(["verify", "--repo", copy])).status).toBe(0);
  const { status: code, stdout, stderr } = await cli(["verify", "--repo", copy, "--data"]);
  expect(stdout).toContain(part);
  expect(stdout).toContain("the frame at byte 0 fails its checksum");
  expect(stdout).toContain("no instant is lost: other objects hold what the damaged ones held");
  expect(stderr).toContain(
    "→ `thinkback repair` rebuilds what other objects still hold; put the rest back",
  );
  expect(code).toBe(8);
  const before = await readdir(copy, { recursive: true });
  const plan = await cli(["repair", "--repo", copy, "--data", "--dry-run"]);
  expect(plan.stdout).toMatch(/would be rebuilt/);
  expect(plan.status).toBe(0);
  const isLasting = (name: string) => !name.startsWith("holds");
  expect((await readdir(copy, { recursive: true })).filter(isLasting)).toEqual(
    before.filter(isLasting),
  );
  const repaired = await cli(["repair", "--repo", copy, "--data"]);
  // Segments younger than a minute are not folded: they stand in by themselves.
  expect(repaired.stdout).toMatch(
    /checksum\n {2}(rebuilt\n {4}by folded\/|not needed: other objects)/,
  );
  expect(repaired.status).toBe(0);
  expect((await cli(["verify", "--repo", copy, "--data"])).status).toBe(0);
  const { restored } = await stage.restore(copy, "--db", "shop", "--rename", "shop=repaired");
  expect(restored.map(({ matches }) => matches)).toEqual([true]);
  const held = await stage.query<number>(r.db("repaired").table("orders").count());
  expect(held).toBe(await stage.query<number>(orders().count()));
});

test("what nobody holds any more is named, with what it costs", async () => {
  const copy = await copyOfRepo();
  const part = await usedPart();
  await rm(join(copy, part));
  await rm(join(copy, "log"), { recursive: true });
  const { status: code, stdout } = await cli(["verify", "--json", "--repo", copy]);
  expect(code).toBe(8);
  const result = JSON.parse(stdout) as VerifyResult;
  const damage = result.damage.find(({ object }) => object === part)!;
  expect(damage.what).toBe("it is missing");
  expect(damage.costs.map(({ name }) => name)).toContain("shop.orders");
  expect(result.lost.length).toBeGreaterThan(0);
  const people = await cli(["verify", "--repo", copy]);
  expect(people.stdout).toMatch(/cannot be restored +from +to +because of\n.*shop\.orders/);
  const repaired = await cli(["repair", "--repo", copy]);
  expect(repaired.stdout).toContain("CANNOT BE REBUILT");
  expect(repaired.status).toBe(8);
});

test("what is not a share, or not a repository, is refused", async () => {
  for (const args of [
    ["--sample", "0%"],
    ["--sample", "5"],
    ["--sample", "101%"],
    ["--sample", "5%", "--data"],
  ]) {
    expect((await cli(["verify", "--repo", repo, ...args])).status, args.join(" ")).toBe(2);
  }
  expect((await cli(["verify", "--repo", stage.repo("nowhere")])).status).toBe(4);
  expect((await cli(["repair", "--repo", stage.repo("nowhere")])).status).toBe(4);
  expect(await readdir(stage.directory)).not.toContain("nowhere");
});
