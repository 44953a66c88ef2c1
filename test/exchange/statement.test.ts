/** What an export says of its own archive: it comes back exact, and only if the archive is the one that was written. */
import { createHash } from "node:crypto";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { extract } from "tar-stream";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { runCommandLine } from "../../src/cli/program.js";
import { readStatement, statementName } from "../../src/exchange/statement.js";
import { DirectoryStore } from "../../src/storage/directory-store.js";
import { makeRepository, Recording, StillClock } from "../repository/recording.js";
import { type Member, officially, tableFiles, writeArchive } from "./archives.js";

let directory: string;
let repo: string;
let archive: string;
let at: string;
let made = 0;

const place = (name: string) => join(directory, `${name}-${(made += 1)}`);

beforeAll(async () => {
  process.setMaxListeners(0);
  directory = await mkdtemp(join(tmpdir(), "thinkback-statement-"));
  [repo, archive] = [place("repository"), `${place("dump")}.tar.gz`];
  const repository = await makeRepository(new DirectoryStore(repo));
  const recording = await Recording.begin(repository, new StillClock(Date.now() - 600_123));
  recording.catalogRead();
  recording.catalog(["db", "d1"], { id: "d1", name: "shop" });
  const since = recording.log.stamp().time;
  const bases = [];
  for (const [i, name] of ["empty", "orders"].entries()) {
    const id = `0a000000-0000-4000-8000-00000000000${i}`;
    const shards = [{ primary_replica: "one", replicas: ["one"], nonvoting_replicas: [] }];
    const settings = { durability: "soft", write_acks: "single", write_hook: null, indexes: [] };
    const table = { id, db: "shop", name, primary_key: "id", shards };
    recording.catalog(["table", id], { ...table, ...settings });
    recording.catalog(["indexes", id], { indexes: [] });
    recording.coverage(id, { state: "copying", since });
    const rows: [unknown, object][] = name === "orders" ? [["a", { id: "a", n: 1.5 }]] : [];
    bases.push({ id, base: await recording.copy(id, rows) });
  }
  const instant = await recording.tick(50);
  for (const { base } of bases) await base.finish(instant, since - 1);
  for (const { id } of bases) recording.coverage(id, { state: "live", since: instant });
  await recording.tick(1000, { closed: true });
  at = new Date(recording.clock.instant - 123).toISOString().replace("Z", "+00:00");
  await exported(repo, archive);
}, 60_000);

afterAll(() => rm(directory, { recursive: true, force: true }));

async function run(...args: string[]) {
  const written = { out: "", err: "" };
  const stdout = { write: (text: string | Uint8Array) => (written.out += Buffer.from(text)) };
  const stderr = { write: (text: string) => (written.err += text) };
  const status = await runCommandLine(args, { stdout, stderr });
  return { status, ...written };
}

async function exported(from: string, to: string, ...more: string[]): Promise<void> {
  const args = ["export", "--repo", from, "--out", to, "--at", at, ...more];
  expect(await run(...args)).toMatchObject({ status: 0 });
}

interface Imported {
  at: string;
  lateMs: number;
  repo: string;
}

async function imported(file: string, ...more: string[]): Promise<Imported> {
  const to = place("imported");
  const { status, out, err } = await run("--json", "import", file, "--repo", to, ...more);
  expect([status, err]).toEqual([0, expect.any(String)]);
  return { ...(JSON.parse(out) as Imported), repo: to };
}

/** The files of an archive, as they are. */
async function membersOf(file: string): Promise<Member[]> {
  const members: Member[] = [];
  const entries = extract();
  entries.end(gunzipSync(await readFile(file)));
  for await (const entry of entries) {
    const chunks: Buffer[] = [];
    for await (const chunk of entry) chunks.push(chunk as Buffer);
    const { name, mtime } = entry.header;
    members.push({ name, ...(mtime ? { mtime } : {}), text: Buffer.concat(chunks) });
  }
  return members;
}

const intervalsOf = async (of: string) => {
  const { out } = await run("--json", "status", "--repo", of);
  const { tables, catalog } = JSON.parse(out) as Record<"tables", { intervals: object[] }[]> & {
    catalog: { intervals: object[] };
  };
  return [catalog, ...tables].map(({ intervals }) => intervals);
};

