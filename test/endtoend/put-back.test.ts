/**
 * What a running capture had stored is gone: an older copy is put back under it, an object is deleted, another directory is
 * in the place of its own. It says so, goes on by itself, and nothing that it calls exact is wrong.
 */
import { cp, mkdir, readdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { listSegments } from "../../src/repository/log/log.js";
import { storeAt } from "../../src/storage/store-at.js";
import { whyNotLong } from "../long.js";
import { r } from "../server/driver.js";
import { cli, type Running, status } from "./cli.js";
import { judge } from "./judge.js";
import { Ledger } from "./ledger.js";
import { Stage, stop, type TableStatus, tableOf, until } from "./stage.js";
import { Writer } from "./workload.js";

let stage: Stage;

beforeAll(async () => {
  stage = await Stage.open();
  await stage.query(r.dbCreate("shop"));
});

afterAll(() => stage.close());

interface Scene {
  repo: string;
  run: Running;
  table: string;
}

const seconds = (count: number) => new Promise((resolve) => setTimeout(resolve, 1000 * count));

/** A capture of a table that is being written: `lose` takes something away, `isBack` tells when the capture goes on. */
async function play(
  table: string,
  more: string[],
  lose: (scene: Scene) => Promise<void>,
  isBack: (scene: Scene) => boolean,
): Promise<Scene & { of: TableStatus }> {
  const repo = stage.repo(table);
  await stage.query(r.db("shop").tableCreate(table));
  const ledger = new Ledger();
  const connection = await stage.connect();
  const documents = { documents: 100, seed: 3, writer: 1, db: "shop", table };
  const writer = new Writer(connection, { ...documents, ledger });
  await writer.load();
  const run = stage.capture(repo, "--include", `shop.${table}`, ...more);
  await stage.untilExactNow(repo, `shop.${table}`);
  const began = Date.now();
  const enough = new AbortController();
  const writing = writer.write(enough.signal, 20);
  const scene = { repo, run, table };
  try {
    await lose(scene);
    await until("the capture goes on", () => isBack(scene), 120_000);
    await stage.untilExactNow(repo, `shop.${table}`);
    await seconds(3);
  } finally {
    enough.abort();
    await writing;
    await connection.close();
  }
  const of = tableOf(await stage.untilExactNow(repo, `shop.${table}`), `shop.${table}`)!;
  const at = ["--at", of.lastRestorable!, "--table", `shop.${table}`];
  const rename = ["--rename", `shop.${table}=then.${table}`];
  const { restored } = await stage.restore(repo, ...at, ...rename);
  expect(restored).toMatchObject([{ class: "exact", matches: true }]);
  expect(await stage.texts("then", table)).toEqual(await stage.texts("shop", table));
  const instants: number[] = [];
  for (let instant = began; instant < Date.now(); instant += 500) instants.push(instant);
  const verdict = await judge(repo, `shop.${table}`, ledger, instants);
  expect(verdict.wrong).toEqual([]);
  expect(verdict.exact).toBeGreaterThan(3);
  expect((await stop(run)).status).toBe(0);
  const verified = await cli(["verify", "--repo", repo, "--data"]);
  expect(verified.stdout).not.toContain("BROKEN");
  return { ...scene, of };
}

async function copyOf({ repo }: Scene): Promise<string> {
  const filter = (path: string) => !path.includes(".tmp-");
  await cp(repo, `${repo}.copy`, { recursive: true, filter });
  return `${repo}.copy`;
}

const goesOn = ({ run }: Scene) => run.stderr().includes("the capture goes on in its repository");
const wholeClasses = new Set(["exact", "late"]);
const losses = ({ intervals }: TableStatus) =>
  intervals.filter((interval) => !wholeClasses.has(interval.class));

test.skipIf(whyNotLong !== undefined).concurrent(
  "an older copy is put back under a running capture",
  async () => {
    const { run, of } = await play(
      "older",
      [],
      async (scene) => {
        const copy = await copyOf(scene);
        // Its record is in the catalog of the log that is lost.
        await stage.query(r.db("shop").tableCreate("made"));
        await seconds(5);
        for (const entry of await readdir(scene.repo)) {
          const retried = { recursive: true, force: true, maxRetries: 50, retryDelay: 5 };
          await rm(join(scene.repo, entry), retried);
        }
        await cp(copy, scene.repo, { recursive: true });
      },
      goesOn,
    );
    expect(run.stderr()).toContain("WHAT THIS CAPTURE HAD STORED IS GONE FROM ITS REPOSITORY");
    expect(losses(of)).toMatchObject([{ class: "gap" }]);
    expect(losses(of)[0]!.reason).toMatch(/^what was captured is lost: object log\/.* is missing$/);
  },
  400_000,
);

test.skipIf(whyNotLong !== undefined).concurrent(
  "another directory with an older copy is put in its place",
  async () => {
    const { of, repo } = await play(
      "moved",
      [],
      async (scene) => {
        const copy = await copyOf(scene);
        await seconds(5);
        await rename(scene.repo, `${scene.repo}.away`);
        await rename(copy, scene.repo);
      },
      goesOn,
    );
    expect(losses(of)).toMatchObject([{ class: "gap" }]);
    // Nothing was put behind the copy before it was known what it lacks.
    const epochs = (await listSegments(storeAt(repo))).map(({ epoch }) => epoch);
    const stored = (await readdir(join(repo, "log", "00000001"))).length;
    expect(stored).toBe(epochs.filter((epoch) => epoch === 1).length);
  },
  400_000,
);

test.skipIf(whyNotLong !== undefined).concurrent(
  "the last segment is deleted",
  async () => {
    const { of } = await play(
      "last",
      [],
      async ({ repo }) => {
        await seconds(3);
        await rm(join(repo, (await listSegments(storeAt(repo))).at(-1)!.name));
      },
      goesOn,
    );
    expect(losses(of)).toMatchObject([{ class: "gap" }]);
  },
  400_000,
);

test.skipIf(whyNotLong !== undefined).concurrent(
  "a segment in the middle is deleted: status says so, and the table is copied anew",
  async () => {
    const { of } = await play(
      "middle",
      ["--maintain-every", "5s"],
      async ({ repo, table }) => {
        await seconds(40);
        const segments = await listSegments(storeAt(repo));
        await rm(join(repo, segments[segments.length >> 2]!.name));
        const said = await cli(["status", "--repo", repo]);
        expect(said.stdout).toMatch(new RegExp(`^shop.${table} +live, DAMAGED `, "m"));
        expect(said.stdout).toMatch(
          new RegExp(
            `^.*shop.${table}: NOTHING SINCE .* CAN BE RESTORED: object log/.* is missing`,
            "m",
          ),
        );
        expect(tableOf(await status(repo), `shop.${table}`)).toMatchObject({ state: "live" });
      },
      ({ run }) => run.stderr().split("captured completely").length > 4,
    );
    expect(losses(of)).toMatchObject([{ class: "damaged" }]);
  },
  400_000,
);

test.skipIf(whyNotLong !== undefined).concurrent(
  "a stranger's repository in its place is left as it is; ours goes on when it is back",
  async () => {
    const stranger = stage.repo("stranger");
    await stage.query(r.db("shop").tableCreate("other"));
    expect((await stage.backUp(stranger, "--include", "shop.other")).status).toBe(0);
    const before = await readdir(stranger, { recursive: true });
    const { of } = await play(
      "strange",
      ["--maintain-every", "3s"],
      async ({ repo, run }) => {
        await rename(repo, `${repo}.away`);
        await mkdir(repo);
        await seconds(2);
        expect(await readdir(repo)).toEqual([]);
        await rm(repo, { recursive: true });
        await rename(stranger, repo);
        await until(
          "it is noticed",
          () => run.stderr().includes("holds another repository"),
          60_000,
        );
        await seconds(5);
        expect(await readdir(repo, { recursive: true })).toEqual(before);
        await rename(repo, stranger);
        await rename(`${repo}.away`, repo);
      },
      ({ run }) => run.stderr().includes("store is back"),
    );
    expect(losses(of)).toEqual([]);
  },
  400_000,
);
