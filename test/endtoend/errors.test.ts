/** Every error that an operator can meet: its exit status, its message, its next step, and no password anywhere. */
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { formatInstant } from "../../src/instant.js";
import { laterJson } from "../format/later-version.js";
import { r } from "../server/driver.js";
import { cli, type Finished, status } from "./cli.js";
import { iso, Stage, stop, tableOf, until } from "./stage.js";

const password = "S3cret-päss/w:rd";
const secret = encodeURIComponent(password);
let stage: Stage;
let repo: string;
const printed: string[] = [];

beforeAll(async () => {
  stage = await Stage.open();
  repo = stage.repo("good");
  await stage.query(r.dbCreate("shop"));
  await stage.query(r.db("shop").tableCreate("orders"));
  await stage.query(
    r
      .db("shop")
      .table("orders")
      .insert([{ id: 1 }, { id: 2 }]),
  );
  const users = r.db("rethinkdb").table("users");
  for (const id of ["backup", "reader"]) await stage.query(users.insert({ id, password }));
  await stage.query(r.grant("backup", { read: true, write: true, config: true }));
  for (const id of ["backup", "reader"]) {
    await stage.query(r.db("rethinkdb").grant(id, { read: true }));
  }
  expect((await stage.backUp(repo)).status).toBe(0);
});

afterEach(() => {
  for (const text of printed.splice(0)) {
    expect(text).not.toContain(password);
    expect(text).not.toContain(secret);
  }
});

afterAll(() => stage.close());

async function run(...args: string[]): Promise<Finished> {
  const finished = await cli(args);
  printed.push(finished.stdout, finished.stderr);
  return finished;
}

function as(user: string, port = stage.server.port): string {
  return `rethinkdb://${user}:${secret}@${stage.server.host}:${port}`;
}

/** What an operator must see: the status, the message, and a line that says what to do. */
function expectError(finished: Finished, code: number, message: RegExp, next: RegExp): void {
  expect(finished.stderr).toMatch(message);
  expect(finished.stderr).toMatch(next);
  expect(finished.status).toBe(code);
}

const runOn = (source: string, at = stage.repo("never")) =>
  run("run", "--source", source, "--repo", at);
const restore = (...more: string[]) =>
  run("restore", "--repo", repo, "--target", as("backup"), ...more);

test("the source cannot be reached", async () => {
  expectError(
    await runOn(as("backup", 1)),
    3,
    /cannot connect to rethinkdb:\/\/backup@127\.0\.0\.1:1: connect ECONNREFUSED/,
    /→ check that the server runs/,
  );
});

test("source and target refuse the password, or the user", async () => {
  const wrong = `rethinkdb://backup:${secret}x@${stage.server.host}:${stage.server.port}`;
  const message = /refused the user or password/;
  expectError(await runOn(wrong), 3, message, /THINKBACK_SOURCE_PASSWORD/);
  expectError(await runOn(as("nobody")), 3, message, /THINKBACK_SOURCE_PASSWORD/);
  const restored = await run("restore", "--repo", repo, "--target", wrong);
  expectError(restored, 7, message, /THINKBACK_TARGET_PASSWORD/);
});