describe("an exact export", () => {
  test("comes back exact, as of its instant to the millisecond", async () => {
    const { at: instant, lateMs, repo: to } = await imported(archive);
    expect([instant, lateMs]).toEqual([at, 0]);
    const exact = [{ class: "exact", from: at, to: at }];
    expect(await intervalsOf(to)).toEqual([exact, exact, exact]);
    const restore = ["restore", "--dry-run", "--repo", to, "--without-access"];
    expect(await run(...restore)).toMatchObject({ status: 0 });
    expect(await run(...restore, "--at", "now")).toMatchObject({ status: 5 });
    expect(await run("verify", "--data", "--repo", to)).toMatchObject({ status: 0 });
  });

  test("comes back as the same archive", async () => {
    const { repo: to } = await imported(archive);
    const again = `${place("again")}.tar.gz`;
    await exported(to, again);
    const [before, after] = [await officially(archive), await officially(again)];
    const documents = (of: typeof before) => [...of].map(([name, { texts }]) => [name, texts.json]);
    expect(documents(after)).toEqual(documents(before));
    expect(await imported(again)).toMatchObject({ at, lateMs: 0 });
  });

  test("has a status that says what can be restored, and how", async () => {
    const { repo: to } = await imported(archive);
    const { out } = await run("status", "--repo", to);
    expect(out).toMatch(/shop.orders +imported /);
    expect(out).toContain(`restorable              ${at}, and no other instant; exactly:`);
    expect(out).toContain(`thinkback restore --repo ${to} --at ${at} --without-access --target …`);
  });
});

test("a late export comes back as late as it was", async () => {
  const dump = `${place("foreign")}.tar.gz`;
  await writeArchive(dump, tableFiles("d/a/t", '[{"id":1}]'));
  const span = ["--began", "2024-01-02T03:04:05Z", "--ended", "2024-01-02T03:14:05Z"];
  const { at: instant, repo: foreign } = await imported(dump, ...span);
  const file = `${place("late")}.tar.gz`;
  const args = ["export", "--repo", foreign, "--out", file, "--at", instant, "--allow-inexact"];
  expect(await run(...args)).toMatchObject({ status: 0 });
  const { repo: to, ...again } = await imported(file);
  expect(again).toMatchObject({ at: instant, lateMs: 600_000 });
  const late = [expect.objectContaining({ class: "late", lateMs: 600_000, from: instant })];
  expect(await intervalsOf(to)).toEqual([late, late]);
  const { out } = await run("status", "--repo", to);
  expect(out).toContain(`${instant}, and no other instant; late by up to 600`);
  expect(out).toContain(`--at ${instant} --allow-inexact --without-access`);
});

test("an export of some documents is not said to be whole", async () => {
  const file = `${place("some")}.tar.gz`;
  await exported(repo, file, "--key", '"a"');
  expect((await membersOf(file)).map(({ name }) => name.split("/").at(-1))).not.toContain(
    statementName,
  );
  expect((await imported(file)).lateMs).toBeGreaterThan(0);
});

describe("an archive that is not the one that was written", () => {
  const ends = (end: string) => (one: Member) => one.name.endsWith(end);
  test.each<[string, RegExp, (members: Member[]) => Member[]]>([
    [
      "another document",
      /shop\/orders.json is another one/,
      (all) =>
        all.map((one) => (ends("orders.json")(one) ? { ...one, text: '[{"id":"b"}]' } : one)),
    ],
    [
      "other settings",
      /shop\/empty.info is another one/,
      (all) =>
        all.map((one) =>
          ends("empty.info")(one) ? { ...one, text: `${String(one.text)} ` } : one,
        ),
    ],
    [
      "a table less",
      /shop\/empty.info is missing/,
      (all) => all.filter((one) => !/empty/.test(one.name)),
    ],
    [
      "a table more",
      /shop\/more.info was added/,
      (all) => [...all, ...tableFiles(`${all[0]!.name.split("/")[0]}/shop/more`, "[]")],
    ],
    [
      "another statement",
      /thinkback-export is damaged/,
      (all) =>
        all.map((one) =>
          ends(statementName)(one)
            ? { ...one, text: String(one.text).replace(/"instant":\d/, '"instant":2') }
            : one,
        ),
    ],
  ])("with %s is refused, and is late if it is said when it was made", async (_, error, alter) => {
    const file = `${place("altered")}.tar.gz`;
    await writeArchive(file, alter(await membersOf(archive)));
    const to = place("refused");
    const { status, err } = await run("import", file, "--repo", to);
    expect([status, err]).toEqual([8, expect.stringMatching(error)]);
    const said = await imported(
      file,
      "--began",
      "2024-01-02T03:04:05Z",
      "--ended",
      "2024-01-02T03:04:06Z",
    );
    expect(said).toMatchObject({ at: "2024-01-02T03:04:06.000+00:00", lateMs: 1000 });
  });
});

test.each([
  ["nothing", ""],
  ["no JSON", "{"],
  ["a later version", '{"version":2}'],
])("a text of %s is no statement", (_, text) => {
  const checksum = createHash("sha256").update(text).digest("hex");
  expect(readStatement(`${text}\n${checksum}\n`)).toBeUndefined();
});
