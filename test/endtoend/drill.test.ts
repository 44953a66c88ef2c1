/** Drills by the real command: on a given server, and on one that it starts for itself. */
import { existsSync } from "node:fs";
import { mkdir, readdir, writeFile } from "node:fs/promises";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { systemClock } from "../../src/clock.js";
import { openRepository } from "../../src/repository/repository.js";
import { type DrillObserver, drill } from "../../src/restore/drill.js";
import { parseAddress } from "../../src/rethinkdb/address.js";
import { dialer } from "../../src/rethinkdb/channel.js";
import { RethinkTarget } from "../../src/rethinkdb/rethink-target.js";
import { ScratchServer } from "../../src/rethinkdb/scratch-server.js";
import type { Target } from "../../src/rethinkdb/target.js";
import { storeAt } from "../../src/storage/store-at.js";
import { r } from "../server/driver.js";
import { pathWithoutServer, pathWithServer } from "../server/simulated-binary.js";
import { overriding } from "../simulation/overriding.js";
import { cli, cliJson, type Finished, start, status } from "./cli.js";
import { makeEveryType } from "./every-type.js";
import { iso, Stage, stop, tableOf, until } from "./stage.js";

interface DrillResult {
  ok: boolean;
  object: string;
  instant: string;
  ended: string;
  class: string;
  server: string;
  documents: number;
  tables: { name: string; ok: boolean; rows: number; differences?: object }[];
}

let stage: Stage;
let repo: string;
let temporary: string;
let path: string;
const names = ["types.custom-key_1", "types.empty", "types.keys", "types.values"];

beforeAll(async () => {
  stage = await Stage.open();
  repo = stage.repo("types");
  await makeEveryType(stage);
  expect((await stage.backUp(repo)).status).toBe(0);
  const programs = stage.repo("programs");
  await mkdir(programs);
  path = await pathWithServer(programs);
});

beforeEach(async () => {
  temporary = stage.repo(`tmp-${Math.random()}`);
  await mkdir(temporary);
});

afterAll(() => stage.close());

const scratch = async () =>
  (await stage.query<string[]>(r.dbList())).filter((name) => name.startsWith("thinkback_drill_"));

/** Runs `thinkback drill` with a directory for temporary files of its own. */
function run(...more: string[]): Promise<Finished> {
  return begin(...more).finished;
}

function begin(...more: string[]) {
  return start(["drill", "--repo", repo, ...more], { PATH: path, TMPDIR: temporary });
}

test("on a given server: every type comes back, nothing is left, and status says it", async () => {
  const before = await stage.query(r.dbList());
  const args = ["drill", "--repo", repo, "--latest", "--target", stage.address];
  const proof = await cliJson<DrillResult>(args);
  expect(proof).toMatchObject({ ok: true, class: "exact", documents: 34 });
  expect(proof.server).toContain(stage.server.version);
  expect(proof.tables.map(({ name, ok }) => [name, ok])).toEqual(names.map((n) => [n, true]));
  expect(await stage.query(r.dbList())).toEqual(before);
  expect(existsSync(`${repo}/${proof.object}`)).toBe(true);
  const now = await status(repo);
  expect(proof.instant).toBe(now.restorableUntil);
  const proven = { instant: proof.instant, done: proof.ended };
  expect(now).toMatchObject({ lastProven: { ...proven, tables: 4, of: 4 }, lastDrillFailed: null });
  expect(now.tables.map((table) => (table as { lastProven?: unknown }).lastProven)).toEqual(
    names.map(() => proven),
  );
  const plain = await cli(["status", "--repo", repo]);
  expect(plain.stdout).toContain(
    `last proven restorable  ${proof.instant}  (all tables, by the drill of ${proof.ended})\n`,
  );
});

test("on a server of its own, at an instant drawn by lot; the server and its directory go", async () => {
  const done = await run();
  expect(done.stderr + done.status).toMatch(/^(.* nothing of it was captured\n)*0$/);
  expect(done.stdout).toMatch(/proven restorable: \d{4}-.* \(exact\) on rethinkdb \d/);
  expect(await readdir(temporary)).toEqual([]);
});

test("without a target and without a rethinkdb on the PATH, it says what to give", async () => {
  const refused = await cli(["drill", "--repo", repo], { PATH: await pathWithoutServer() });
  expect(refused.status).toBe(2);
  expect(refused.stderr).toMatch(/no target is given, there is no `rethinkdb` on the PATH/);
  expect(refused.stderr).toMatch(/→ give --target rethinkdb:/);
});

