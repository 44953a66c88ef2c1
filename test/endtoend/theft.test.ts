/**
 * A writer's key is stolen, or lost. Another one that is added then goes on with the log: where the first one is
 * believed still, without a gap in what is known; where it is not, after what a reader has folded.
 */
import { cp, readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { foldLog } from "../../src/fold/fold-log.js";
import { readStored } from "../../src/format/json-object.js";
import { numberedName } from "../../src/format/names.js";
import { LogView } from "../../src/repository/log/log-view.js";
import { openRepository } from "../../src/repository/repository.js";
import { type AgeIdentity, ageHeader, fileKeyIn } from "../../src/sealing/age.js";
import { keySetKind, makeKeySet, openGroups, putKeySet } from "../../src/sealing/key-set.js";
import { readKeyring } from "../../src/sealing/keyring.js";
import { readEnd } from "../../src/sealing/sealed-object.js";
import { DirectoryStore } from "../../src/storage/directory-store.js";
import { r } from "../server/driver.js";
import { cli, cliJson, type StatusResult } from "./cli.js";
import { Stage, stop } from "./stage.js";

let stage: Stage;
let repo: string;
let keys: string;
const orders = r.db("shop").table("orders");
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
  delete process.env["THINKBACK_TRUST"];
  await stage.close();
});

const file = (name: string) => join(keys, `${name}.key`);

/** From here on commands have this key. */
const withKey = (name: string) => {
  process.env["THINKBACK_IDENTITY"] = file(name);
};

async function done(...args: string[]): Promise<string> {
  const { status, stdout, stderr } = await cli([...args, "--repo", repo]);
  expect(status, `${args.join(" ")}: ${stderr}${stdout}`).toBe(0);
  return stdout;
}

async function add(name: string, role: string): Promise<void> {
  const [trusted] = (await readKeyring([file("reader")])).trusted;
  await cli(["key", "new", file(name), "--trust", trusted!]);
  withKey("reader");
  await done("key", "add", name, "--key", file(name), "--role", role);
}

/** Captures with a key until everything is captured that was written before. Returns what the capture has logged. */
async function captured(key: string, ...options: string[]): Promise<string> {
  const capture = stage.capture(repo, "--no-fold", "--identity", file(key), ...options);
  withKey(key);
  await stage.untilExactNow(repo, "shop.orders");
  const { status, stderr } = await stop(capture);
  expect(status, stderr).toBe(0);
  return stderr;
}

/** The ids of the documents that a key restores. */
async function restoredBy(key: string, ...options: string[]): Promise<string[]> {
  withKey(key);
  await stage.restore(
    repo,
    "--table",
    "shop.orders",
    "--rename",
    "shop.orders=back.orders",
    ...options,
  );
  const ids = [...(await stage.texts("back", "orders")).keys()].map(
    (id) => JSON.parse(id) as string,
  );
  await stage.query(r.dbDrop("back"));
  return ids;
}

const write = async (id: string) => stage.query(orders.insert({ id }));

test("a second writer goes on with the log of the first, which was removed", async () => {
  await write("first");
  await captured("writer");
  await add("second", "writer");
  withKey("reader");
  await done("key", "remove", "writer");
  await write("second");
  const log = await captured("second");
  expect(log).toContain('"state":"resyncing"');
  expect(log).not.toContain('"state":"copying"');
  expect(await restoredBy("reader")).toEqual(["first", "second"]);
}, 120_000);

test("a reader that is added restores the past", async () => {
  await add("late", "reader");
  expect(await restoredBy("late")).toEqual(["first", "second"]);
}, 60_000);

test("nothing that a removed key could open is written afterwards, neither documents nor structure", async () => {
  const before = new Set(await readdir(repo, { recursive: true }));
  const removed = ["writer", "late"];
  withKey("reader");
  await done("key", "remove", "late");
  await write("third");
  await captured("second");
  const written = (await filesIn(repo)).filter((name) => !before.has(name));
  expect(written.filter((name) => name.startsWith("log/")).length).toBeGreaterThan(0);
  // What they had: all identities that were ever sealed for them, in whichever key set.
  const secrets = await Promise.all(removed.map(secretsOf));
  for (const name of written.filter((one) => !one.startsWith("keys/"))) {
    const opened = await Promise.all(secrets.map((all) => opens(name, all)));
    expect(opened, name).toEqual([0, 0]);
  }
  // The reader that stays opens all of them, and could open what is older with the same look.
  const own = await secretsOf("reader");
  const log = written.filter((name) => name.startsWith("log/"));
  for (const name of log) expect(await opens(name, own)).toBeGreaterThan(0);
  const older = (await filesIn(repo)).filter((name) => before.has(name) && name.startsWith("log/"));
  expect(await opens(older[0]!, secrets[0]!)).toBeGreaterThan(0);
  expect(await opens(older.at(-1)!, secrets[1]!)).toBeGreaterThan(0);
}, 120_000);

test("a key set of a writer, with itself among the readers, is refused", async () => {
  const store = new DirectoryStore(repo);
  const number = (await readdir(join(repo, "keys"))).filter((name) =>
    name.endsWith(".json"),
  ).length;
  const newest = await readStored(store, numberedName("keys/", number), keySetKind);
  const [writer] = (await readKeyring([file("second")])).identities;
  const keysOf = newest.keys.map((key) => ({ ...key, role: "reader" as const }));
  const forged = stage.repo("forged");
  await cp(repo, forged, { recursive: true });
  // It knows no identity of the readers, so it has to make one.
  const content = { ...newest, number: number + 1, keys: keysOf };
  expect(() => makeKeySet(content, [writer!], newest)).toThrow(/readers/);
  await putKeySet(new DirectoryStore(forged), makeKeySet(content, [writer!]));
  withKey("reader");
  const { status, stderr } = await cli(["status", "--repo", forged]);
  expect([status, stderr]).toEqual([
    8,
    expect.stringContaining(`key set ${number + 1} of the repository is not signed`) as string,
  ]);
}, 60_000);

