/**
 * A sealed capture with two places: its keys and its lanes are changed at the first, the process is killed, and the first
 * place is lost. The second has everything.
 */
import { cp, rm } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { readKeyring } from "../../src/sealing/keyring.js";
import { r } from "../server/driver.js";
import { cli, cliJson } from "./cli.js";
import { kill, Stage, until } from "./stage.js";

let stage: Stage;
let first: string;
let second: string;
let keys: string;
const names = ["shop.orders", "shop.customers"];
const file = (name: string) => join(keys, `${name}.key`);

beforeAll(async () => {
  stage = await Stage.open();
  [first, second] = [stage.repo("first"), stage.repo("second")];
  keys = join(stage.directory, "keys");
  await cli(["init", "--repo", first, "--keys", keys]);
  process.env["THINKBACK_IDENTITY"] = file("reader");
  await stage.query(r.dbCreate("shop"));
  for (const name of names) {
    const table = name.split(".")[1]!;
    await stage.query(r.db("shop").tableCreate(table));
    await stage.query(r.db("shop").table(table).insert({ id: 1, of: table }));
  }
});

afterAll(async () => {
  delete process.env["THINKBACK_IDENTITY"];
  await stage.close();
});

interface Lanes {
  lanes: { lane: number; writer: object | null }[];
}

interface Keys {
  number: number;
  keys: { name: string; role: string }[];
}

const lanesOf = (repo: string) => cliJson<Lanes>(["lanes", "list", "--repo", repo]);

test("keys and lanes that were changed at the first place are at the second when the first is lost", async () => {
  const places = ["--repo", first, "--repo", second, "--spool", stage.repo("spool")];
  const run = stage.captureIn({ THINKBACK_IDENTITY: file("writer") }, first, ...places);
  await stage.untilExactNow(first, ...names);
  await until("the copy is level", () => run.stderr().includes("has everything"));
  const before = await cliJson<Keys>(["key", "list", "--repo", first]);

  await cli(["key", "new", file("next")]);
  const add = ["key", "add", "next", "--key", file("next"), "--role", "reader", "--repo", first];
  expect((await cli(add)).status).toBe(0);
  expect((await cli(["lanes", "set", "2", "--repo", first])).status).toBe(0);
  await until(
    "both lanes have a writer",
    async () => {
      const { lanes } = await lanesOf(first);
      return lanes.length === 2 && lanes.every(({ writer }) => writer !== null);
    },
    60_000,
  );
  await stage.query(r.db("shop").table("orders").insert({ id: 2 }));
  await stage.untilExactNow(second, ...names);
  const at = (await stage.untilExactNow(first, ...names)).restorableUntil;
  await stage.untilExactNow(second, ...names);
  await kill(run);
  const wanted = await cliJson<Keys>(["key", "list", "--repo", first]);
  expect(wanted.keys.map(({ name }) => name)).toContain("next");
  expect(before.keys.map(({ name }) => name)).not.toContain("next");
  await rm(first, { recursive: true });

  // The writer of before cannot read, the new reader can: it knows whom to trust from the first one.
  const trusted = [...(await readKeyring([file("reader")])).trusted];
  process.env["THINKBACK_IDENTITY"] = file("next");
  process.env["THINKBACK_TRUST"] = trusted[0]!;
  try {
    expect((await cliJson<Keys>(["key", "list", "--repo", second])).keys).toEqual(wanted.keys);
    expect((await lanesOf(second)).lanes).toHaveLength(2);
    const verified = await cli(["verify", "--repo", second]);
    expect([verified.status, verified.stderr]).toEqual([0, ""]);
    const to = ["--at", at!, "--db", "shop", "--rename", "shop=back"];
    const { restored } = await stage.restore(second, ...to);
    expect(restored.map(({ matches, class: of }) => [matches, of])).toEqual(
      names.map(() => [true, "exact"]),
    );
    expect(await stage.texts("back", "orders")).toEqual(await stage.texts("shop", "orders"));
  } finally {
    delete process.env["THINKBACK_TRUST"];
  }

  // Where an object of the key set lacks, verify does find something.
  const broken = stage.repo("broken");
  await cp(second, broken, { recursive: true });
  await rm(join(broken, "keys"), { recursive: true });
  expect((await cli(["verify", "--repo", broken, "--identity", file("reader")])).status).not.toBe(
    0,
  );
}, 180_000);
