/** What the page says that each role creates and deletes in a repository is what its commands do there. */
import { execFile } from "node:child_process";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { DirectoryStore } from "../../src/storage/directory-store.js";
import { type Running, start } from "../endtoend/cli.js";
import { iso, nextInstant, Stage, stop, until } from "../endtoend/stage.js";
import { whyNotLong } from "../long.js";
import { r } from "../server/driver.js";
import { makeWorld } from "../verify/world.js";
import { readPage } from "./generated.js";
import { rolesOn } from "./policies.js";

const commandsOf: Record<string, string[]> = {
  capture: ["run"],
  maintenance: ["maintain", "fold", "expire", "repair"],
  restore: ["restore", "drill", "export", "preview", "follow"],
  recovery: ["undo", "rewind", "promote"],
  audit: [
    "status",
    "show",
    "history",
    "diff",
    "points",
    "table",
    "catalog",
    "plan",
    "verify",
    "pin list",
    "lanes list",
    "recoveries list",
    "recoveries show",
    "alarm list",
  ],
  request: ["recoveries request", "recoveries confirm", "recoveries approve", "recoveries cancel"],
  notes: [
    "pin add",
    "pin remove",
    "acknowledge",
    "mark",
    "lanes set",
    "alarm silence",
    "alarm unsilence",
    "recoveries approval",
  ],
};

/** What happens too seldom to be brought about here, and why. */
const seldom = new Set([
  "maintenance create evidence/", // a version chain that breaks
  "maintenance create rates/", // a fold of more than 16 MiB
  "maintenance delete expiries/", // many rounds that expire
  "capture create alarms/", // something that is wrong for a minute
  "capture delete alarms/", // ten changes of that
  "notes delete alarms/", // ten silences
  "capture delete handovers/", // a process that is asked to end, and does not answer
  "restore create rates/", // a drill of more than 16 MiB
  "maintenance delete operations/", // an operation whose time is over
  "maintenance delete recoveries/", // a recovery whose time is over
  "recovery create leases/", // a table that has been in a gap for 23 hours
  "recovery delete leases/", // six of these
  "recovery delete operations/", // an undo with conflicts
]);

let stage: Stage;
let directory: string;

beforeAll(async () => {
  stage = await Stage.open();
  directory = await mkdtemp(join(tmpdir(), "thinkback-permissions-"));
});
afterAll(async () => {
  await stage.close();
  await rm(directory, { recursive: true, force: true });
});

const hook = pathToFileURL(join(import.meta.dirname, "record-operations.mjs")).href;

const recording = (repo: string) => ({
  NODE_OPTIONS: `--import ${hook}`,
  RECORDED_STORE: repo,
  RECORDED_TO: join(directory, "recorded"),
});

/** Starts a command whose operations on the repository are recorded. */
function recorded(repo: string, ...args: string[]): Running {
  return start([...args, "--repo", repo], recording(repo));
}

async function done(repo: string, ...args: string[]): Promise<void> {
  const { status, stderr } = await recorded(repo, ...args).finished;
  expect([args.join(" "), status, stderr]).toEqual([args.join(" "), 0, stderr]);
}

/** Several commands, one after the other in one process, which costs less than one for each. */
async function allDone(repo: string, ...commands: string[]): Promise<void> {
  const lines = commands.map((one) => JSON.stringify([...one.split(" "), "--repo", repo]));
  const program = join(import.meta.dirname, "run-recorded.mjs");
  const env = { ...process.env, ...recording(repo) };
  await promisify(execFile)(process.execPath, [program, ...lines], { env });
}

/** Takes changes of a live table back in each way, and swaps a table, while they are captured. */
async function recovered(repo: string): Promise<void> {
  const target = ["--target", stage.address];
  const live = r.db("shop").table("a");
  const changed = async (n: number) => {
    await stage.untilExactNow(repo, "shop.a");
    const before = iso(await nextInstant(50));
    await stage.query(live.get(1).update({ n }));
    await stage.untilExactNow(repo, "shop.a");
    return before;
  };
  const first = await changed(1);
  await done(repo, "undo", "shop.a", "--from", first, ...target);
  const second = await changed(2);
  await done(repo, "rewind", "shop.a", "--at", second, ...target);
  await stage.query(r.db("shop").tableCreate("other"));
  // A table of which most documents are missing is not promoted.
  await stage.query(r.db("shop").table("other").insert({ id: 1 }));
  await done(repo, "promote", "shop.b", "--from", "shop.other", ...target);
  expect(await stage.query(live.get(1))).toEqual({ id: 1 });
}

/** A repository with one of everything, as maintenance finds it. */
async function worldIn(path: string): Promise<string> {
  const { store } = await makeWorld();
  const to = new DirectoryStore(path);
  for await (const { name } of store.list("")) await to.put(name, await store.get(name));
  return to.location;
}

