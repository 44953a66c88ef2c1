/** Exports that other programs read, and imports of what they write, on a real server. */
import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { r } from "../server/driver.js";
import { cli, cliJson } from "./cli.js";
import { makeEveryType } from "./every-type.js";
import { Stage } from "./stage.js";

let stage: Stage;
let repo: string;

beforeAll(async () => {
  stage = await Stage.open();
  repo = stage.repo("repository");
  await makeEveryType(stage);
  await stage.query(
    r.db("types").table("values").insert([{ id: "low \udc00", "\udc01": "\udc02" }]),
  );
  await stage.backUp(repo, "--include", "types.*");
}, 120_000);

afterAll(() => stage.close());

describe("an archive of every type", () => {
  test("has the layout that the official restore takes", async () => {
    const out = stage.repo("dump.tar.gz");
    const done = await cliJson<object>(["export", "--repo", repo, "--out", out]);
    console.log(done);
    console.log(execFileSync("tar", ["tvzf", out]).toString());
    console.log(execFileSync("tar", ["xzOf", out]).toString().slice(0, 6000));
  });
  test("csv", async () => {
    const out = stage.repo("csv");
    console.log(await cli(["export", "--repo", repo, "--format", "csv", "--out", out]));
    for (const name of readdirSync(out)) console.log(name, readFileSync(join(out, name)).toString().slice(0,1500));
    console.log(await cli(["export", "--repo", repo, "--format", "ndjson", "--table", "types.keys", "--out", "-"]));
  });
});
