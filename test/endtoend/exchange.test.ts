/** Archives of every type, exported, imported and restored. */
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { rowOf } from "../../src/exchange/server-json.js";
import { serverNumber } from "../../src/exchange/server-number.js";
import { officially, type RestoredFile } from "../exchange/archives.js";
import { r, type Term } from "../server/driver.js";
import { cli, cliJson, start } from "./cli.js";
import { factsOf, makeEveryType } from "./every-type.js";
import { Stage, until } from "./stage.js";

const tables = ["values", "keys", "custom-key_1", "empty"];
const values = r.db("types").table("values");

let stage: Stage;
let repo: string;
let archive: string;
let imported: string;
let at: string;

beforeAll(async () => {
  stage = await Stage.open();
  [repo, archive, imported] = ["repository", "dump.tar.gz", "imported"].map((name) =>
    stage.repo(name),
  ) as [string, string, string];
  await makeEveryType(stage);
  await stage.query(values.insert([{ id: "low \udc00", "\udc01": "\udc02 😀" }]));
  const random = (i: Term) => ({
    id: r.expr("random ").add(i.coerceTo("string")),
    small: r.random(),
    large: r.random(-1e6, 1e6, { float: true }),
  });
  await stage.query(values.insert(r.range(1000).map(random)));
  await stage.backUp(repo, "--include", "types.*");
  await cliJson(["export", "--repo", repo, "--out", archive]);
  at = (await cliJson<{ at: string }>(["import", archive, "--repo", imported])).at;
}, 120_000);

afterAll(() => stage.close());

describe("an archive of every type", () => {
  let files: Map<string, RestoredFile>;

  beforeAll(async () => {
    files = await officially(archive);
  });

  test("is one that the official restore takes", () => {
    const names = tables.map((name) => `types.${name}`);
    expect([...files.keys()].sort()).toEqual(names.sort());
    const { indexes } = files.get("types.values")!.info as { indexes: { index: string }[] };
    expect(indexes.map(({ index }) => index).sort()).toEqual(
      ["compound", "expression", "geo", "multi", "simple"].sort(),
    );
  });

  test("comes back through an import as it was: documents, keys, indexes, hooks and settings", async () => {
    const how = ["--at", at, "--without-access", "--rename", "types=again"];
    const { restored } = await stage.restore(imported, ...how);
    expect(restored.map(({ matches, class: of }) => [matches, of])).toEqual(
      tables.map(() => [true, "exact"]),
    );
    for (const name of tables) {
      expect(await factsOf(stage, "again", name)).toEqual(await factsOf(stage, "types", name));
    }
  }, 60_000);

  test("gives the same archive again", async () => {
    const again = stage.repo("again.tar.gz");
    const from = ["--repo", imported, "--at", at];
    await cliJson(["export", ...from, "--out", again]);
    const texts = [...(await officially(again))].map(
      ([
        name,
        {
          texts: { json },
        },
      ]) => [name, json],
    );
    expect(texts).toEqual(
      [...files].map(
        ([
          name,
          {
            texts: { json },
          },
        ]) => [name, json],
      ),
    );
  });

  test("that is said to be a dump can be restored only as one", async () => {
    const dump = stage.repo("dump");
    const span = ["--began", "2024-01-02T03:04:05Z", "--ended", "2024-01-02T03:04:06Z"];
    const { at: ended } = await cliJson<{ at: string }>([
      "import",
      archive,
      "--repo",
      dump,
      ...span,
    ]);
    const target = ["--target", stage.address, "--repo", dump, "--without-access"];
    for (const when of [[], ["--at", ended]]) {
      const { status, stderr } = await cli(["restore", ...target, ...when]);
      expect([status, stderr]).toEqual([5, expect.stringContaining("late by up to")]);
    }
    expect((await cli(["drill", "--repo", dump])).status).toBe(5);
  });

  test("is not captured into", async () => {
    const { status, stderr } = await stage.backUp(imported, "--include", "types.*");
    expect([status, stderr]).toEqual([4, expect.stringContaining("is an import of dump.tar.gz")]);
  });
});

