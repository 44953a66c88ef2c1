/** Runs every command that docs/recovery.md shows, in its order, on servers that the project finds. */
import { type ChildProcess, spawn } from "node:child_process";
import { copyFile, mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { cli, cliJson, untilStatus } from "../endtoend/cli.js";
import { iso, nextInstant, Stage, until } from "../endtoend/stage.js";
import { r, type Term } from "../server/driver.js";
import { findBinary } from "../server/real-server.js";

const main = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));
const page = await readFile(join(import.meta.dirname, "../../docs/recovery.md"), "utf8");

/** The blocks of a language, those of lists too. */
function blocks(language: string): string[] {
  const found = page.matchAll(new RegExp(`^( *)\`\`\`${language}\\n(.*?)^\\1\`\`\``, "gms"));
  return [...found].map(([, indent, text]) => text!.replaceAll(new RegExp(`^${indent}`, "gm"), ""));
}

const lines = blocks("sh")
  .flatMap((text) => text.split("\n"))
  .filter((line) => line.startsWith("thinkback "));

const base = ["customers", "messages", "orders", "stock"];
const orders = r.db("shop").table("orders");
const isRealHere = (await findBinary()) !== undefined;

let stage: Stage;
let other: Stage;
let directory: string;
let repo: string;
let imported: string;
/** What stands on the page, and what it is here. */
const here = new Map<string, string>();

beforeAll(async () => {
  [stage, other] = [await Stage.open(), await Stage.open()];
  [repo, imported] = [stage.repo("repository"), stage.repo("imported")];
  directory = stage.repo("work");
  await mkdir(directory);
  const [tenants, mask] = blocks("yaml");
  await writeFile(join(directory, "tenants.yaml"), tenants!);
  await writeFile(join(directory, "mask.yaml"), mask!);
  await writeFile(join(directory, "mask.key"), "0123456789abcdef");

  await stage.query(r.dbCreate("shop"));
  for (const name of [...base, "old"]) await stage.query(r.db("shop").tableCreate(name));
  await stage.query(
    orders.insert([
      { id: "order-000031", customer: "c42", total: 1 },
      { id: "order-000032", customer: "c1", total: 1 },
      { id: 42, customer: { id: 42 }, total: 1 },
      { id: 43, customer: { id: 43 }, total: 1 },
    ]),
  );
  const address = { street: "1 High Street", city: "Ely" };
  const told = { name: "A. B.", phone: "1", email: "a@b.example", addresses: [address] };
  const customers = [{ id: 42, ...told, born: "1980-01-02", joined: r.now() }];
  await stage.query(r.db("shop").table("customers").insert(customers));
  stage.capture(repo);
  const names = base.map((name) => `shop.${name}`);
  await stage.untilExactNow(repo, ...names, "shop.old");
  const before = await nextInstant(1000);
  await nextInstant(300);
  await cliJson(["mark", "deploy 42", "--repo", repo]);
  await stage.query(orders.update({ total: 0 }));
  await stage.query(orders.get(43).delete());
  await stage.untilExactNow(repo, ...names);
  const after = await nextInstant(300);
  await stage.query(r.db("shop").tableDrop("old"));
  await stage.untilExact(repo, after + 1, ...names);
  const drop = await untilDropIsKnown();
  here.set("REPO", repo).set("/backup", repo).set("URL", stage.address);
  for (const time of ["10:04", "10 minutes ago"]) here.set(time, iso(before));
  here.set("10:00", iso(after)).set("10:06", iso(after));
  here.set("before:drop-3f2a91", `before:${drop}`);
  for (const name of ["standby", "new"]) here.set(`rethinkdb://${name}:28015`, other.address);
}, 120_000);

afterAll(async () => {
  await other.close();
  await stage.close();
});

async function untilDropIsKnown(): Promise<string> {
  let id: string | undefined;
  await until("the drop is a point", async () => {
    const { points } = await cliJson<{ points: { id: string }[] }>(["points", "--repo", repo]);
    id = points.find((point) => point.id.startsWith("drop-"))?.id;
    return id !== undefined;
  });
  return id!;
}

