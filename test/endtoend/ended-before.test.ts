/**
 * A restore and a promote tell the process that has begun them what their last step makes. Given again with that, they
 * see whether it was made. And they end with that process.
 */
import { spawn } from "node:child_process";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import type * as child from "../../src/cli/child-command.js";
import type { CommandOptions } from "../../src/commands.js";
import { r } from "../server/driver.js";
import { Stage, until } from "./stage.js";

const built = join(import.meta.dirname, "../../dist/cli/child-command.js");
const { runChild } = (await import(pathToFileURL(built).href)) as typeof child;

const documents = 2000;
const signal = new AbortController().signal;

let stage: Stage;
let repo: string;

beforeAll(async () => {
  stage = await Stage.open();
  repo = stage.repo("repository");
  await stage.query(r.dbCreate("shop"));
  await stage.query(r.db("shop").tableCreate("orders"));
  const some = Array.from({ length: documents }, (_, id) => ({ id }));
  await stage.query(r.db("shop").table("orders").insert(some, { durability: "soft" }));
  await stage.backUp(repo);
}, 120_000);

afterAll(() => stage.close());

const restoreTo = (name: string) =>
  ["restore", "--repo", repo, "--target", stage.address, "--db", "shop", "--rename"].concat(
    `shop=${name}`,
  );

const run = (args: string[], options: Partial<CommandOptions> = {}) =>
  runChild(args, { signal, ...options });

const count = (db: string) => stage.query(r.db(db).table("orders").count());

test("a restore that is given again after its last step does nothing more", async () => {
  let told: object | undefined;
  const args = restoreTo("one");
  await run(args, { onEnding: async (ending) => void (told = ending) });
  expect(told).toEqual({ name: "one.orders", id: expect.any(String) as string });
  // Clients use the table meanwhile.
  await stage.query(r.db("one").table("orders").get(1).delete());
  await expect(run(args)).rejects.toMatchObject({ code: "target" });
  await run(args, { endingBefore: told });
  expect(await count("one")).toBe(documents - 1);
});

test("a restore that is stopped before its last step takes it when it is given again", async () => {
  let told: object | undefined;
  const args = restoreTo("two");
  const stopped = run(args, {
    onEnding: async (ending) => {
      told = ending;
      throw new Error("the claim is lost");
    },
  });
  await expect(stopped).rejects.toThrow();
  const writing = stage.query(r.db("two").table("orders").insert({ id: "x" }));
  expect(await writing).toMatchObject({ errors: 1 });
  await run(args, { endingBefore: told });
  expect(await count("two")).toBe(documents);
  expect(await stage.query(r.db("two").table("orders").insert({ id: "x" }))).toMatchObject({
    inserted: 1,
  });
});

test("a promote that is given again after its swap does nothing more", async () => {
  let told: object | undefined;
  const table = (name: string) => r.db("shop").table(name);
  await stage.query(r.db("shop").tableCreate("next"));
  const args = ["promote", "shop.orders", "--from=shop.next", "--force", "--target", stage.address];
  await run(args, { onEnding: async (ending) => void (told = ending) });
  expect(await count("shop")).toBe(0);
  expect(await run(args, { endingBefore: told })).toMatchObject({ live: "shop.orders" });
  expect(await stage.query(table("orders").count())).toBe(0);
  const names = await stage.query<string[]>(r.db("shop").tableList());
  expect(names.filter((name) => name.startsWith("orders"))).toHaveLength(2);
});

test("a command ends with the process that has begun it", async () => {
  const words = [...restoreTo("three"), "--max-rate=200"];
  const code = `
    const { runChild } = await import(${JSON.stringify(pathToFileURL(built).href)});
    const { signal } = new AbortController();
    const onProgress = ({ text }) => console.log(text);
    await runChild(${JSON.stringify(words)}, { signal, onProgress });
  `;
  const parent = spawn(process.execPath, ["--input-type=module", "-e", code]);
  let printed = "";
  parent.stdout.on("data", (bytes: Buffer) => (printed += bytes.toString()));
  await until("it writes", () => printed.includes("document"));
  parent.kill("SIGKILL");
  await new Promise((resolve) => parent.on("close", resolve));
  // What was under way is ended.
  let last = -1;
  await until("nothing more is written", async () => {
    const before = last;
    await new Promise((resolve) => setTimeout(resolve, 1500));
    last = (await count("three")) as number;
    return last === before;
  });
  expect(last).toBeLessThan(documents);
}, 60_000);