describe("the server's own text", () => {
  test("of numbers is the one that an import writes", async () => {
    const numbers = [
      0.1 + 0.2,
      5e-324,
      1e22,
      1e21,
      123456789012345680000,
      1e-7,
      2 ** 53 + 2,
      1 / 3,
    ];
    const view = new DataView(new ArrayBuffer(8));
    for (let i = 0; i < 2000; i += 1) {
      for (const at of [0, 4]) view.setUint32(at, Math.floor(Math.random() * 2 ** 32));
      const any = view.getFloat64(0);
      numbers.push(Math.random(), Math.random() * 1e9, Math.round(Math.random() * 1e7) / 1e4);
      if (Number.isFinite(any)) numbers.push(any);
    }
    const texts = await stage.query<string[]>(
      r.json(JSON.stringify(numbers)).map((one: Term) => one.toJsonString()),
    );
    expect(numbers.map(serverNumber)).toEqual(texts);
  });

  test("of documents is the one that an import writes", async () => {
    const documents = [
      '{"id": 1, "t": {"$reql_type$":"TIME","epoch_time":1.0005,"timezone":"Z"}}',
      '{"id": 1, "t": {"timezone":"+0530","$reql_type$":"TIME","epoch_time":-1.2345}}',
      `{"id": 1, "b": {"data":"${"QUJD".repeat(40)}","$reql_type$":"BINARY"}}`,
      '{"id": 1, "g": {"$reql_type$":"GEOMETRY","type":"Point","coordinates":[1.50, -0.0]}}',
      '{"\\uffff": 1, "😀": 2, "\\udc00": 3, "id": 1, "": 4, "Z": 5, "a": 6, "\\"": 7, "\\u0001": 8}',
      '{"id": 1, "z": [-0, -0.0, 1e+22, 1E5, 0.10, 12345678901234567890]}',
      '{"id": 1, "s": "\\u001f\\u007f\\/\\ud83d\\ude00\\udfff\\u00e9\\\\u0001"}',
    ];
    for (const text of documents) {
      const expected = await stage.query<Buffer>(r.json(text).toJsonString().coerceTo("binary"));
      expect(rowOf(text, "id").document).toEqual(expected);
    }
  });
});

test("an export that is stopped leaves nothing", async () => {
  const big = r.db("big").table("big");
  await stage.query(r.dbCreate("big"));
  await stage.query(r.db("big").tableCreate("big"));
  const text = "x".repeat(1000);
  for (let i = 0; i < 6; i += 1) {
    await stage.query(
      big.insert(r.range(10_000).map((n: Term) => ({ id: n.add(i * 10_000), text }))),
    );
  }
  const bigRepo = stage.repo("big");
  await stage.backUp(bigRepo, "--include", "big.*");
  const out = stage.repo("out");
  const before = await readdir(stage.directory);
  const running = start(["export", "--repo", bigRepo, "--out", join(out, "..", "big.tar.gz")]);
  await until("the export has begun", async () =>
    (await readdir(stage.directory)).some((name) => name.startsWith(".big.tar.gz.part-")),
  );
  running.process.kill("SIGTERM");
  const { status, stderr } = await running.finished;
  expect([status, stderr]).toEqual([12, expect.stringContaining("nothing of it stays")]);
  expect(await readdir(stage.directory)).toEqual(before);
}, 120_000);

test("lines and CSV of the same instant hold the same keys", async () => {
  const out = stage.repo("lines");
  await cliJson(["export", "--repo", repo, "--format", "ndjson", "--out", out]);
  const { stdout } = await cli(
    [
      "export",
      "--repo",
      repo,
      "--format",
      "csv",
      "--table",
      "types.values",
      "--fields",
      "id",
    ].concat(["--out", "-"]),
  );
  const lines = (await readFile(join(out, "types.values.ndjson"), "utf8")).trimEnd().split("\n");
  const ids = lines.map((line) =>
    (JSON.parse(line) as { id: string }).id.replace("\udc00", "\\udc00"),
  );
  expect(stdout.trimEnd().split("\r\n").slice(1)).toEqual(ids);
});
