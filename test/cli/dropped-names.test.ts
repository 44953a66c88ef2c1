/** What people read of a dropped table has its last name, and says that it was dropped. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { runCommandLine } from "../../src/cli/program.js";
import { DirectoryStore } from "../../src/storage/directory-store.js";
import { makeRepository, namesIn, Recording, StillClock } from "../repository/recording.js";

const dropped = "0a000000-0000-4000-8000-000000000001";
/** Of which nothing was captured before it was dropped: its name is not known at any covered instant. */
const nameless = "0b000000-0000-4000-8000-000000000002";
let directory: string;
let store: DirectoryStore;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "thinkback-names-"));
  store = new DirectoryStore(directory);
  const clock = new StillClock(Date.now() - 3_600_000);
  const recording = await Recording.begin(await makeRepository(store), clock);
  recording.catalogRead();
  recording.catalog(["db", "d1"], { id: "d1", name: "shop" });
  const table = { id: dropped, name: "early", db: "shop", primary_key: "id" };
  recording.catalog(["table", dropped], table);
  recording.coverage(nameless, { state: "copying", since: clock.instant });
  recording.coverage(dropped, { state: "copying", since: clock.instant });
  const copy = await recording.copy(dropped, [[1, { id: 1 }]]);
  const live = await recording.tick();
  await copy.finish(live, live - 1000);
  recording.coverage(dropped, { state: "live", since: live });
  recording.catalog(["table", dropped], { ...table, name: "orders" });
  await recording.tick();
  recording.put(dropped, 2, { id: 2 });
  await recording.tick();
  recording.catalog(["table", dropped], null);
  for (const id of [dropped, nameless]) {
    recording.coverage(id, { state: "dropped", since: clock.instant });
  }
  await recording.tick();
});

afterAll(() => rm(directory, { recursive: true, force: true }));

async function run(...args: string[]): Promise<string> {
  let printed = "";
  const stream = { write: (text: string | Uint8Array) => (printed += Buffer.from(text)) };
  const [command = "", ...rest] = args;
  await runCommandLine([command, "--repo", directory, ...rest], { stdout: stream, stderr: stream });
  return printed;
}

const nameOf = (json: string, of: "tables" | "lost") =>
  (JSON.parse(json.split("\n")[0]!) as Record<typeof of, { table: string; name: string }[]>)[
    of
  ].find(({ table }) => table === dropped)?.name;

test("expire", async () => {
  expect(await run("expire", "--dry-run")).toMatch(/^shop\.orders \(dropped\) {2}/m);
  expect(nameOf(await run("expire", "--dry-run", "--json"), "tables")).toBe("shop.orders");
});

test("fold", async () => {
  const printed = await run("fold");
  expect(printed).toMatch(/^shop\.orders \(dropped\) {2}/m);
  expect(nameOf(await run("fold", "--json"), "tables")).toBe("shop.orders");
});

test("status has a column that says it", async () => {
  const printed = await run("status");
  expect(printed).toMatch(/^shop\.orders {2,}dropped/m);
  expect(printed).toMatch(new RegExp(`^${nameless} +dropped`, "m"));
});

test("verify and repair", async () => {
  const parts = (await namesIn(store)).filter((name) => name.startsWith(`bases/${dropped}/`));
  for (const name of parts.filter((one) => !one.endsWith("manifest.json"))) {
    await writeFile(join(directory, name), "");
  }
  expect(await run("verify")).toMatch(/^shop\.orders \(dropped\) {2}/m);
  expect(nameOf(await run("verify", "--json"), "lost")).toBe("shop.orders");
  expect(await run("repair", "--dry-run")).toMatch(/^shop\.orders \(dropped\) {2}/m);
});
