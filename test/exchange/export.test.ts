/** Exports of a recorded history: their forms, byte for byte, and what is left of one that fails. */
import { cp, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { runCommandLine } from "../../src/cli/program.js";
import { DirectoryStore } from "../../src/storage/directory-store.js";
import { makeRepository, Recording, StillClock } from "../repository/recording.js";
import { officially } from "./archives.js";

const ids = {
  orders: "0a000000-0000-4000-8000-000000000001",
  empty: "0a000000-0000-4000-8000-000000000002",
  large: "0a000000-0000-4000-8000-000000000003",
};
const begun = Date.now() - 600_000;
const large = Array.from({ length: 9000 }, (_, id) => ({ id, text: `é${"x".repeat(1000)}` }));
const hook = { function: { $reql_type$: "BINARY", data: "AAAA" }, query: "é" };

let directory: string;
let repo: string;
let out: string;
/** Before and after a change. */
let first: string;
let last: string;

beforeAll(async () => {
  process.setMaxListeners(0);
  directory = await mkdtemp(join(tmpdir(), "thinkback-export-"));
  repo = join(directory, "repository");
  const repository = await makeRepository(new DirectoryStore(repo));
  const recording = await Recording.begin(repository, new StillClock(begun));
  recording.catalogRead();
  recording.catalog(["db", "d1"], { id: "d1", name: "shop" });
  recording.catalog(["db", "d2"], { id: "d2", name: "nothing" });
  const shards = [{ primary_replica: "one", replicas: ["one"], nonvoting_replicas: [] }];
  const rows: Record<string, [unknown, object][]> = {
    orders: [
      ["a", { id: "a", n: 1.5, ключ: 'é,\n"😀"', low: "\udc00", none: null, s: "" }],
      ["b", { id: "b", n: -1e300, list: [1, { x: "é" }] }],
      ["high", { id: "high", high: "\ud800" }],
    ],
    empty: [],
    large: large.map((one) => [one.id, one]),
  };
  const since = recording.log.stamp().time;
  const bases = [];
  for (const [name, id] of Object.entries(ids)) {
    const settings = {
      durability: "soft",
      write_acks: "single",
      write_hook: name === "orders" ? hook : null,
      indexes: [],
    };
    recording.catalog(["table", id], {
      id,
      db: "shop",
      name,
      primary_key: "id",
      shards,
      ...settings,
    });
    const index = {
      index: "é",
      function: hook.function,
      multi: true,
      geo: false,
      outdated: false,
      query: "q",
    };
    recording.catalog(["indexes", id], { indexes: name === "orders" ? [index] : [] });
    recording.coverage(id, { state: "copying", since });
    bases.push(await recording.copy(id, rows[name]!));
  }
  const instant = await recording.tick(50);
  for (const base of bases) await base.finish(instant, since - 1);
  for (const id of Object.values(ids)) recording.coverage(id, { state: "live", since: instant });
  await recording.tick(1000);
  first = new Date(recording.clock.instant - 500).toISOString();
  recording.put(ids.orders, "b", null);
  recording.put(ids.orders, "c", { id: "c" });
  await recording.tick(1000, { closed: true });
  last = new Date(recording.clock.instant - 500).toISOString();
}, 60_000);

afterAll(() => rm(directory, { recursive: true, force: true }));

let made = 0;
beforeEach(() => {
  made += 1;
  out = join(directory, `out-${made}`);
});

const run = (...args: string[]) => runOn(repo, ...args);

async function runOn(from: string, ...args: string[]) {
  const written = { out: "", err: "" };
  const stdout = { write: (text: string | Uint8Array) => (written.out += Buffer.from(text)) };
  const stderr = { write: (text: string) => (written.err += text) };
  const status = await runCommandLine(["export", "--repo", from, ...args], { stdout, stderr });
  return { status, ...written };
}

async function exported(...args: string[]): Promise<string> {
  const { status, err } = await run("--out", out, ...args);
  expect([status, err]).toEqual([0, expect.any(String)]);
  return err;
}

const orders = ["--table", "shop.orders"];

describe("an archive", () => {
  test("is one that the official restore takes", async () => {
    const notes = await exported("--at", first);
    const tables = await officially(out);
    expect([...tables.keys()]).toEqual(["shop.orders", "shop.empty", "shop.large"].sort());
    expect(tables.get("shop.empty")!.texts.json).toBe("[\n]\n");
    expect(tables.get("shop.large")!.documents).toEqual(large);
    const { documents, texts, info } = tables.get("shop.orders")!;
    expect(documents).toHaveLength(3);
    expect(texts.json.split("\n")[1]).toBe(
      '{"id":"a","n":1.5,"\\u043a\\u043b\\u044e\\u0447":"\\u00e9,\\n\\"\\ud83d\\ude00\\"","low":"\\udc00","none":null,"s":""},',
    );
    expect(info).toMatchObject({
      primary_key: "id",
      indexes: [{ index: "é", multi: true }],
      write_hook: hook,
    });
    expect(texts.info).toContain("\\u00e9");
    expect(notes).toContain("left out, because they have no tables: nothing");
    expect(notes).toContain("1 document hold");
    expect(notes).toContain("shop.orders have write hooks");
  });

  test("is of the instant that is asked for, and of the documents that are selected", async () => {
    await exported("--at", last, "--where", '{"id": {"$in": ["b", "c", 7]}}');
    const tables = await officially(out);
    expect(tables.get("shop.orders")!.documents).toEqual([{ id: "c" }]);
    expect(tables.get("shop.large")!.documents).toEqual([large[7]]);
  });

  test("has the same bytes whenever it is made", async () => {
    await exported("--at", first);
    const bytes = await readFile(out);
    out += "-again";
    await exported("--at", first);
    expect(bytes.equals(await readFile(out))).toBe(true);
  });
});

describe("lines", () => {
  test("are the server's text, in UTF-8", async () => {
    await exported("--at", first, "--format", "ndjson");
    expect((await readdir(out)).sort()).toEqual(
      ["empty", "large", "orders"].map((one) => `shop.${one}.ndjson`),
    );
    expect(await readFile(join(out, "shop.empty.ndjson"), "utf8")).toBe("");
    expect(await readFile(join(out, "shop.orders.ndjson"), "utf8")).toBe(
      [
        '{"id":"a","n":1.5,"ключ":"é,\\n\\"😀\\"","low":"\\udc00","none":null,"s":""}',
        '{"id":"b","n":-1e+300,"list":[1,{"x":"é"}]}',
        '{"id":"high","high":"\\ud800"}',
        "",
      ].join("\n"),
    );
  });
});

describe("CSV", () => {
  test("has the fields of all documents, quoted where it must be", async () => {
    out += ".csv";
    await exported("--at", first, "--format", "csv", ...orders);
    expect(await readFile(out, "utf8")).toBe(
      [
        "id,high,list,low,n,none,s,ключ",
        'a,,,\\udc00,1.5,null,"","é,\n""😀"""',
        'b,,"[1,{""x"":""é""}]",,-1e+300,,,',
        "high,\\ud800,,,,,,",
        "",
      ].join("\r\n"),
    );
  });

  const csv = (...fields: string[]) => {
    out += ".csv";
    const columns = fields.flatMap((field) => ["--fields", field]);
    return ["--at", first, "--format", "csv", "--out", out, ...columns];
  };

  test("has the columns that are asked for", async () => {
    expect((await run(...csv("n", "low"), ...orders)).status).toBe(0);
    expect(await readFile(out, "utf8")).toBe("n,low\r\n1.5,\\udc00\r\n-1e+300,\r\n,\r\n");
  });

  test("has no column of which no document has the field, and nothing stays", async () => {
    const before = await readdir(directory);
    const { status, err } = await run(...csv("n", "statuss", "ключ", "list.x"), ...orders);
    expect([status, err]).toEqual([
      2,
      expect.stringContaining("no document has the field statuss, list.x"),
    ]);
    expect(await readdir(directory)).toEqual(before);
  });

  test("has a column that the documents of one of several tables have", async () => {
    await exported("--at", first, "--format", "csv", "--fields", "n");
    expect(await readFile(join(out, "shop.empty.csv"), "utf8")).toBe("n\r\n");
  });

  test("has the columns that are asked for also of a table without documents", async () => {
    expect((await run(...csv("n"), "--table", "shop.empty")).status).toBe(0);
    expect(await readFile(out, "utf8")).toBe("n\r\n");
  });
});

test("only the owner may read what is exported", async () => {
  await exported("--at", first);
  expect((await stat(out)).mode & 0o777).toBe(0o600);
  out += "-each";
  await exported("--at", first, "--format", "ndjson");
  expect((await stat(out)).mode & 0o777).toBe(0o700);
  const modes = (await readdir(out)).map(async (one) => (await stat(join(out, one))).mode & 0o777);
  expect(new Set(await Promise.all(modes))).toEqual(new Set([0o600]));
});

describe("what is refused", () => {
  test.each([
    [["--format", "ndjson", "--out", "-"], /3 tables do not go into one file/],
    [["--fields", "a", "--out", "x"], /--fields has no effect/],
    [["--json", "--out", "-"], /would both print/],
    [["--table", "shop.nobody", "--out", "x"], /shop\.nobody/],
  ])("%j", async (args, error) => {
    const { status, err } = await run("--at", first, ...args);
    expect(err).toMatch(error);
    expect([2, 6]).toContain(status);
  });

  test("is what exists already, and it stays", async () => {
    await writeFile(out, "mine");
    expect(await run("--at", first, "--out", out)).toMatchObject({
      status: 2,
      err: expect.stringContaining("exists already"),
    });
    expect(await readFile(out, "utf8")).toBe("mine");
    const filled = `${out}-filled`;
    await mkdir(filled);
    await writeFile(join(filled, "mine"), "");
    const { err } = await run("--at", first, "--format", "csv", "--out", filled);
    expect(err).toContain("is not an empty directory");
    expect(await readdir(filled)).toEqual(["mine"]);
  });

  test("leaves nothing if a base is damaged", async () => {
    const copy = join(directory, "damaged");
    await cp(repo, copy, { recursive: true });
    const [base] = await readdir(join(copy, "bases", ids.large));
    const part = join(copy, "bases", ids.large, base!, "part-000000.zst");
    const bytes = await readFile(part);
    bytes[100]! ^= 1;
    await writeFile(part, bytes);
    const before = await readdir(directory);
    for (const format of ["rethinkdb-dump", "ndjson", "csv"]) {
      const { status } = await runOn(copy, "--at", first, "--format", format, "--out", out);
      expect(status).toBe(8);
      expect(await readdir(directory)).toEqual(before);
    }
  });
});