test("a server of its own that does not start is told in its own words", async () => {
  const broken = stage.repo("broken");
  await mkdir(broken);
  const script = '[ "$1" = --version ] || { echo "no room for a server" >&2; exit 1; }';
  await writeFile(`${broken}/rethinkdb`, `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  const failed = await cli(["drill", "--repo", repo], {
    PATH: `${broken}:${process.env["PATH"]}`,
    TMPDIR: temporary,
  });
  expect(failed.status).toBe(7);
  expect(failed.stderr).toMatch(/did not start: no room for a server/);
  expect(await readdir(temporary)).toEqual([]);
});

test("a server of its own lets nobody in without its password", async () => {
  const before = process.env["PATH"];
  process.env["PATH"] = path;
  const server = await ScratchServer.start(systemClock, new AbortController().signal);
  process.env["PATH"] = before;
  try {
    (await dialer(server.address, "target")()).destroy();
    const without = dialer({ ...server.address, password: "" }, "target")();
    await expect(without).rejects.toThrow(/refused the user or password/);
  } finally {
    await server.stop();
  }
});

test.each(["SIGINT", "SIGTERM"] as const)(
  "%s: nothing is left, on either server",
  async (signal) => {
    for (const args of [[], ["--target", stage.address]]) {
      const running = begin("--latest", ...args);
      const made = async () =>
        args.length > 0 ? (await scratch()).length > 0 : (await readdir(temporary)).length > 0;
      await until("it has made something", made);
      running.process.kill(signal);
      const { status: code, stderr } = await running.finished;
      expect(stderr).toMatch(/the drill was stopped before its end/);
      expect(code).toBe(12);
      expect(await scratch()).toEqual([]);
      expect(await readdir(temporary)).toEqual([]);
    }
  },
);

/** Kills a drill on the given target while it has databases there; again, if it was done before that could be seen. */
async function killedAmidst(): Promise<string[]> {
  for (;;) {
    const running = begin("--latest", "--target", stage.address);
    let ended = false;
    const finished = running.finished.then(() => (ended = true));
    while (!ended && (await scratch()).length === 0);
    running.process.kill("SIGKILL");
    await finished;
    const left = await scratch();
    if (left.length > 0) return left;
  }
}

test("killed: its own server and directory go with it; what it left on a given one is told, and dropped with --clean", async () => {
  const own = begin("--latest");
  await until("its server runs", async () => {
    const [directory] = await readdir(temporary);
    return directory !== undefined && existsSync(`${temporary}/${directory}/data`);
  });
  own.process.kill("SIGKILL");
  await own.finished;
  await until("its directory is gone", async () => (await readdir(temporary)).length === 0);

  const left = await killedAmidst();
  const told = await run("--target", stage.address);
  expect(told.status).toBe(0);
  for (const name of left) expect(told.stderr).toContain(name);
  expect(await scratch()).toEqual(expect.arrayContaining(left));
  const cleaned = await run("--target", stage.address, "--clean");
  expect(cleaned).toMatchObject({ status: 0 });
  expect(cleaned.stderr).toContain("dropped what earlier drills had left");
  expect(await scratch()).toEqual([]);
});

test("a document that changes on the target is found, the drill fails and is stored as failed", async () => {
  const plain = new RethinkTarget(stage.address, dialer(parseAddress(stage.address), "target"));
  const altering = overriding<Target>(plain, {
    waitForIndexes: async (table) => {
      await plain.waitForIndexes(table);
      if (table.name !== "values") return;
      const rows = r.db(table.db).table(table.name);
      await stage.query(rows.get("numbers").update({ safe: 1 }));
      await stage.query(rows.get("empty").delete());
    },
  });
  const repository = await openRepository(storeAt(repo));
  const observer = new Proxy({} as DrillObserver, { get: () => () => undefined });
  const options = { at: "latest" as const, tables: [], databases: [], clean: false };
  const chance = { unique: "0123456789ab", clock: systemClock, random: Math.random };
  const stay = new AbortController().signal;
  const found = await drill(repository, altering, { ...options, ...chance }, observer, stay);
  plain.close();
  expect(found.tables.map(({ name, ok }) => [name, ok])).toEqual(
    names.map((name) => [name, name !== "types.values"]),
  );
  expect(found.tables.at(-1)!.differences).toMatchObject({
    missing: { keys: ['"empty"'] },
    altered: { keys: ['"numbers"'] },
  });
  expect(await scratch()).toEqual([]);
  const said = (await cli(["status", "--repo", repo])).stdout;
  const what = 'types.values: 1 document missing ("empty"); 1 document altered ("numbers")';
  expect(said).toMatch(/THE DRILL of \d{4}-.* FAILED: /);
  expect(said).toContain(what);
  expect((await run("--latest", "--target", stage.address)).status).toBe(0);
  expect((await cli(["status", "--repo", repo])).stdout).not.toContain("FAILED");
});

test("values on the command line that make no sense", async () => {
  const both = await run("--latest", "--at", "now");
  expect([both.status, both.stderr]).toEqual([2, expect.stringMatching(/--at and --latest/)]);
  const early = await run("--at", iso(0), "--target", stage.address);
  expect([early.status, early.stderr]).toEqual([5, expect.stringMatching(/nothing was captured/)]);
  const table = await run("--table", "types.none", "--target", stage.address);
  expect([table.status, table.stderr]).toEqual([6, expect.stringMatching(/no table types\.none/)]);
});

test("a drill on the source itself is not captured", async () => {
  const repository = stage.repo("drilled");
  const capture = stage.capture(
    repository,
    "--include",
    "types.*",
    "--include",
    "thinkback_drill_*",
  );
  await stage.untilExactNow(repository, ...names);
  const args = ["--repo", repository, "--latest", "--target", stage.address];
  expect((await cli(["drill", ...args])).status).toBe(0);
  const left = "thinkback_drill_0123456789ab_types";
  await stage.query(r.dbCreate(left));
  await stage.query(r.db(left).tableCreate("keys"));
  await stage.query(r.db("types").tableCreate("after"));
  const now = await stage.untilExactNow(repository, "types.after");
  expect((await stop(capture)).status).toBe(0);
  await stage.query(r.dbDrop(left));
  await stage.query(r.db("types").tableDrop("after"));
  expect(tableOf(now, "types.keys")?.state).toBe("live");
  expect(now.tables.map(({ name }) => name).filter((name) => name.startsWith("think"))).toEqual([]);
  const catalog = await cliJson<object>(["catalog", "--repo", repository]);
  expect(JSON.stringify(catalog)).not.toContain("thinkback_drill");
});
