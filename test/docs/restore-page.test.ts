/** What docs/recovery.md shows of restores: its commands make a plan, and its mask can be read. */
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { readMask } from "../../src/cli/mask-given.js";
import { runCommandLine } from "../../src/cli/program.js";
import { DirectoryStore } from "../../src/storage/directory-store.js";
import { makeRepository, Recording, StillClock } from "../repository/recording.js";

const page = await readFile(join(import.meta.dirname, "../../docs/recovery.md"), "utf8");
const blocks = (language: string) =>
  [...page.matchAll(new RegExp(`^\`\`\`${language}\n(.*?)^\`\`\``, "gms"))].map(
    ([, text]) => text!,
  );
const commands = blocks("sh").flatMap((text) =>
  text.split("\n").filter((line) => line.startsWith("thinkback restore ")),
);

let directory: string;
let repo: string;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "thinkback-page-"));
  repo = join(directory, "repository");
  const repository = await makeRepository(new DirectoryStore(repo));
  const recording = await Recording.begin(repository, new StillClock(Date.now() - 3_600_000));
  recording.catalogRead();
  recording.catalog(["db", "d1"], { id: "d1", name: "shop" });
  const shards = [{ primary_replica: "one", replicas: ["one"], nonvoting_replicas: [] }];
  const settings = { durability: "hard", write_acks: "majority", write_hook: null, indexes: [] };
  const since = recording.log.stamp().time;
  const ids = new Map<string, string>();
  for (const [i, name] of ["orders", "customers", "stock"].entries()) {
    const id = `0a000000-0000-4000-8000-00000000000${i}`;
    ids.set(name, id);
    const config = { id, db: "shop", name, primary_key: "id", shards, ...settings };
    recording.catalog(["table", id], config);
    recording.coverage(id, { state: "copying", since });
  }
  const bases = [];
  for (const id of ids.values()) bases.push(await recording.copy(id, [["k", { id: "k" }]]));
  const instant = await recording.tick(50);
  for (const base of bases) await base.finish(instant, since - 1);
  for (const id of ids.values()) recording.coverage(id, { state: "live", since: instant });
  await recording.tick(50, { closed: true });
  await writeFile(
    join(directory, "mask.yaml"),
    blocks("yaml").find((one) => one.includes("key:"))!,
  );
  await writeFile(join(directory, "mask.key"), "0123456789abcdef");
  await writeFile(join(directory, "tenants.yaml"), "shop.orders: customer.id\n");
});

afterAll(() => rm(directory, { recursive: true, force: true }));

/** The words of a line as a shell reads them; files lie in the directory. */
function wordsOf(line: string): string[] {
  return [...line.matchAll(/'([^']*)'|"([^"]*)"|(\S+)/g)]
    .map(([, single, double, plain]) => single ?? double ?? plain!)
    .map((word) => (/\.(yaml|json)$/.test(word) ? join(directory, word) : word))
    .map((word) => ({ REPO: repo, URL: "rethinkdb://127.0.0.1:1" })[word] ?? word);
}

test("there are commands", () => expect(commands.length).toBeGreaterThan(5));

test.each(commands)("%s", async (line) => {
  let printed = "";
  const stream = { write: (text: string | Uint8Array) => (printed += text.toString()) };
  // The recorded history has none of these instants.
  const all = wordsOf(line);
  const at = all.indexOf("--at");
  const words = at === -1 ? all : all.toSpliced(at, 2);
  const args = [...words.slice(1), "--dry-run"];
  const surroundings = { environment: {}, directory };
  const status = await runCommandLine(args, { stdout: stream, stderr: stream }, surroundings);
  expect(printed).toMatch(/^restoring to /m);
  expect(status).toBe(0);
});

test("the mask", () => {
  const { key, tables } = readMask(join(directory, "mask.yaml"));
  expect(key).toHaveLength(16);
  expect(Object.keys(tables)).toEqual([
    "shop.customers",
    "shop.orders",
    "shop.messages",
    "shop.stock",
  ]);
});
