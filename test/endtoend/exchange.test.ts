/** Exports that other programs read, and imports of what they write, on a real server. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { r, type Term } from "../server/driver.js";
import { cli, cliJson, status } from "./cli.js";
import { factsOf, makeEveryType } from "./every-type.js";
import { Stage, tableOf } from "./stage.js";

const tables = ["values", "keys", "custom-key_1", "empty"];

let stage: Stage;
let repo: string;
let archive: string;
let imported: string;
let at: string;

beforeAll(async () => {
  stage = await Stage.open();
  repo = stage.repo("repository");
  archive = stage.repo("dump.tar.gz");
  imported = stage.repo("imported");
  await makeEveryType(stage);
  const values = r.db("types").table("values");
  await stage.query(
    values.insert([{ id: "low \udc00", "\udc01": "\udc02 😀", 漢字: [1.5, -0.25] }]),
  );
  await stage.query(
    values.insert(
      r.range(500).map((i: Term) => ({
        id: r.expr("random").add(i.coerceTo("string")),
        x: r.random(),
        y: r.random(-1000, 1000, { float: true }),
      })),
    ),
  );
  await stage.backUp(repo, "--include", "types.*");
}, 120_000);

afterAll(() => stage.close());

describe("an archive of every type", () => {
  test("is imported into a repository of its own, whose one instant is late", async () => {
    await cliJson(["export", "--repo", repo, "--out", archive]);
    const done = await cliJson<{ at: string; tables: { table: string }[] }>([
      "import",
      archive,
      "--repo",
      imported,
    ]);
    at = done.at;
    console.log(done);
    const now = await status(imported);
    console.log(JSON.stringify(now, null, 1).slice(0, 5000));
    console.log(await cli(["status", "--repo", imported]));
    console.log(await cli(["verify", "--data", "--repo", imported]));
    console.log(await cli(["restore", "--repo", imported, "--target", stage.address]));
    console.log(
      await cli([
        "restore",
        "--repo",
        imported,
        "--at",
        at,
        "--target",
        stage.address,
        "--without-access",
      ]),
    );
    console.log(
      await cli([
        "restore",
        "--repo",
        imported,
        "--allow-inexact",
        "--target",
        stage.address,
        "--without-access",
      ]),
    );
  });

  test("comes back as it was", async () => {
    const restored = await stage.restore(
      imported,
      "--at",
      at,
      "--allow-inexact",
      "--without-access",
      "--rename",
      "types=again",
    );
    console.log(restored.restored);
    for (const name of tables)
      expect(await factsOf(stage, "again", name)).toEqual(await factsOf(stage, "types", name));
  });
  test("more", async () => {
    for (const c of [
      ["fold", "--repo", imported],
      ["maintain", "--repo", imported],
      ["expire", "--keep", "all:1d", "--repo", imported],
      ["drill", "--repo", imported],
      ["show", "types.keys", "plain", "--repo", imported, "--at", at, "--allow-inexact"],
      ["catalog", "--repo", imported],
      ["pin", "add", "old", "--at", at, "--allow-inexact", "--repo", imported],
      ["run", "--once", "--include", "types.*", "--repo", imported, "--source", stage.address],
      ["import", archive, "--repo", repo],
      ["import", archive, "--repo", imported],
      ["status", "--repo", imported],
      ["verify", "--repo", imported],
    ])
      console.log(c.join(" "), await cli(c));
  }, 60000);
});