/** The words of a line as a shell reads them, and as they are here. */
function wordsOf(line: string): string[] {
  return [...line.matchAll(/'([^']*)'|"([^"]*)"|(\S+)/g)]
    .map(([, single, double, plain]) => single ?? double ?? plain!)
    .map((word) => here.get(word) ?? word)
    .slice(1);
}

interface Ended {
  status: number | null;
  stdout: string;
  stderr: string;
}

/** @param isReady by what it has printed, of a command that runs until it is stopped */
async function run(words: string[], isReady?: (printed: string) => boolean): Promise<Ended> {
  const child: ChildProcess = spawn(process.execPath, [main, ...words], { cwd: directory });
  const ended: Ended = { status: null, stdout: "", stderr: "" };
  child.stdout!.on("data", (bytes: Buffer) => (ended.stdout += bytes.toString()));
  child.stderr!.on("data", (bytes: Buffer) => (ended.stderr += bytes.toString()));
  const closed = new Promise<void>((resolve) => {
    child.on("close", (status) => {
      ended.status = status;
      resolve();
    });
  });
  if (isReady) {
    await until(
      `it is ready: ${words.join(" ")}`,
      () => isReady(ended.stdout) || child.exitCode !== null,
      60_000,
    );
    child.kill("SIGTERM");
  }
  await closed;
  return ended;
}

/** Drops what a command has made, until the repository knows that it is gone. */
async function tidyUp(): Promise<void> {
  for (const name of await stage.query<string[]>(r.db("shop").tableList())) {
    if (!base.includes(name)) await stage.query(r.db("shop").tableDrop(name));
  }
  for (const name of await stage.query<string[]>(r.dbList())) {
    if (["back", "test"].includes(name)) await stage.query(r.dbDrop(name));
  }
  const gone = ({ state, name }: { state: string; name: string }) =>
    state === "dropped" || ["pulse.beat", ...base.map((one) => `shop.${one}`)].includes(name);
  await untilStatus(repo, ({ tables }) => tables.every(gone));
  await stage.untilExactNow(repo, ...base.map((name) => `shop.${name}`));
}

/** In the order of their size. */
const totals = () =>
  stage.query(
    orders
      .getField("total")
      .coerceTo("array")
      .orderBy((n: Term) => n),
  );

/** What a command wants before it, or is looked at after it. */
const around: Record<string, (words: string[]) => Promise<string[] | undefined>> = {
  promote: async (words) => {
    const tables = await stage.query<string[]>(r.db("shop").tableList());
    const restored = tables.find((name) => name.startsWith("orders_at_"));
    return words.map((word) => (word.startsWith("shop.orders_at_") ? `shop.${restored}` : word));
  },
  import: async (words) => {
    await copyFile(join(directory, "dump.tar.gz"), join(directory, words[1]!));
    return words.map((word) => (word === repo ? imported : word));
  },
  preview: (words) => Promise.resolve(isRealHere ? words : [...words, "--target", stage.address]),
};

test("the page has commands of every kind", () => {
  const kinds = new Set(lines.map((line) => line.split(" ")[1]!));
  const wanted = [
    ["points", "table", "restore", "diff", "mark", "history", "undo", "rewind"],
    ["promote", "export", "import", "preview", "follow"],
  ];
  expect(kinds).toEqual(new Set(wanted.flat()));
});

/** The instant that the page gives for the end of a dump. */
const ofDump = "2024-05-06T07:08:09Z";

