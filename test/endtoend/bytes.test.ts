/** Documents that are not UTF-8, through the whole of it: copied, followed, folded, verified, shown, drilled, restored. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { textOfJson } from "../../src/server-text.js";
import { r } from "../server/driver.js";
import { markedBytes } from "../server/marked-bytes.js";
import { RawClient } from "../server/raw-client.js";
import { cli, cliJson } from "./cli.js";
import { Stage, stop } from "./stage.js";

let stage: Stage;
let client: RawClient;
let repo: string;

const ask = (term: string) => client.queryBytes(markedBytes(`[1,${term}]`));
const tableTerm = (db: string) => `[15,[[14,["${db}"]],"t"]]`;
const json = (text: string) => `[98,[${JSON.stringify(text)}]]`;
/** All documents as the server sends them, in key order. */
const all = async (db: string) =>
  (await ask(`[41,[${tableTerm(db)}],{"index":"p<edb080>"}]`)).replace(/,"n":.*/, "");

const keys = [
  '["<edb080>"]',
  '["<edb081>"]',
  '["<ee8080>"]',
  '"a\\n<edb080>"',
  '"a\\n<edb081>"',
  '"<edb080> cut"',
  '"<efa480>"',
];
/** One is nested as deep as neither JSON.stringify nor a recursion of our own would follow. */
const document = (key: string, value: string) => {
  const levels = key === keys[0] ? 20_000 : 2;
  const deep = `${"[".repeat(levels)}${"]".repeat(levels)}`;
  return `{"deep":${deep},"f<edb080>":"${value}","p<edb080>":${key},"zero":-0.0}`;
};

beforeAll(async () => {
  stage = await Stage.open();
  const { host, port } = stage.server;
  client = await RawClient.connect({ host, port });
  repo = stage.repo("bytes");
  await stage.query(r.dbCreate("raw"));
  await ask('[60,[[14,["raw"]],"t"],{"primary_key":"p<edb080>"}]');
  await ask(`[75,[${tableTerm("raw")},"i<edb080>",[69,[[2,[1]],[170,[[10,[1]],"f<edb080>"]]]]]]`);
  await ask(`[140,[${tableTerm("raw")}]]`);
  const first = keys.map((key) => document(key, "<edb080>"));
  expect(await ask(`[56,[${tableTerm("raw")},${json(`[${first.join()}]`)}]]`)).toContain(
    '"inserted":7',
  );
  const run = stage.capture(repo, "--include", "raw.*");
  await stage.untilExactNow(repo, "raw.t");
  const second = keys.filter((_, i) => i % 2 === 0).map((key) => document(key, "<edb081>"));
  const replaced = await ask(
    `[56,[${tableTerm("raw")},${json(`[${second.join()}]`)}],{"conflict":"replace"}]`,
  );
  expect(replaced).toContain('"replaced":4');
  await stage.untilExactNow(repo, "raw.t");
  expect((await stop(run)).status).toBe(0);
});

afterAll(async () => {
  client.close();
  await stage.close();
});

const restoredTo = async (db: string): Promise<string> => {
  const { restored } = await stage.restore(repo, "--db", "raw", "--rename", `raw=${db}`);
  expect(restored).toMatchObject([{ class: "exact", documents: keys.length, matches: true }]);
  return all(db);
};

test("a restore gives every document as it was, before a fold and after it", async () => {
  const there = await all("raw");
  expect(there.includes('"f\\udc00":"\\udc01"')).toBe(true);
  expect((await restoredTo("before")) === there).toBe(true);
  expect(await cliJson(["fold", "--repo", repo, "--table", "raw.t"])).toMatchObject({
    tables: [{ folded: true, rows: keys.length }],
  });
  expect((await restoredTo("after")) === there).toBe(true);
  expect(await ask(`[139,[${tableTerm("after")}]]`)).toContain('"index":"i\\udc00"');
});

test("nothing is found to be wrong, and a drill succeeds", async () => {
  const verified = await cli(["verify", "--repo", repo]);
  expect(verified, verified.stderr).toMatchObject({ status: 0 });
  const drilled = await cli(["drill", "--repo", repo, "--latest", "--target", stage.address]);
  expect(drilled, drilled.stderr).toMatchObject({ status: 0 });
});

test("show prints the stored bytes, and with --json what JSON can hold of them", async () => {
  const expected = textOfJson(markedBytes(document(keys[0]!, "<edb081>")));
  const shown = await cli(["show", "raw.t", '["\\udc00"]', "--repo", repo, "--json"]);
  expect(shown.status, shown.stderr).toBe(0);
  expect(shown.stdout.endsWith(`"key":["\\udc00"],"document":${expected}}\n`)).toBe(true);
  const plain = await cli(["show", "raw.t", '["\\udc00"]', "--repo", repo]);
  // The process's output is decoded here.
  expect(plain.stdout === `${markedBytes(document(keys[0]!, "<edb081>")).toString()}\n`).toBe(true);
});