test("no source, no target, or an address that is not one: the text is not repeated", async () => {
  const repository = ["--repo", repo];
  expectError(await run("run", ...repository), 2, /no source is given/, /THINKBACK_SOURCE/);
  expectError(await run("restore", ...repository), 2, /no target is given/, /THINKBACK_TARGET/);
  expectError(await runOn(`http://admin:${secret}@host`), 2, /rethinkdb:\/\//, /→ give it as/);
  expectError(await runOn(`rethinkdb:${secret}`), 2, /address/, /→ give it as/);
});

test("the repository is missing, something else, or of a newer version", async () => {
  const missing = stage.repo("missing");
  const check = /→ check --repo/;
  for (const command of [["status"], ["fold"], ["restore", "--dry-run"], ["show", "a.b", "1"]]) {
    const finished = await run(...command, "--repo", missing);
    expectError(finished, 4, /there is no repository at/, check);
  }
  const foreign = stage.repo("foreign");
  await mkdir(foreign);
  await writeFile(join(foreign, "thesis.txt"), "mine");
  expectError(await run("status", "--repo", foreign), 4, /not a Thinkback repository/, check);
  expectError(await runOn(stage.address, foreign), 4, /not a Thinkback repository/, check);
  expect(await readFile(join(foreign, "thesis.txt"), "utf8")).toBe("mine");
  const newer = stage.repo("newer");
  await mkdir(newer);
  const described = await readFile(join(repo, "repository.json"));
  await writeFile(join(newer, "repository.json"), laterJson(described));
  expectError(await run("status", "--repo", newer), 4, /format version 2/, /→ use the version/);
  const url = await run("status", "--repo", "gopher://bucket");
  expectError(url, 2, /gopher:\/\/bucket/, /→ give/);
});

test("instants that cannot be restored, with the nearest that can", async () => {
  const { firstRestorable, lastRestorable } = tableOf(await status(repo), "shop.orders")!;
  const first = Date.parse(firstRestorable!);
  const last = Date.parse(lastRestorable!);
  const named = (instant: number) => new RegExp(formatInstant(instant).replaceAll(/[.+]/g, "\\$&"));
  expectError(
    await restore("--at", iso(first - 86_400_000)),
    5,
    /nothing was captured yet/,
    named(first),
  );
  const long = await restore("--at", iso(first - 86_400_000), "--table", "shop.orders");
  expectError(long, 5, /nothing was captured yet/, named(first));
  const before = await restore("--at", iso(first - 1), "--table", "shop.orders");
  expectError(before, 5, /cannot be restored exactly/, named(first));
  const after = await restore("--at", iso(last + 1), "--table", "shop.orders");
  // The last proofs of the table and of the catalog are a moment apart, in either order.
  expectError(after, 5, /cannot be restored exactly|the catalog is not proven yet/, named(last));
});

test("a table, a database or a document that was not there then", async () => {
  const table = await restore("--table", "shop.ordres");
  expectError(table, 6, /there was no table shop\.ordres/, /tables known then: shop\.orders/);
  const database = await restore("--db", "shoop");
  expectError(database, 6, /there was no database shoop/, /databases known then: .*shop/);
  const key = await run("show", "shop.orders", "3", "--repo", repo);
  expectError(key, 6, /held no document with key 3/, /→/);
});

test("a value on the command line that cannot be read", async () => {
  const capture = ["run", "--source", stage.address, "--repo", stage.repo("never")];
  expectError(await run(...capture, "--tick", "soon"), 2, /"soon"/, /→ give a duration/);
  expectError(await run(...capture, "--tick", "0s"), 2, /"0s"/, /→ give a duration/);
  expectError(await run(...capture, "--copies", "none"), 2, /--copies none/, /whole number/);
  const spool = ["--spool", stage.repo("spool"), "--spool-limit", "much"];
  expectError(await run(...capture, ...spool), 2, /"much" is not a size/, /→ give it as/);
  expectError(await run(...capture, "--include", "a.b.c"), 2, /"a\.b\.c"/, /→ give it as/);
  expectError(await restore("--at", "the other day"), 2, /"the other day" as a time/, /→ give it/);
  for (const rename of ["shop", "shop=", "shop.orders=other", "a=b=c", "shop=my shop"]) {
    expectError(await restore("--rename", rename), 2, /--rename .* cannot be read/, /→ give it as/);
  }
  expect((await run("restore", "--unheard-of")).status).toBe(2);
  expect((await run("restor")).status).toBe(2);
  expect((await run("status")).status).toBe(2);
});

test("a target whose user may not write", async () => {
  const args = ["--target", as("reader"), "--rename", "shop=denied"];
  const denied = await run("restore", "--repo", repo, ...args);
  expectError(denied, 7, /does not permit to create database denied/, /→ grant/);
  expect(await stage.query(r.dbList())).not.toContain("denied");
});

test("errors are one line of JSON on stderr where --json is given", async () => {
  const target = ["--target", stage.address, "--table", "shop.ordres"];
  const { stdout, stderr } = await run("restore", "--repo", repo, ...target, "--json");
  expect(stdout).toBe("");
  expect(JSON.parse(stderr)).toMatchObject({
    error: { code: "unknown", message: expect.any(String), hint: expect.any(String) },
  });
});

test("a second writer is refused; with --take-over it goes on, and the first one ends", async () => {
  const shared = stage.repo("shared");
  const first = stage.capture(shared);
  await stage.untilExactNow(shared, "shop.orders");
  const capture = ["run", "--source", stage.address, "--repo", shared];
  expectError(await run(...capture), 11, /another writer \(process \d+ on/, /--take-over/);
  const second = stage.capture(shared, "--take-over");
  const { status: code, stderr } = await first.finished;
  expect(code, stderr).toBe(0);
  expect(stderr).toMatch(/another process goes on/);
  await stage.untilExactNow(shared, "shop.orders");
  expect((await stop(second)).status).toBe(0);
});

test("a password in the address is in no log, and not in the process list", async () => {
  const running = stage.capture(stage.repo("quiet"), "--source", as("backup"));
  await until("it captures", () => running.stderr().includes("captured completely"));
  const line = await readFile(`/proc/${running.process.pid}/cmdline`, "utf8");
  const { stdout, stderr, status: code } = await stop(running);
  printed.push(line, stdout, stderr);
  expect(line).toContain("thinkback");
  expect(code).toBe(0);
});