test.each(lines)(
  "%s",
  async (line) => {
    let words = wordsOf(line);
    const [kind] = words;
    words = (await around[kind!]?.(words)) ?? words;
    // The line that follows the import restores what it has made.
    const isOfImport = line.includes(ofDump);
    if (isOfImport) {
      const to = new Map([
        [repo, imported],
        [stage.address, other.address],
      ]);
      words = words.map((word) => to.get(word) ?? word);
    }
    const isReady =
      kind === "preview"
        ? (printed: string) => printed.includes("Ctrl-C removes it")
        : kind === "follow" && !words.includes("--until") && !words.includes("--finish")
          ? (printed: string) => /behind/.test(printed)
          : undefined;
    const more = isReady && kind === "follow" ? ["--json"] : [];
    if (words.includes("now")) stage.onClose(quiet());
    const { status, stdout, stderr } = await run([...words, ...more], isReady);
    expect(status, stdout + stderr).toBe(0);
    await after(kind!, words, stdout, isOfImport);
  },
  90_000,
);

/** An idle capture proves itself seldom; so the source is written to. */
function quiet(): () => Promise<void> {
  const timer = setInterval(() => {
    void stage.query(orders.get(42).update({ at: r.now() })).catch(() => undefined);
  }, 200);
  return () => Promise.resolve(clearInterval(timer));
}

async function after(
  kind: string,
  words: string[],
  stdout: string,
  isOfImport: boolean,
): Promise<void> {
  if (kind === "import") {
    const at = /\d{4}-\d\d-\d\dT[\d:.]+(?:Z|\+00:00)/.exec(stdout)![0];
    here.set(ofDump, at);
  }
  if (kind === "history") expect(stdout).toContain("total");
  if (kind === "points" && words.length === 3) expect(stdout).toContain("deploy 42");
  if (kind === "undo" || kind === "rewind") {
    let printed = stdout;
    if (words.includes("--dry-run")) {
      expect(await totals()).toContain(0);
      const really = await run(words.filter((word) => word !== "--dry-run"));
      expect(really.status, really.stderr).toBe(0);
      printed = really.stdout;
    }
    await changed(kind, words, printed);
    await tidyUp();
  }
  if (kind === "restore" && !words.includes("--beside")) {
    if (!isOfImport) return tidyUp();
    // The dump is of an instant before the drop.
    const restored = await other.query<string[]>(r.db("shop").tableList());
    expect(restored.sort()).toEqual([...base, "old"].sort());
    for (const db of await other.query<string[]>(r.dbList())) {
      if (db !== "rethinkdb") await other.query(r.dbDrop(db));
    }
  }
  if (kind === "promote" && words.includes("--back")) await tidyUp();
  if (kind === "follow" && words.includes("--check")) {
    expect((await other.query<string[]>(r.db("shop").tableList())).sort()).toEqual(base);
    expect(await other.query(orders.insert({ id: "new" }))).toMatchObject({ errors: 1 });
  }
  if (kind === "follow" && words.includes("--finish")) {
    expect(await other.query(orders.insert({ id: "new" }))).toMatchObject({ inserted: 1 });
  }
}

/** What an undo or a rewind has made of the totals; the next one finds what it wants. */
async function changed(kind: string, words: string[], printed: string): Promise<void> {
  if (kind === "rewind") {
    expect(await totals()).toEqual([0, 0, 0, 1]);
  } else if (words.includes("--tenant")) {
    // Of customer 42 there is one.
    expect(await totals()).toEqual([0, 0, 0, 1]);
    here.set("7f3a1b2c", /--operation ([0-9a-f]{8})/.exec(printed)![1]!);
  } else if (words.includes("--operation")) {
    expect(await totals()).toEqual([0, 0, 0, 0]);
  } else {
    expect(await totals()).toEqual([1, 1, 1, 1]);
    await stage.query(orders.update({ total: 0 }));
  }
}

test("an import can be verified and exported, as the page says", async () => {
  expect((await cli(["verify", "--repo", imported])).status).toBe(0);
  const out = ["--allow-inexact", "--table", "shop.customers", "--format", "ndjson", "--out", "-"];
  const { status, stdout } = await cli(["export", "--repo", imported, ...out]);
  expect([status, stdout]).toEqual([0, expect.stringContaining("a@b.example")]);
});
