/** `thinkback expire` on a repository whose capture ended days ago. No server is needed. */
import { cp, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { DirectoryStore } from "../../src/storage/directory-store.js";
import { dayMs, dayOf } from "../repository/declared.js";
import { makeRepository, namesIn, Recording, StillClock } from "../repository/recording.js";
import { cli, cliJson, status } from "./cli.js";

interface ExpireResult {
  keep: string | null;
  agesCountedFrom: string;
  tables: { name: string; from: string | null; fromThen: string | null }[];
  expired: { logTo: string | null; names: string[] };
  deleted: { objects: number; names: string[] };
}

const table = "0a000000-0000-4000-8000-000000000001";
let directory: string;
let store: DirectoryStore;
/** When the log ends, three days ago, after six days. */
let end: number;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "thinkback-expire-"));
  store = new DirectoryStore(directory);
  const clock = new StillClock(dayOf(Date.now()) - 9 * dayMs + 3_600_000);
  const recording = await Recording.begin(await makeRepository(store), clock);
  recording.catalogRead();
  recording.catalog(["db", "d1"], { id: "d1", name: "shop" });
  recording.catalog(["table", table], { id: table, name: "orders", db: "shop", primary_key: "id" });
  recording.coverage(table, { state: "copying", since: clock.instant });
  const copy = await recording.copy(table, [[1, { id: 1 }]]);
  const live = await recording.tick();
  await copy.finish(live, live - 1000);
  recording.coverage(table, { state: "live", since: live });
  for (let day = 1; day <= 6; day += 1) {
    recording.put(table, day, { id: day });
    await recording.tick(dayMs - 2);
  }
  end = await recording.tick();
});

afterAll(() => rm(directory, { recursive: true, force: true }));

const iso = (instant: number) => new Date(instant).toISOString().replace("Z", "+00:00");
const keep = ["--keep", "all:2d"];

test("a dry run says what would go, counted from the end of the log, and changes nothing", async () => {
  const before = await namesIn(store);
  const plan = await cliJson<ExpireResult>(["expire", "--repo", directory, ...keep, "--dry-run"]);
  expect(plan.agesCountedFrom).toBe(iso(end));
  const { stdout } = await cli(["expire", "--repo", directory, ...keep, "--dry-run"]);
  expect(stdout).toContain("would be deleted");
  // Nothing is declared by it, and what it is a plan of is said.
  expect(stdout).toContain(
    "other tiers than those declared: every change, for ever\nkept: all:2d\n",
  );
  expect(plan.keep).toBe("all:2d");
  expect(await namesIn(store)).toEqual(before);
});

test("a dry run names what would be expired, also if nothing may be deleted", async () => {
  const copy = await mkdtemp(join(tmpdir(), "thinkback-expire-"));
  await cp(directory, copy, { recursive: true });
  const expire = ["expire", "--repo", copy, "--no-delete"];
  const early = await cli([...expire, ...keep, "--dry-run"]);
  expect(early.stdout).toContain(
    "0 objects would be expired\n  A dry run folds nothing: what can expire only after a fold is not named\n0 objects, 0 B, would be deleted\n",
  );
  // A longer history is kept first, so that all is folded by then.
  expect((await cli([...expire, "--keep", "all:5d"])).status).toBe(0);
  expect(
    (await cli(["fold", "--repo", copy, "--at", iso(dayOf(end) - 2 * dayMs - 1)])).status,
  ).toBe(0);
  const { stdout } = await cli([...expire, ...keep, "--dry-run"]);
  const plan = await cliJson<ExpireResult>([...expire, ...keep, "--dry-run"]);
  const done = await cliJson<ExpireResult>([...expire, ...keep]);
  const { logTo, names } = plan.expired;
  expect(names).toEqual(
    expect.arrayContaining([
      expect.stringMatching(/^folded\/.*manifest\.json$/),
      expect.stringMatching(new RegExp(`^bases/${table}/.*manifest\\.json$`)),
    ]),
  );
  expect(stdout).toContain(
    `${names.length} objects would be expired, with the log up to ${logTo}\n  ${names.join("\n  ")}\n0 objects, 0 B,`,
  );
  expect(done.expired).toEqual(plan.expired);
  expect((await cliJson<ExpireResult>([...expire])).expired).toEqual({ logTo: null, names: [] });
  await rm(copy, { recursive: true });
});

test("what is older than declared goes, and all else stays restorable", async () => {
  const { stdout, status: code } = await cli(["expire", "--repo", directory, ...keep]);
  expect(code).toBe(0);
  expect(stdout).toContain("kept: all:2d");
  expect(stdout).toContain(`ages are counted from ${iso(end)}: `);
  const now = await status(directory);
  // The day before the last two whole days, and none earlier.
  const first = Date.parse(now.tables[0]!.firstRestorable!);
  expect(first).toBeLessThanOrEqual(dayOf(end) - 2 * dayMs);
  expect(first).toBeGreaterThan(dayOf(end) - 4 * dayMs);
  expect(Date.parse(now.restorableUntil!)).toBe(end);
  const again = await cli(["show", "--repo", directory, "shop.orders", "6", "--at", iso(end)]);
  expect(JSON.parse(again.stdout)).toEqual({ id: 6 });
});
