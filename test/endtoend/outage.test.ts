import { cp, mkdir, mkdtemp, readdir, rename, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { DirectoryStore } from "../../src/storage/directory-store.js";
import { r } from "../server/driver.js";
import { Stage, stop, until } from "./stage.js";

let stage: Stage;

beforeAll(async () => {
  stage = await Stage.open();
});

afterAll(() => stage.close());

// The parts of a base went to a directory made where the disk had been, and were missing when it came back.
test("a large table copied while the store is away: its base waits, and is whole", async () => {
  const db = r.db("big");
  await stage.query(r.dbCreate("big"));
  for (const name of ["hidden", "small"]) await stage.query(db.tableCreate(name));
  for (let at = 0; at < 400; at += 10) {
    const rows = Array.from({ length: 10 }, (_, i) => ({
      id: at + i,
      text: "0123456789".repeat(5000),
    }));
    await stage.query(db.table("hidden").insert(rows));
  }
  const repo = stage.repo("away");
  const run = stage.capture(repo, "--include", "big.huge", "--include", "big.small");
  await stage.untilExactNow(repo, "big.small");
  await rename(repo, `${repo}.elsewhere`);
  await stage.query(db.table("hidden").config().update({ name: "huge" }));
  await until("the copy has begun", () => run.stderr().includes("big.huge"));
  await stage.query(db.table("small").insert({ id: 1 }));
  await until("the outage is noticed", () => run.stderr().includes("store fails"));
  await rename(`${repo}.elsewhere`, repo);
  await stage.untilExactNow(repo, "big.huge", "big.small");
  const { restored } = await stage.restore(
    repo,
    "--table",
    "big.huge",
    "--rename",
    "big.huge=whole.huge",
  );
  expect(restored).toMatchObject([{ documents: 400, matches: true, class: "exact" }]);
  expect((await stop(run)).status).toBe(0);
});

test("a directory store does not make anew what has gone, and goes on when it is back", async () => {
  const parent = await mkdtemp(join(tmpdir(), "thinkback-test-"));
  const place = join(parent, "store");
  const bytes = Buffer.from("x");
  const store = new DirectoryStore(place);
  await store.put("log/1/a", bytes);
  await rename(place, `${place}.away`);
  await expect(store.put("bases/1/a", bytes)).rejects.toThrow("is gone");
  await rename(`${place}.away`, place);
  await store.put("bases/1/a", bytes);
  expect((await store.get("bases/1/a")).equals(bytes)).toBe(true);
  await rm(parent, { recursive: true });
});

test("a directory store does not take another directory for its own, but its own with another number", async () => {
  const parent = await mkdtemp(join(tmpdir(), "thinkback-test-"));
  const place = join(parent, "store");
  const bytes = Buffer.from("x");
  const store = new DirectoryStore(place);
  await store.put("log/1/a", bytes);
  await rename(place, `${place}.away`);
  // A disk that was just formatted.
  await mkdir(join(place, "lost+found"), { recursive: true });
  await expect(store.put("log/1/b", bytes)).rejects.toThrow("is gone");
  // Another store, with a directory of the same name.
  await new DirectoryStore(place).put("log/1/other", bytes);
  await expect(store.put("log/1/b", bytes)).rejects.toThrow("another directory");
  expect(await readdir(join(place, "log", "1"))).toEqual(["other"]);
  await rm(place, { recursive: true });
  await cp(`${place}.away`, place, { recursive: true });
  await store.put("log/1/b", bytes);
  expect(await readdir(join(place, "log", "1"))).toEqual(["a", "b"]);
  // Where what it last put there was deleted, nothing tells its own from another.
  await store.delete("log/1/b");
  await rename(place, `${place}.once-more`);
  await cp(`${place}.once-more`, place, { recursive: true });
  await store.put("log/1/c", bytes);
  await rm(parent, { recursive: true });
});
