/**
 * A sealed repository from beginning to end: a host whose key reads no document captures, is killed and goes on without
 * a new copy; another one folds; a third restores. Then an attacker who may write to the store tries what he can.
 */
import { execFile } from "node:child_process";
import { cp, mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { DataObjectWriter } from "../../src/format/object-writer.js";
import { openRepository } from "../../src/repository/repository.js";
import { trustedKeySet } from "../../src/sealing/key-set.js";
import { noKeys, readKeyring, sealedWith, setKeysOfProcess } from "../../src/sealing/keyring.js";
import { DirectoryStore } from "../../src/storage/directory-store.js";
import { r } from "../server/driver.js";
import { cli, cliJson, type StatusResult } from "./cli.js";
import { judge, spread } from "./judge.js";
import { Ledger } from "./ledger.js";
import { kill, Stage, stop } from "./stage.js";
import { Writer } from "./workload.js";

const run = promisify(execFile);

let stage: Stage;
let repo: string;
let keys: string;
beforeAll(async () => {
  stage = await Stage.open();
  repo = stage.repo("repo");
  keys = join(stage.directory, "keys");
});
afterAll(async () => {
  delete process.env["THINKBACK_IDENTITY"];
  setKeysOfProcess(noKeys);
  await stage.close();
});

/** From here on the tests, and the commands that they run, have this key. */
async function withKey(name: string): Promise<void> {
  process.env["THINKBACK_IDENTITY"] = join(keys, `${name}.key`);
  setKeysOfProcess(await readKeyring([join(keys, `${name}.key`)]));
}

async function filesOf(directory: string): Promise<string[]> {
  const names = await readdir(directory, { recursive: true, withFileTypes: true });
  return names
    .filter((entry) => entry.isFile() && !entry.name.startsWith("."))
    .map((entry) => join(entry.parentPath, entry.name).slice(directory.length + 1))
    .sort();
}

const secret = "heronmarsh";

test("is captured without a key that reads, folded and restored with one", async () => {
  await cli(["init", "--repo", repo, "--keys", keys]);
  await stage.query(r.dbCreate("vaultdb"));
  await stage.query(r.db("vaultdb").tableCreate("ledgertable"));
  const ledger = new Ledger();
  const connection = await stage.connect();
  const of = { db: "vaultdb", table: "ledgertable", writer: 0, documents: 60, seed: 3, ledger };
  const writer = new Writer(connection, of);
  await writer.load();
  await stage.query(r.db("vaultdb").tableCreate("quiet"));
  await stage.query(
    r
      .db("vaultdb")
      .table("quiet")
      .insert({ id: `${secret}-key`, text: `${secret} text` }),
  );
  const ended = new AbortController();
  const began = Date.now();
  const writing = writer.write(ended.signal, 20);
  const names = ["vaultdb.ledgertable", "vaultdb.quiet"];

  await withKey("writer");
  const spool = stage.repo("spool");
  const first = stage.capture(repo, "--spool", spool);
  await stage.untilExactNow(repo, ...names);
  await kill(first);
  const second = stage.capture(repo, "--spool", spool);
  await stage.untilExactNow(repo, ...names);
  // It was in the gap alone that something could change: the table was read and compared, not copied.
  expect(second.stderr()).toContain('"state":"resyncing"');
  expect(second.stderr()).not.toContain('"state":"copying"');
  const until = Date.now();
  ended.abort();
  await writing;
  await connection.close();
  await stage.untilExact(repo, until, ...names);
  const handingOver = Date.now();
  const third = stage.capture(repo, "--take-over");
  expect((await second.finished).status).toBe(0);
  await stage.untilExactNow(repo, ...names);
  expect((await stop(third)).status).toBe(0);
  const { tables } = await cliJson<StatusResult>(["status", "--repo", repo]);
  const gaps = tables.flatMap(({ intervals }) => intervals.filter((one) => one.class === "gap"));
  for (const { to } of gaps) expect(Date.parse(to)).toBeLessThan(handingOver);

  const checked = await cli(["verify", "--data", "--repo", repo]);
  expect([checked.status, checked.stdout]).toEqual([
    0,
    expect.stringContaining("read to the end without their documents") as string,
  ]);
  for (const args of [
    ["fold"],
    ["show", names[1]!, `${secret}-key`],
    ["restore", "--target", stage.address, "--rename", "vaultdb=other"],
    ["maintain"],
  ]) {
    const refused = await cli([...args, "--repo", repo]);
    expect([refused.status, refused.stderr]).toEqual([
      2,
      expect.stringContaining("read no document of this repository") as string,
    ]);
  }

  await withKey("reader");
  for (const round of ["segments and bases", "folded"]) {
    const verdict = await judge(repo, names[0]!, ledger, spread(began, until, 60));
    expect(verdict.wrong, round).toEqual([]);
    expect(verdict.exact + verdict.late, round).toBeGreaterThan(3);
    expect((await cli(["verify", "--data", "--repo", repo])).status, round).toBe(0);
    expect((await cli(["maintain", "--repo", repo])).status).toBe(0);
    expect((await cli(["fold", "--repo", repo])).status).toBe(0);
  }
  await withKey("offline");
  const restored = await stage.restore(repo, "--rename", "vaultdb=back", "--db", "vaultdb");
  expect(restored.restored.every(({ matches }) => matches)).toBe(true);
  expect(await stage.texts("back", "ledgertable")).toEqual(
    await stage.texts("vaultdb", "ledgertable"),
  );
}, 180_000);

test("holds nothing in the clear, neither in contents nor in names", async () => {
  const files = await filesOf(repo);
  expect(files.length).toBeGreaterThan(20);
  const words = [secret, "vaultdb", "ledgertable"];
  for (const file of files) {
    const bytes = (await readFile(join(repo, file))).toString("latin1");
    for (const word of words) expect(`${file} ${bytes}`.includes(word), file).toBe(false);
    if (file !== "repository.json" && !file.startsWith("keys/")) {
      expect(bytes.startsWith("age-encryption.org/v1\n"), file).toBe(true);
    }
  }
});

test("is read by hand with age, zstd and jq, as the page says", async () => {
  const page = await readFile(new URL("../../docs/format.md", import.meta.url), "utf8");
  const blocks = [...page.matchAll(/```sh\n(.*?)```/gs)].map(([, block]) => block!);
  const unsealing = blocks.find((block) => block.includes("age -d -i"))!;
  const reading = blocks.find((block) => block.includes("../documents.ndjson"))!;
  expect(unsealing).toContain("key=../reader.key to=../plain");
  const plain = stage.repo("plain");
  const script = unsealing.replace(
    /key=\S+ to=\S+/,
    `key=${join(keys, "offline.key")} to=${plain}`,
  );
  await run("bash", ["-eu", "-c", script], { cwd: repo });
  const into = stage.repo("documents.ndjson");
  const at = new Date().toISOString();
  const byHand = reading
    .replace("name=shop.orders", "name=vaultdb.ledgertable")
    .replace(/at=\S+/, `at=${at}`)
    .replace("../documents.ndjson", into);
  await run("bash", ["-c", byHand], { cwd: plain });
  const documents = (await readFile(into, "utf8")).split("\n").slice(0, -1);
  const live = [...(await stage.texts("vaultdb", "ledgertable")).values()];
  const sorted = (texts: string[]) => texts.map((text) => JSON.stringify(JSON.parse(text))).sort();
  expect(sorted(documents)).toEqual(sorted(live));
});

/** A copy of the repository, for an attacker. */
async function copied(name: string): Promise<string> {
  const copy = stage.repo(name);
  await cp(repo, copy, { recursive: true });
  return copy;
}

/** Throws unless a restore refuses and verify names an object. */
async function expectFound(copy: string, object: string, words: RegExp): Promise<void> {
  await withKey("reader");
  const verify = await cli(["verify", "--data", "--repo", copy]);
  expect(verify.status, verify.stdout).toBe(8);
  expect(`${verify.stdout}${verify.stderr}`).toContain(object);
  expect(`${verify.stdout}${verify.stderr}`).toMatch(words);
  const restore = await cli([
    "restore",
    "--repo",
    copy,
    "--target",
    stage.address,
    "--rename",
    "vaultdb=attacked",
    "--db",
    "vaultdb",
  ]);
  expect(restore.status, restore.stdout).not.toBe(0);
  const databases = await stage.query<string[]>(r.dbList());
  if (databases.includes("attacked")) await stage.query(r.dbDrop("attacked"));
}

test("has a head, by which a cut-off end is noticed", async () => {
  await withKey("writer");
  const { head } = await cliJson<{ head: string }>(["status", "--repo", repo]);
  expect((await cli(["verify", "--repo", repo, "--expect-head", head])).status).toBe(0);
  expect(head).toMatch(/^0\/\d+\.\d+\/[0-9a-f]{64},keys\/1\/[0-9a-f]{64}$/);
  const logAlone = head.replace(/,keys.*/, "");
  expect((await cli(["verify", "--repo", repo, "--expect-head", logAlone])).status).toBe(0);
  const other = head.replace(/,keys\/1/, ",keys/2");
  const missed = await cli(["verify", "--repo", repo, "--expect-head", other]);
  expect([missed.status, missed.stderr]).toEqual([
    8,
    expect.stringContaining("key set that is expected, 2: it was taken away") as string,
  ]);
  // Nothing is put before it is looked at.
  const before = await filesOf(repo);
  const capture = await stage.capture(repo, "--once", "--expect-head", other).finished;
  await withKey("reader");
  const maintained = await cli(["maintain", "--repo", repo, "--expect-head", other]);
  for (const { status, stderr } of [capture, maintained]) {
    expect([status, stderr]).toEqual([
      8,
      expect.stringContaining("key set that is expected, 2") as string,
    ]);
  }
  expect(await filesOf(repo)).toEqual(before);
  // The part of the keys alone will do. In a copy: what is folded is not cut off below.
  const kept = ["--repo", await copied("kept"), "--expect-head", head.replace(/.*,/, "")];
  expect((await cli(["maintain", ...kept])).status).toBe(0);
  const cut = await copied("cut");
  const segments = (await filesOf(cut)).filter((file) => file.startsWith("log/"));
  for (const segment of segments.slice(-10)) await rm(join(cut, segment));
  await withKey("reader");
  const args = ["--repo", cut, "--expect-head", head];
  const restoring = ["--target", stage.address, "--rename", "vaultdb=cut", "--db", "vaultdb"];
  for (const command of [["verify"], ["restore", ...restoring]]) {
    const refused = await cli([...command, ...args]);
    expect([refused.status, refused.stderr]).toEqual([
      8,
      expect.stringContaining("its end was cut off") as string,
    ]);
  }
  expect((await cli(["status", ...args])).status).toBe(2);
  const wrong = await cli(["verify", "--repo", repo, "--expect-head", head.replace(/.$/, "g")]);
  expect(wrong.status).toBe(2);
});

test("believes no object that an attacker forged, exchanged, moved or altered", async () => {
  const parts = (await filesOf(repo)).filter((file) => /^bases\/.*part-\d+\.zst$/.test(file));
  expect(parts.length).toBeGreaterThan(1);
  const { description } = await openRepository(new DirectoryStore(repo));
  const keyring = await readKeyring([join(keys, "reader.key")]);
  const set = await trustedKeySet(new DirectoryStore(repo), description.id, keyring.trusted);
  await cli(["key", "new", join(keys, "attacker.key")]);
  const attacker = (await readKeyring([join(keys, "attacker.key")])).identities[0]!;
  // Everything that is public, and a key of one's own.
  const own = { name: "x", role: "writer" as const, offline: false, ...attacker.public };
  const forgedSet = { ...set, keys: [...set.keys, own] };

  const forged = await copied("forged");
  const forging = sealedWith(new DirectoryStore(forged), forgedSet, [attacker]);
  for (const part of parts) {
    const object = new DataObjectWriter("basePart");
    const label = { firstKey: '"x"', minTime: 1, maxTime: 1 };
    object.addFrame(Buffer.from('{"k":"x","t":1,"n":1,"d":{"id":"x"}}\n'), 1, label);
    await rm(join(forged, part));
    await forging.put(part, object.finish({}).bytes);
  }
  await expectFound(forged, parts[0]!, /signed by a key that is not trusted|bytes instead of/);

  // With a sound copy beside it nothing is lost, and it is told which of the two is wrong.
  const of = ["--repo", forged, "--repo", repo];
  const beside = await cli(["verify", "--data", ...of]);
  expect(beside.status, beside.stdout).toBe(0);
  for (const part of parts) {
    expect(beside.stderr).toContain(`${part} is read from another copy than ${forged}`);
  }
  const renaming = ["--rename", "vaultdb=beside", "--db", "vaultdb"];
  const restoring = await cli(["restore", ...of, "--target", stage.address, ...renaming]);
  expect(restoring.status, restoring.stderr).toBe(0);
  const live = await stage.texts("vaultdb", "ledgertable");
  expect(await stage.texts("beside", "ledgertable")).toEqual(live);

  const exchanged = await copied("exchanged");
  for (const [i, part] of parts.entries()) {
    await cp(join(repo, parts[(i + 1) % parts.length]!), join(exchanged, part));
  }
  await expectFound(exchanged, parts[0]!, /signature is wrong|bytes instead of/);

  const altered = await copied("altered");
  for (const part of parts) {
    const bytes = await readFile(join(altered, part));
    bytes[400] = bytes[400]! ^ 1;
    await writeFile(join(altered, part), bytes);
  }
  await expectFound(altered, parts[0]!, /altered/);

  const unsealed = await copied("unsealed");
  const claim = (await filesOf(repo)).filter((file) => file.startsWith("writers/")).at(-1)!;
  await writeFile(join(unsealed, claim), '{"thinkback":"writer"}\n');
  await expectFound(unsealed, claim, /not a sealed object/);

  // The attacker adds himself to those who may read what is captured from now on.
  const reader = await copied("reader");
  const next = { ...set, number: 2, keys: [...set.keys, { ...own, role: "reader" as const }] };
  await mkdir(join(reader, "keys"), { recursive: true });
  const { makeKeySet, putKeySet } = await import("../../src/sealing/key-set.js");
  await putKeySet(new DirectoryStore(reader), makeKeySet(next, [attacker!]));
  await withKey("writer");
  const capture = await stage.capture(reader, "--once").finished;
  expect([capture.status, capture.stderr]).toEqual([
    8,
    expect.stringContaining(
      "key set 2 of the repository is not signed by a key that is trusted",
    ) as string,
  ]);

  // A repository in its place that is not sealed at all.
  const plain = stage.repo("plain-instead");
  delete process.env["THINKBACK_IDENTITY"];
  await cli(["init", "--plain", "--repo", plain]);
  await withKey("writer");
  const refused = await stage.capture(plain, "--once").finished;
  expect([refused.status, refused.stderr]).toEqual([
    4,
    expect.stringContaining("is not sealed") as string,
  ]);
}, 120_000);