test("a log whose writer is distrusted goes on after what a reader has folded", async () => {
  withKey("reader");
  await foldAll();
  await done("fold");
  const folded = Date.now();
  await write("unfolded");
  await captured("second");
  await add("third", "writer");
  withKey("reader");
  await done("key", "remove", "second", "--distrust");
  const status = await cliJson<StatusResult>(["status", "--repo", repo]);
  expect(
    Date.parse(status.tables.find(({ name }) => name === "shop.orders")!.lastRestorable!),
  ).toBeLessThan(folded);
  expect(await restoredBy("reader")).toEqual(["first", "second", "third"]);
  await write("last");
  const log = await captured("third");
  expect(log).not.toContain("another writer");
  expect(await restoredBy("reader")).toEqual(["first", "last", "second", "third", "unfolded"]);
  expect(
    await restoredBy("reader", "--at", new Date(folded - 1000).toISOString(), "--allow-inexact"),
  ).toEqual(["first", "second", "third"]);
  await done("verify", "--data");
  await done("maintain");
  await done("verify", "--data");
}, 180_000);

test("a log of which nothing was folded begins anew", async () => {
  repo = stage.repo("unfolded");
  keys = join(stage.directory, "other-keys");
  await cli(["init", "--repo", repo, "--keys", keys]);
  await captured("writer");
  await add("second", "writer");
  withKey("reader");
  await done("key", "remove", "writer");
  // It was believed still; and then it is not.
  await done("key", "remove", "writer", "--distrust");
  const log = await captured("second");
  expect(log).toContain('"state":"copying"');
  expect(await restoredBy("reader")).toHaveLength(5);
  // The copies of the first writer are there still, of no use.
  await done("repair", "--data");
  await done("verify", "--data");
}, 120_000);

test("what a believed writer has captured after a distrusted one ends with it, and it begins anew", async () => {
  repo = stage.repo("followed");
  keys = join(stage.directory, "followed-keys");
  await cli(["init", "--repo", repo, "--keys", keys]);
  await captured("writer");
  await add("second", "writer");
  await captured("second");
  withKey("reader");
  await done("key", "remove", "writer", "--distrust");
  await done("status");
  expect(await captured("second")).toContain('"state":"copying"');
  expect(await restoredBy("reader")).toHaveLength(5);
  await done("repair", "--data");
  await done("verify", "--data");
}, 120_000);

test("who captures and who stands by with a key that is distrusted ends, and the log goes on", async () => {
  repo = stage.repo("standing");
  keys = join(stage.directory, "standing-keys");
  await cli(["init", "--repo", repo, "--keys", keys]);
  const capture = stage.capture(repo, "--no-fold", "--identity", file("writer"));
  withKey("reader");
  await stage.untilExactNow(repo, "shop.orders");
  const standby = stage.capture(repo, "--no-fold", "--standby", "--identity", file("writer"));
  await add("second", "writer");
  await done("key", "remove", "writer", "--distrust");
  for (const { finished } of [capture, standby]) {
    const { status, stderr } = await finished;
    expect([status, stderr]).toEqual([4, expect.stringContaining("it was removed")]);
  }
  await done("status");
  await captured("second");
  withKey("reader");
  await done("repair", "--data");
  await done("verify", "--data");
}, 120_000);

/** Folds the log to its end, also what is younger than what maintenance takes. */
async function foldAll(): Promise<void> {
  const keyring = await readKeyring([file("reader")]);
  const repository = await openRepository(new DirectoryStore(repo), keyring);
  const publishedAt = () => Date.now();
  const options = { now: publishedAt(), publishedAt, settleMs: 0, unique: "f1", partial: true };
  await foldLog(repository, await LogView.read(repository.store), {
    ...options,
    resolutionOf: () => 1,
    spanMaxMs: () => Number.MAX_SAFE_INTEGER,
    pinned: [],
  });
}

async function filesIn(directory: string): Promise<string[]> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile() && !entry.name.startsWith("."))
    .map((entry) => join(entry.parentPath, entry.name).slice(directory.length + 1))
    .sort();
}

/** All identities that a key opens in all key sets, and its own. */
async function secretsOf(key: string): Promise<AgeIdentity[]> {
  const { identities } = await readKeyring([file(key)]);
  const found: AgeIdentity[] = [...identities];
  const store = new DirectoryStore(repo);
  for (
    let number = 1;
    (await store.size(numberedName("keys/", number))) !== undefined;
    number += 1
  ) {
    const set = await readStored(store, numberedName("keys/", number), keySetKind);
    const { readers = [], everybody = [] } = openGroups(set, identities);
    found.push(...readers, ...everybody);
  }
  return found;
}

/** How many sections of a stored object identities open. */
async function opens(name: string, identities: AgeIdentity[]): Promise<number> {
  const bytes = await readFile(join(repo, name));
  if (name === "repository.json") return 0;
  const { documents, structure, index } = readEnd(name, bytes, bytes.length);
  let at = 0;
  let count = 0;
  for (const length of [documents, structure, index]) {
    const section = bytes.subarray(at, at + length);
    if (length > 0 && fileKeyIn(ageHeader(section), identities)) count += 1;
    at += length;
  }
  return count;
}
