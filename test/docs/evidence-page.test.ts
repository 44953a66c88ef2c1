/** Runs every command that docs/evidence.md shows, in its order, on a server that the project finds. */
import { spawn } from "node:child_process";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { cli, cliJson } from "../endtoend/cli.js";
import { Stage } from "../endtoend/stage.js";
import { r } from "../server/driver.js";

const main = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));
const page = await readFile(join(import.meta.dirname, "../../docs/evidence.md"), "utf8");
const blocks = (language: string) =>
  [...page.matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\``, "gms"))].map(
    ([, text]) => text!,
  );
const lines = blocks("sh")
  .flatMap((text) => text.split("\n"))
  .filter((line) => line.startsWith("thinkback "));

let stage: Stage;
let directory: string;
let repo: string;
const here = new Map<string, string>();

beforeAll(async () => {
  stage = await Stage.open();
  [directory, repo] = [stage.repo("work"), stage.repo("repository")];
  await mkdir(directory);
  await writeFile(join(directory, "expected.yaml"), blocks("yaml")[0]!);
  await stage.query(r.dbCreate("shop"));
  for (const name of ["orders", "settings"]) await stage.query(r.db("shop").tableCreate(name));
  const orders = Array.from({ length: 1200 }, (_, id) => {
    const isPaid = id % 3 > 0;
    return { id, customer: `c${id % 50}`, status: isPaid ? "shipped" : "new", paid: isPaid };
  });
  await stage.query(r.db("shop").table("orders").insert(orders));
  const settings = Array.from({ length: 12 }, (_, id) => ({ id, value: id }));
  await stage.query(r.db("shop").table("settings").insert(settings));
  expect((await stage.backUp(repo)).status).toBe(0);
  // The page compares with the drill before.
  await cliJson(["drill", "--repo", repo, "--latest", "--target", stage.address]);
  await cliJson(["verify", "--repo", repo]);
  const { stdout } = await cli(["key", "new", join(directory, "auditor.key")]);
  here.set("REPO", repo).set("KEY", /:([0-9a-f]{64})/.exec(stdout)![1]!);
  here.set("2026-11-01T00:00:00Z", new Date(Date.now() - 3_600_000).toISOString());
  here.set("2026-12-01T00:00:00Z", new Date(Date.now() + 3_600_000).toISOString());
}, 120_000);

afterAll(() => stage.close());

function run(words: string[]): Promise<{ status: number | null; printed: string }> {
  const env = { ...process.env, THINKBACK_TARGET: stage.address };
  const child = spawn(process.execPath, [main, ...words], { cwd: directory, env });
  let printed = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (bytes: Buffer) => (printed += bytes.toString()));
  }
  return new Promise((resolve) => child.on("close", (status) => resolve({ status, printed })));
}

test("the page has commands of every kind", () => {
  expect(new Set(lines.map((line) => line.split(" ")[1]))).toEqual(new Set(["drill", "evidence"]));
});

test.each(lines)("%s", async (line) => {
  const words = line.split(" ").slice(1);
  const { status, printed } = await run(words.map((word) => here.get(word) ?? word));
  expect([printed, status]).toEqual([printed, 0]);
});

test("what they made says what happened here", async () => {
  const report = JSON.parse(await readFile(join(directory, "november/evidence.json"), "utf8")) as {
    drills: { ok: boolean; checks?: { outcome: string; found: number }[] }[];
    verifications: { sound: boolean }[];
    tables: { name: string; exactMs: number }[];
  };
  expect(
    report.drills.map(({ ok, checks = [] }) => [ok, checks.map((one) => [one.outcome, one.found])]),
  ).toEqual([
    [true, []],
    [
      true,
      [
        ["passed", 1200],
        ["passed", 1200],
        ["passed", 24],
        ["passed", 0],
        ["passed", 12],
      ],
    ],
  ]);
  expect(report.verifications).toMatchObject([{ sound: true }]);
  expect(report.tables.map(({ name, exactMs }) => [name, exactMs > 0])).toEqual([
    ["shop.orders", true],
    ["shop.settings", true],
  ]);
});
