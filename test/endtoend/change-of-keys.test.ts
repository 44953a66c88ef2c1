/** Keys change while processes run: a reader believes the new writer, and a writer whose key was removed ends. */
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { openRepository } from "../../src/repository/repository.js";
import { lookAt } from "../../src/repository/repository-view.js";
import { readStatus } from "../../src/repository/status.js";
import { readKeyring } from "../../src/sealing/keyring.js";
import { DirectoryStore } from "../../src/storage/directory-store.js";
import { r } from "../server/driver.js";
import { cli } from "./cli.js";
import { Stage } from "./stage.js";

let stage: Stage;
let repo: string;
let keys: string;
beforeAll(async () => {
  stage = await Stage.open();
  repo = stage.repo("repo");
  keys = join(stage.directory, "keys");
  await cli(["init", "--repo", repo, "--keys", keys]);
  await stage.query(r.dbCreate("shop"));
  await stage.query(r.db("shop").tableCreate("orders"));
});
afterAll(async () => {
  delete process.env["THINKBACK_IDENTITY"];
  await stage.close();
});

const file = (name: string) => join(keys, `${name}.key`);

async function done(key: string, ...args: string[]): Promise<string> {
  const { status, stdout, stderr } = await cli([...args, "--repo", repo, "--identity", file(key)]);
  expect(status, stderr).toBe(0);
  return stdout;
}

test("a reader that runs believes a writer that was added", async () => {
  const keyring = await readKeyring([file("reader")]);
  const reading = await openRepository(new DirectoryStore(repo), keyring);
  await cli(["key", "new", file("next")]);
  await done("reader", "key", "add", "next", "--key", file("next"), "--role", "writer");
  await stage.query(r.db("shop").table("orders").insert({ id: "new" }));
  const trusting = [...keyring.trusted].flatMap((key) => ["--trust", key]);
  const options = ["--once", "--identity", file("next"), ...trusting];
  const { status, stderr } = await stage.capture(repo, ...options).finished;
  expect(status, stderr).toBe(0);
  const { tables } = await lookAt(reading, (view) => readStatus(view));
  expect(tables.map(({ documents }) => documents)).toEqual([1]);
  expect(tables.map(({ damagedSince }) => damagedSince)).toEqual([undefined]);
});

test("a capture whose key was removed ends with a status and a remedy", async () => {
  const capture = stage.capture(repo, "--identity", file("writer"));
  process.env["THINKBACK_IDENTITY"] = file("reader");
  await stage.untilExactNow(repo, "shop.orders");
  await cli(["key", "new", file("second")]);
  await done("reader", "key", "add", "second", "--key", file("second"), "--role", "reader");
  const removed = await done("reader", "key", "remove", "writer");
  expect(removed).toContain("within ten minutes");
  // What a new reader declares is read by the capture, which meets a key that it does not know.
  const trusting = ["--trust", [...(await readKeyring([file("reader")])).trusted][0]!];
  await done("second", "lanes", "set", "2", ...trusting);
  const { status, stderr } = await capture.finished;
  expect(status, stderr).toBe(4);
  expect(stderr).toMatch(/no key at hand is one of the repository's, as key set \d+ says: it was/);
  expect(stderr).toContain("look at `thinkback key list`");
}, 120_000);
