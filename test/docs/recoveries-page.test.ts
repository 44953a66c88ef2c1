/** Runs every command that docs/recoveries.md shows, and holds its table of options to the code. */
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { systemClock } from "../../src/clock.js";
import { optionsOf } from "../../src/recoveries/allowed.js";
import { recoveryCommands } from "../../src/recoveries/events.js";
import { createRecovery, type Recovery, readRecovery } from "../../src/recoveries/recoveries.js";
import { DirectoryStore } from "../../src/storage/directory-store.js";
import { cli, type Finished, type Running, start } from "../endtoend/cli.js";
import { iso, nextInstant, Stage, until } from "../endtoend/stage.js";
import { r } from "../server/driver.js";

const page = await readFile(join(import.meta.dirname, "../../docs/recoveries.md"), "utf8");
const lines = [...page.matchAll(/^```sh\n(.*?)^```/gms)].flatMap(([, text]) =>
  text!.trim().split("\n"),
);

let stage: Stage;
let store: DirectoryStore;
let worker: Running;
/** What stands on the page, and what it is here. */
const here = new Map<string, string>();

beforeAll(async () => {
  stage = await Stage.open();
  const repo = stage.repo("repository");
  const file = join(stage.directory, "staging.url");
  await writeFile(file, stage.address, { mode: 0o600 });
  here.set("URL", stage.address).set("REPO", repo);
  here.set("staging=/etc/thinkback/staging.url", `staging=${file}`);
  await stage.query(r.dbCreate("shop"));
  await stage.query(r.db("shop").tableCreate("orders"));
  await stage.query(r.db("shop").table("orders").insert({ id: 1, total: 1 }));
  const [run] = lines.filter((line) => line.startsWith("thinkback run"));
  worker = start(wordsOf(run!));
  stage.onClose(async () => {
    worker.process.kill("SIGKILL");
    await worker.finished;
  });
  await stage.untilExactNow(repo, "shop.orders");
  const then = await nextInstant(300);
  await stage.untilExact(repo, then + 1, "shop.orders");
  here.set("10 minutes ago", iso(then));
  await stage.query(r.db("shop").table("orders").update({ total: 2 }));
  await stage.untilExactNow(repo, "shop.orders");
  store = new DirectoryStore(repo);
}, 120_000);

afterAll(() => stage.close());

function wordsOf(line: string): string[] {
  return [...line.matchAll(/"([^"]*)"|(\S+)/g)]
    .map(([, quoted, plain]) => quoted ?? plain!)
    .map((word) => here.get(word) ?? word)
    .slice(1);
}

const run = (line: string): Promise<Finished> => cli(wordsOf(line));

async function untilState(id: string, state: Recovery["state"]): Promise<void> {
  await until(`it is ${state}`, async () => (await readRecovery(store, id))?.state === state);
}

/** Requested by somebody else than the user who runs the test. */
async function requested(...args: string[]): Promise<string> {
  const by = { name: "alice", via: "api" } as const;
  const { id } = await createRecovery(store, systemClock, { command: "rewind", args, by });
  here.set("7f3a1b2c", id);
  await untilState(id, "waiting");
  return id;
}

test("the commands of the page do what it says", async () => {
  const doing = lines.filter((line) => !line.startsWith("thinkback run"));
  expect(doing).toHaveLength(9);
  const at = iso(Date.parse(here.get("10 minutes ago")!));
  /** The states that the page's `show` finds. */
  const shown = ["done"];
  for (const line of doing) {
    const [, , what] = line.split(" ");
    if (what === "approve" || what === "cancel") await requested("shop.orders", `--at=${at}`);
    const isSeenFirst = line.includes("--confirm");
    const { status, stdout, stderr } = await run(line);
    expect([line, status, stderr]).toEqual([line, 0, stderr]);
    if (what === "request") here.set("7f3a1b2c", /^recovery (\w{8}) is/.exec(stdout)![1]!);
    if (isSeenFirst) {
      await untilState(here.get("7f3a1b2c")!, "waiting");
      shown.unshift("waiting for confirmation and approval");
    }
    if (what === "show") expect(stdout).toContain(`\n${shown.shift()}\n`);
    if (what === "confirm") expect(stdout).toContain("waits for the approval of somebody else");
    if (what === "list") expect(stdout).toContain(here.get("7f3a1b2c")!);
    const id = here.get("7f3a1b2c")!;
    if (what === "approve") await untilState(id, "done");
    if (what === "cancel") await untilState(id, "cancelled");
  }
  expect(await stage.query(r.db("shop").table("orders").get(1))).toEqual({ id: 1, total: 1 });
}, 120_000);

test("a target of another name is reached, and one that nobody knows waits", async () => {
  const by = { name: "alice", via: "api" } as const;
  const ask = (target: string, name: string) =>
    createRecovery(store, systemClock, {
      command: "restore",
      args: ["--table=shop.orders", `--rename=shop.orders=shop.${name}`, `--target=${target}`],
      by,
    });
  const [known, unknown] = [await ask("staging", "copied"), await ask("nowhere", "lost")];
  await untilState(known.id, "done");
  expect(await stage.query(r.db("shop").table("copied").count())).toBe(1);
  expect((await readRecovery(store, unknown.id))!.number).toBe(1);
  expect(worker.stderr()).toContain("no target is called nowhere here");
});

test("the table of options is what may be requested", () => {
  const rows = new Map(
    [...page.matchAll(/^\| `(\w+)` \| (.*) \|$/gm)].map(([, name, text]) => [name!, text!]),
  );
  const named = (text: string) => [...text.matchAll(/`(--[a-z-]+)`/g)].map(([, name]) => name!);
  for (const command of recoveryCommands) {
    const text = rows.get(command)!;
    const [common, own] = text.includes("those of `rewind` but for `--at`")
      ? [
          optionsOf("rewind").filter((name) => name !== "--at"),
          named(text).filter((one) => one !== "--at"),
        ]
      : [[], named(text)];
    expect([...common, ...own].sort()).toEqual(optionsOf(command).sort());
  }
});