/** What was done, as `role operation prefix`. */
async function recordedOperations(): Promise<Set<string>> {
  const found = new Set<string>();
  const place = join(directory, "recorded");
  for (const file of await readdir(place)) {
    for (const line of (await readFile(join(place, file), "utf8")).split("\n")) {
      const [command, operation, name] = line.split("\t");
      const [role] = Object.entries(commandsOf).find(([, all]) => all.includes(command!)) ?? [];
      const own = name!.replace(/^lanes\/\d+\//, "");
      const prefix = own.includes("/") ? own.slice(0, own.indexOf("/") + 1) : own;
      if (role === undefined) throw new Error(`no role has the command ${command}`);
      if (operation === "create" || operation === "delete") {
        found.add(`${role} ${operation} ${prefix}`);
      }
    }
  }
  return found;
}

test.skipIf(whyNotLong !== undefined)(
  "each role creates and deletes what the page says, and nothing else",
  async () => {
    await mkdir(join(directory, "recorded"));
    const repo = stage.repo("repository");
    await stage.query(r.dbCreate("shop"));
    const tables = ["a", "b", "c", "d"];
    for (const table of tables) {
      await stage.query(r.db("shop").tableCreate(table));
      await stage.query(r.db("shop").table(table).insert({ id: 1 }));
    }
    const options = ["--source", stage.address, "--tick", "100ms", "--no-fold"];
    const capture = (...more: string[]) => recorded(repo, "run", ...options, ...more);
    const captured = (running: Running, times = 4) =>
      until("it captures", () => running.stderr().split("captured completely").length > times);

    const first = capture();
    await captured(first);
    const second = capture("--take-over");
    expect((await first.finished).status).toBe(0);
    expect((await stop(second)).status).toBe(0);
    // Processes that may share lanes tell each other of themselves.
    await done(repo, "lanes", "set", "2");
    const third = capture();
    await stage.query(r.dbCreate("lanes"));
    // A table's id decides in which lane it is.
    for (let n = 0; !/"lane":1.*completely/.test(third.stderr()); n += 1) {
      expect(n).toBeLessThan(20);
      await stage.query(r.db("lanes").tableCreate(`t${n}`));
      const isCaptured = new RegExp(`"lanes\\.t${n}".*completely`);
      await until("a table more is captured", () => isCaptured.test(third.stderr()));
    }
    await recovered(repo);
    expect((await stop(third)).status).toBe(0);

    const world = await worldIn(join(directory, "world"));
    await Promise.all([
      (async () => {
        const target = ["--target", stage.address];
        await done(repo, "restore", ...target, "--db", "shop", "--rename", "shop=copy");
        await done(repo, "drill", ...target, "--latest");
        await done(repo, "export", "--out", join(directory, "dump.tar.gz"));
        const looking = [
          "status",
          "catalog",
          "plan",
          "verify",
          "pin list",
          "lanes list",
          "recoveries list",
          "alarm list",
        ];
        const noting = ["pin add release", "pin remove release", "mark release"].concat(
          "recoveries approval all",
          "recoveries request drill",
          "alarm silence behind --for 1h --reason known",
          "alarm unsilence behind",
        );
        await allDone(repo, ...looking, "show shop.a 1", "table shop.a", ...noting);
        const { stdout } = await start(["status", "--repo", repo, "--json"]).finished;
        const { restorableUntil } = JSON.parse(stdout) as { restorableUntil: string };
        await stage.query(r.db("shop").table("a").update({ changed: true }));
        await done(repo, "rewind", "shop.a", ...target, "--at", restorableUntil);
      })(),
      (async () => {
        const { tables: all } = JSON.parse(
          (await start(["status", "--repo", world, "--json"]).finished).stdout,
        ) as { tables: { name: string; intervals: { class: string; from: string }[] }[] };
        const gaps = all.flatMap(({ name, intervals }) =>
          intervals.filter((one) => one.class === "gap").map(({ from }) => [name, from] as const),
        );
        const [table, from] = gaps[0]!;
        await done(world, "acknowledge", table, "--at", from, "--note", "known");
        // More than a day old: such a pin takes the lease, of which ten objects stay.
        const pins = ["a", "b", "c", "d", "e", "f"];
        const added = pins.map((pin) => `pin add ${pin} --at ${from} --allow-inexact`);
        await allDone(world, ...added, ...pins.map((pin) => `pin remove ${pin}`));
        await done(world, "fold");
        await done(world, "maintain", "--grace", "0s", "--keep", "all:1d");
        await done(world, "expire", "--grace", "0s");
        // A bundle that cannot be used is made anew.
        const bundle = (await readdir(join(world, "bundles"))).sort().at(-1)!;
        await writeFile(join(world, "bundles", bundle), "damaged");
        await done(world, "maintain", "--grace", "0s");
        // A claim that is lost is written again.
        const [claim] = (await readdir(join(world, "writers"))).sort();
        await rm(join(world, "writers", claim!));
        await done(world, "repair", "--data");
      })(),
    ]);

    const page = await readPage("permissions.md");
    const documented = rolesOn(page).flatMap(({ name, creates, deletes }) => [
      ...creates.map((prefix) => `${name} create ${prefix}`),
      ...deletes.map((prefix) => `${name} delete ${prefix}`),
    ]);
    const found = await recordedOperations();
    for (const one of seldom) expect(documented).toContain(one);
    expect([...new Set([...found, ...seldom])].sort()).toEqual(documented.sort());
  },
  180_000,
);
