/** Imports of archives made by hand, in every form that a dump may have, and of archives that are none. */
import { mkdir, mkdtemp, readdir, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { runCommandLine } from "../../src/cli/program.js";
import { info, type Member, tableFiles, tarOf, writeArchive, writtenAt } from "./archives.js";

let directory: string;
let repo: string;
let file: string;

beforeEach(async () => {
  process.setMaxListeners(0);
  directory = await mkdtemp(join(tmpdir(), "thinkback-import-"));
  repo = join(directory, "repository");
  file = join(directory, "dump.tar.gz");
});

afterEach(() => rm(directory, { recursive: true, force: true }));

interface Ended {
  status: number;
  out: string;
  err: string;
}

async function run(...args: string[]): Promise<Ended> {
  const written = { out: "", err: "" };
  const stdout = { write: (text: string | Uint8Array) => (written.out += Buffer.from(text)) };
  const stderr = { write: (text: string) => (written.err += text) };
  const status = await runCommandLine(args, { stdout, stderr });
  return { status, ...written };
}

async function json<T>(...args: string[]): Promise<T> {
  const { status, out, err } = await run("--json", ...args);
  expect([status, err]).toEqual([0, expect.any(String)]);
  return JSON.parse(out) as T;
}

interface Imported {
  at: string;
  began: string;
  tables: { table: string; documents: number; indexes: number }[];
  leftOut: string[];
}

async function imported(members: Member[], ...more: string[]): Promise<Imported> {
  await writeArchive(file, members);
  return json<Imported>("import", file, "--repo", repo, ...more);
}

/** The documents of an import's table, as lines of the server's text. */
async function linesOf(table: string, at: string): Promise<string> {
  const out = join(directory, `${table}.ndjson`);
  const where = ["--repo", repo, "--at", at, "--allow-inexact", "--table", table];
  await json("export", "--format", "ndjson", "--out", out, ...where);
  return readFile(out, "utf8");
}

/** Refused with this status, and nothing is left at the place of the repository, nor in TMPDIR. */
async function refused(status: number, error: RegExp): Promise<void> {
  const scratch = async () =>
    (await readdir(tmpdir())).filter((name) => /^thinkback-\w{6}$/.test(name));
  const before = await scratch();
  const ended = await run("import", file, "--repo", repo);
  expect(ended.err).toMatch(error);
  expect(ended.status).toBe(status);
  expect(await readdir(repo).catch(() => [])).toEqual([]);
  expect(await scratch()).toEqual(before);
}

const fn = (data: string) => ({ $reql_type$: "BINARY", data });

describe("an archive of a dump", () => {
  test("gives its documents as the server would write them", async () => {
    const text =
      '[\n{"id": "b", "n": 1e+22, "z": -0.0, "t": "\\ud83d\\ude00\\udc00"},\n{"a": [], "id": "a"}\n]\n';
    const { at, tables } = await imported(tableFiles("dump/shop/orders", text));
    expect(tables).toEqual([{ table: "shop.orders", documents: 2, bytes: 59, indexes: 0 }]);
    expect(await linesOf("shop.orders", at)).toBe(
      '{"a":[],"id":"a"}\n{"id":"b","n":1e22,"t":"😀\\udc00","z":-0.0}\n',
    );
  });

  test("gives settings, indexes and hooks, whether they stand before the documents or behind", async () => {
    const [settings, documents] = tableFiles(
      "d/a/t",
      '[{"k é":1}]',
      info({
        primary_key: "k é",
        indexes: [
          {
            index: "by é",
            function: fn("AAAA"),
            multi: true,
            geo: false,
            outdated: false,
            query: "q",
          },
        ],
        write_hook: { function: fn("BBBB"), query: "h" },
        id: "ignored",
        doc_count_estimates: [1],
      }),
    ) as [Member, Member];
    const others = tableFiles("d/b/u", "[\n]\n");
    const { at } = await imported([documents, ...others, settings]);
    const catalog = await json<{ tables: object[] }>("catalog", "--repo", repo, "--at", at);
    expect(catalog.tables).toEqual([
      expect.objectContaining({
        db: "a",
        name: "t",
        primary_key: "k é",
        indexStatus: [
          expect.objectContaining({ index: "by é", multi: true, function: fn("AAAA") }),
        ],
        write_hook: { function: fn("BBBB"), query: "h" },
        durability: "hard",
      }),
      expect.objectContaining({ db: "b", name: "u", primary_key: "id", indexStatus: [] }),
    ]);
  });

  test("is late by the time from its first file to its last, and never exact", async () => {
    const members = tableFiles("d/a/t", "[]").map((member, i) => {
      return { ...member, mtime: new Date(writtenAt + i * 60_000) };
    });
    const { at, began } = await imported(members);
    expect(began).toBe("2024-05-06T07:08:08.000+00:00");
    expect(at).toBe("2024-05-06T07:09:11.000+00:00");
    const status = await json<{ imported: object; tables: { intervals: object[] }[] }>(
      "status",
      "--repo",
      repo,
    );
    expect(status.imported).toEqual({ archive: "dump.tar.gz", began, ended: at });
    expect(status.tables[0]!.intervals).toEqual([
      { class: "late", lateMs: 63_000, from: at, to: at, reason: expect.stringContaining("dump") },
    ]);
    expect(await run("verify", "--data", "--repo", repo)).toMatchObject({ status: 0 });
    const restore = ["restore", "--dry-run", "--repo", repo, "--at", at, "--without-access"];
    expect(await run(...restore)).toMatchObject({
      status: 5,
      err: expect.stringContaining("late"),
    });
    expect(await run(...restore, "--allow-inexact")).toMatchObject({ status: 0 });
  });

  test("may be said to have been made at an instant; even then it is not exact", async () => {
    const when = ["--began", "2024-01-02T03:04:05Z", "--ended", "2024-01-02T03:04:05Z"];
    const { at } = await imported(tableFiles("d/a/t", "[]"), ...when);
    expect(at).toBe("2024-01-02T03:04:05.000+00:00");
    const restore = ["restore", "--dry-run", "--repo", repo, "--at", at, "--without-access"];
    expect(await run(...restore)).toMatchObject({ status: 5 });
  });

  test("may have leading slashes, directories, links, strange files, and no compression", async () => {
    const members = [
      { name: "/d", type: "directory" as const },
      { name: "/d/a", type: "directory" as const },
      ...tableFiles("/d/./a/t", '{"id":1}\n{"id":2}'),
      { name: "d/a/link", type: "symlink" as const, linkname: "t.json" },
      { name: "d/a/t.ndjson", text: "x" },
      { name: "d/README.txt", text: "x" },
      { name: "../../etc/x.json", text: "x" },
      { name: `d/${"long".repeat(30)}/${"name".repeat(30)}.json`, text: "[]" },
      { name: `d/${"long".repeat(30)}/${"name".repeat(30)}.info`, text: info() },
    ];
    await writeArchive(file, members, false);
    const { tables } = await json<Imported>("import", file, "--repo", repo);
    expect(tables.map(({ table, documents }) => [table, documents])).toEqual([
      ["a.t", 2],
      [`${"long".repeat(30)}.${"name".repeat(30)}`, 0],
    ]);
  });

  test("may have tables in part, which are left out only if the operator says so", async () => {
    const link = { linkname: "../../d/a/t.json" };
    const members: Member[] = [
      ...tableFiles("d/a/t", '{"id":1}'),
      { name: "d/a/half.json", text: "[]" },
      { name: "d/a/other.info", text: info() },
      { name: "d/a/sym.info", text: info() },
      { name: "d/a/sym.json", type: "symlink", ...link },
      { name: "d/a/hard.json", type: "link", ...link },
    ];
    await writeArchive(file, members);
    await refused(
      8,
      /a.half is there without its settings, a.hard is .* its settings and documents, a.other is .* documents, and 1 more/,
    );
    const { tables, leftOut } = await imported(members, "--leave-out-incomplete");
    expect(tables.map(({ table }) => table)).toEqual(["a.t"]);
    expect(leftOut).toEqual(["a.half", "a.hard", "a.other", "a.sym"]);
  });

  test.each<[string, Member]>([
    ["settings", { name: "d/a/t.info", text: info() }],
    ["documents", { name: "d/a/t.json", text: "[]" }],
    ["a symbolic link", { name: "d/a/t.json", type: "symlink", linkname: "x" }],
    ["a hard link", { name: "d/a/t.info", type: "link", linkname: "x" }],
  ])("has no table if it has only %s of one", async (_, member) => {
    await writeArchive(file, [member]);
    await refused(8, /a.t is there without its/);
    const { status, err } = await run("import", file, "--repo", repo, "--leave-out-incomplete");
    expect([status, err]).toEqual([2, expect.stringContaining("has no tables")]);
    expect(await readdir(repo).catch(() => [])).toEqual([]);
  });

  test("may have its documents in any order, and keys of every type", async () => {
    const keys = [
      '"b"',
      "2",
      "-1.5",
      "true",
      "[1]",
      '["x",[]]',
      '"a"',
      '{"$reql_type$":"BINARY","data":"AA=="}',
    ].concat('{"$reql_type$":"TIME","epoch_time":1.0,"timezone":"+00:00"}', "false", "10");
    const text = `[${keys.map((key) => `{"id": ${key}}`).join(",\n")}]`;
    const { at } = await imported(tableFiles("d/a/t", text));
    const ids = (await linesOf("a.t", at))
      .trim()
      .split("\n")
      .map((line) => line.slice(6, -1));
    expect(ids.slice(0, 7)).toEqual(["[1]", '["x",[]]', "false", "true", "-1.5", "2", "10"]);
    expect(ids.slice(7, 9)).toEqual([
      expect.stringContaining("BINARY"),
      expect.stringContaining("TIME"),
    ]);
    expect(ids.slice(9)).toEqual(['"a"', '"b"']);
  });
});

describe("what is refused leaves nothing", () => {
  test.each<[string, number, RegExp, Member[]]>([
    ["no table", 2, /has no tables/, [{ name: "d/README", text: "x" }]],
    [
      "two directories at the top",
      2,
      /two directories at the top, d and e/,
      [...tableFiles("d/a/t", "[]"), ...tableFiles("e/a/u", "[]")],
    ],
    ["a path of two parts", 2, /not at top\/database\/table/, [{ name: "d/t.json", text: "[]" }]],
    ["a path of four parts", 2, /not at top\/database\/table/, tableFiles("x/d/a/t", "[]")],
    [
      "the server's own database",
      2,
      /no database and table/,
      tableFiles("d/rethinkdb/users", "[]"),
    ],
    ["a name that is none", 2, /no database and table/, tableFiles("d/a/b c", "[]")],
    ["CSV", 2, /CSV, which has no types/, [{ name: "d/a/t.csv", text: "id\n1" }]],
    [
      "a table twice",
      2,
      /there twice/,
      [...tableFiles("d/a/t", "[]"), ...tableFiles("d/a/t", "[]")],
    ],
    ["an empty file", 8, /a\/t.json, behind 0 documents: it is empty/, tableFiles("d/a/t", "")],
    [
      "documents cut short",
      8,
      /behind 1 documents: it ends within/,
      tableFiles("d/a/t", '[{"id":1},\n{"id'),
    ],
    [
      "a key twice",
      8,
      /two documents have the primary key 1/,
      tableFiles("d/a/t", '[{"id":1},{"id":2},{"id":1}]'),
    ],
    [
      "a key twice, one behind the other",
      8,
      /two documents/,
      tableFiles("d/a/t", '[{"id":-0.0},{"id":0}]'),
    ],
    ["no primary key", 8, /no primary key "id"/, tableFiles("d/a/t", '[{"a":1}]')],
    [
      "bytes that are no text",
      8,
      /not UTF-8/,
      tableFiles("d/a/t", Buffer.from('[{"id":"\xff"}]', "latin1")),
    ],
    ["settings that are no JSON", 8, /t.info is not JSON/, tableFiles("d/a/t", "[]", "{")],
    ["settings without a key", 8, /names no primary key/, tableFiles("d/a/t", "[]", "{}")],
    [
      "an index without a function",
      8,
      /an index without/,
      tableFiles("d/a/t", "[]", info({ indexes: ["x"] })),
    ],
    [
      "a hook without a function",
      8,
      /a write hook without/,
      tableFiles("d/a/t", "[]", info({ write_hook: {} })),
    ],
    [
      "no times",
      2,
      /does not tell when/,
      tableFiles("d/a/t", "[]").map((one) => ({ ...one, mtime: new Date(0) })),
    ],
    [
      "a time to come",
      2,
      /cannot have been made/,
      tableFiles("d/a/t", "[]").map((one) => ({ ...one, mtime: new Date(2 ** 31 * 1000 - 1000) })),
    ],
  ])("%s", async (_, status, error, members) => {
    await writeArchive(file, members);
    await refused(status, error);
  });

  const documents = Array.from({ length: 2000 }, (_, id) => `{"id":${id},"r":${Math.random()}}`);
  const large = () => tableFiles("d/a/t", `[${documents.join(",\n")}]`);

  test("an archive that was cut anywhere", async () => {
    await writeArchive(file, large());
    const whole = await readFile(file);
    for (const share of [0.001, 0.3, 0.9, 0.999]) {
      await truncate(file, Math.floor(whole.length * share));
      await refused(8, /the archive .* is damaged/);
      await writeFile(file, whole);
    }
  });

  test("a tar file without its end", async () => {
    const tar = await tarOf(large());
    for (const bytes of [tar.length - 512, tar.length - 1024, tar.length - 5000, 700]) {
      await writeFile(file, tar.subarray(0, bytes));
      await refused(8, /the archive .* is damaged/);
    }
  });

  test("an archive of which a byte was altered", async () => {
    await writeArchive(file, large());
    const whole = await readFile(file);
    for (const share of [0.2, 0.5, 0.99]) {
      const altered = Buffer.from(whole);
      altered[Math.floor(whole.length * share)]! ^= 0x55;
      await writeFile(file, altered);
      await refused(8, /the archive .* is damaged/);
    }
  });

  test.each([
    ["nothing", Buffer.alloc(0), /neither a tar file/],
    ["a text", Buffer.from("hello".repeat(1000)), /neither a tar file/],
    ["a text in gzip", gzipSync("hello".repeat(1000)), /is damaged: Invalid tar header/],
    ["bzip2", Buffer.from("BZh91AY"), /compressed with bzip2/],
    ["xz", Buffer.from("fd377a585a00", "hex"), /compressed with xz/],
  ])("%s", async (_, bytes, error) => {
    await writeFile(file, bytes);
    const { err } = await run("import", file, "--repo", repo);
    expect(err).toMatch(error);
    expect(await readdir(repo).catch(() => [])).toEqual([]);
  });

  test("a place that holds something, which stays as it is", async () => {
    await writeArchive(file, tableFiles("d/a/t", "[]"));
    await mkdir(repo);
    await writeFile(join(repo, "mine"), "x");
    const { status, err } = await run("import", file, "--repo", repo);
    expect([status, err]).toEqual([4, expect.stringContaining("holds something already: mine")]);
    expect(await readdir(repo)).toEqual(["mine"]);
  });

  test("an import into an import", async () => {
    await imported(tableFiles("d/a/t", "[]"));
    const again = await run("import", file, "--repo", repo);
    expect([again.status, again.err]).toEqual([
      4,
      expect.stringContaining("holds something already"),
    ]);
  });
});

test("a repository that init has made becomes a sealed import", async () => {
  const keys = join(directory, "keys");
  await json("init", "--repo", repo, "--keys", keys);
  const reader = ["--identity", join(keys, "reader.key")];
  await writeArchive(file, tableFiles("d/a/t", '[{"id":1}]'));
  const { at } = await json<Imported>("import", file, "--repo", repo, ...reader);
  const where = ["--repo", repo, "--at", at, "--allow-inexact", ...reader];
  expect(await run("show", "a.t", "1", ...where)).toMatchObject({ status: 0, out: '{"id":1}\n' });
  expect(await run("verify", "--data", "--repo", repo, ...reader)).toMatchObject({ status: 0 });
});
