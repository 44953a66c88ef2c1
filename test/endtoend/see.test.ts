/** Seeing what happened before anything is taken back: history, diff, points and marks, on a server that is captured. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { StoreUse } from "../../src/storage/store-use.js";
import { type DriverConnection, r, type Term } from "../server/driver.js";
import { cli, cliJson } from "./cli.js";
import { iso, nextInstant, Stage, stop, until } from "./stage.js";

interface PointsResult {
  points: {
    id: string;
    kind: string;
    at: string;
    before: string;
    table: string;
    text: string;
    until: string | null;
    count: number | null;
    folded: string[];
  }[];
  activity: { changes: number[] } | null;
}
interface Operated {
  operation: string;
  written: number;
}
interface HistoryResult {
  versions: {
    kind: string;
    captured: string;
    document: unknown;
    fields: object[];
    operation: object | null;
  }[];
  earlier: object | null;
}
interface DiffResult {
  added: number;
  removed: number;
  changed: number;
  documents: { key: unknown; change: string; before: unknown; after: unknown; fields: object[] }[];
}

let stage: Stage;
let repo: string;
let points: PointsResult["points"];
/** Instants between the steps. */
const at: Record<string, string> = {};

const here = (...args: string[]) => [...args, "--repo", repo];
const json = <T>(...args: string[]) => cliJson<T>(here(...args));
const point = (kind: string, table?: string) =>
  points.find((one) => one.kind === kind && (table === undefined || one.table === table))!;

beforeAll(async () => {
  stage = await Stage.open();
  repo = stage.repo("seen");
  await stage.query(r.dbCreate("shop"));
  const shop = r.db("shop");
  for (const name of ["orders", "carts"]) await stage.query(shop.tableCreate(name));
  const rows = Array.from({ length: 500 }, (_, id) => ({
    id,
    status: "open",
    at: { city: "Ulm" },
  }));
  await stage.query(shop.table("orders").insert(rows));
  await stage.query(shop.table("carts").insert(rows));
  const capture = stage.capture(repo);
  const exact = () => stage.untilExactNow(repo, "shop.orders");
  await exact();
  const marked = await json<{ id: string; requests: StoreUse }>("mark", "deploy 42");
  expect(marked.id).toMatch(/^mark-[0-9a-f]{8}$/);
  expect(marked.requests).toMatchObject({ puts: 1, gets: 1, heads: 0, lists: 1 });
  await nextInstant(300);
  const orders = shop.table("orders");
  await stage.query(orders.get(7).update({ status: "paid", at: { city: "Bonn" }, total: 1.5 }));
  await exact();
  await stage.query(orders.get(7).delete());
  await stage.query(orders.insert({ id: 1000, status: "new" }));
  await exact();
  at["calm"] = iso(Date.now());
  await nextInstant(300);
  await stage.query(orders.filter((row: Term) => row("id").lt(400)).delete());
  await exact();
  await stage.query(orders.insert({ id: 7, status: "open" }));
  await stage.query(orders.indexCreate("status"));
  await stage.query(orders.indexWait());
  await exact();
  await nextInstant(1500);
  await stage.query(orders.indexDrop("status"));
  await exact();
  await stage.query(shop.tableDrop("carts"));
  // The catalog is read every few seconds.
  await until("the drop is in the log", async () => {
    points = (await json<PointsResult>("points")).points;
    return point("drop") !== undefined;
  });
  await exact();
  at["end"] = iso(Date.now());
  await exact();
  await stop(capture);
  points = (await json<PointsResult>("points")).points;
}, 120_000);

afterAll(() => stage.close());

describe("points", () => {
  test("tell of the drop, the indexes, the burst and the mark, in the order of time", () => {
    expect(point("drop")).toMatchObject({ table: "shop.carts", text: "table dropped" });
    expect(point("drop").id).toMatch(/^drop-[0-9a-f]{6}$/);
    const indexes = points.filter(({ kind }) => kind === "index").map(({ text }) => text);
    expect(indexes).toEqual(["index status made", "index status dropped"]);
    expect(point("deletes")).toMatchObject({ table: "shop.orders" });
    expect(point("deletes").text).toMatch(/^399 documents deleted in /);
    expect(point("deletes").count).toBe(399);
    expect(Date.parse(point("deletes").until!)).toBeGreaterThanOrEqual(
      Date.parse(point("deletes").at),
    );
    expect(point("mark")).toMatchObject({ until: null, count: null });
    expect(point("mark").text).toBe("deploy 42");
    expect(points.map(({ at: time }) => time)).toEqual(points.map(({ at: time }) => time).sort());
  });

  test("keep their ids; those of one table leave out the others'", async () => {
    const again = await json<PointsResult>("points", "shop.orders", "--from", "1h ago");
    const ids = again.points.map(({ id }) => id);
    expect(ids).toContain(point("deletes").id);
    expect(ids).not.toContain(point("drop").id);
    const { stdout } = await cli(here("points"));
    expect(stdout).toContain(point("drop").id);
    expect(stdout).toMatch(
      /changes per (?:1|5|10|30) s, at most [0-9,]+:\n[ \u2581-\u2588]*\u2588[ \u2581-\u2588]*\n/,
    );
  });

  test("without bursts are those that are recorded, and the log is not read for changes", async () => {
    const found = await json<PointsResult>("points", "--without-bursts", "--from", "1h ago");
    const isRecorded = ({ kind }: { kind: string }) => kind !== "deletes" && kind !== "overwrites";
    expect(points.some((one) => !isRecorded(one))).toBe(true);
    expect(found.points.map(({ id }) => id)).toEqual(points.filter(isRecorded).map(({ id }) => id));
    expect(found.activity).toBeNull();
  });
});

describe("before:POINT", () => {
  test("restores a dropped table as it was last proven", async () => {
    const rename = ["--table", "shop.carts", "--rename", "shop.carts=shop.back"];
    const before = `before:${point("drop").id}`;
    const { restored } = await stage.restore(repo, "--at", before, ...rename);
    expect(restored).toMatchObject([{ documents: 500, class: "exact", matches: true }]);
  });

  test("takes a mark by its text or its id, and a burst", async () => {
    const shown = async (name: string) => {
      const args = here("show", "shop.orders", "7", "--at", `before:${name}`);
      return (await cli(args)).stdout;
    };
    expect(await shown("deploy 42")).toContain('"status":"open"');
    expect(await shown(point("mark").id)).toContain('"status":"open"');
    const deletes = ["show", "shop.orders", "8", "--at", `before:${point("deletes").id}`];
    expect((await cli(here(...deletes))).status).toBe(0);
    const pinned = await json<{ at: string }>("pin", "add", "calm", "--at", "before:deploy 42");
    expect(pinned.at).toBe(point("mark").before);
    const catalog = ["catalog", "--at", "before:calm", "--json"];
    expect((await cli(here(...catalog))).stdout).toContain('"carts"');
  });

  test("of a burst's id with another time is refused", async () => {
    const [kind, time, check] = point("deletes").id.split("-") as [string, string, string];
    const wrong = `${kind}-${(Number.parseInt(time, 36) - 60_000).toString(36)}-${check}`;
    const args = here("show", "shop.orders", "8", "--at", `before:${wrong}`);
    const { status, stderr } = await cli(args);
    expect([status, stderr]).toEqual([6, expect.stringContaining(`there is no point "${wrong}"`)]);
  });

  test("of an unknown point tells the nearest ones", async () => {
    const { status, stderr } = await cli(
      here("show", "shop.orders", "7", "--at", "before:deploy 43"),
    );
    expect(status).toBe(6);
    expect(stderr).toMatch(/there is no point "deploy 43"\n {2}→ the nearest: before:deploy 42, /);
  });
});

describe("history", () => {
  test("has every version of a document, and what changed", async () => {
    const { versions } = await json<HistoryResult>("history", "shop.orders", "7");
    expect(versions.map(({ kind }) => kind)).toEqual([
      "known",
      "changed",
      "deleted",
      "inserted again",
    ]);
    expect(versions[1]!.fields).toEqual([
      { path: ["at", "city"], before: "Ulm", after: "Bonn" },
      { path: ["status"], before: "open", after: "paid" },
      { path: ["total"], after: 1.5 },
    ]);
    expect(versions[3]!.document).toEqual({ id: 7, status: "open" });
    const { stdout } = await cli(here("history", "shop.orders", "7"));
    expect(stdout).toMatch(/ {2}~ at\.city: "Ulm" → "Bonn"\n {2}~ status: "open" → "paid"\n/);
  });

  test("of a dropped table is that of the last one of its name", async () => {
    const { versions } = await json<HistoryResult>("history", "shop.carts", "3");
    expect(versions).toHaveLength(1);
    const { status, stderr } = await cli(here("history", "shop.orders", "nobody"));
    expect([status, stderr]).toEqual([6, expect.stringContaining("no version of a document")]);
  });
});

describe("diff", () => {
  test("between two instants: counts, documents, fields", async () => {
    const stretch = ["--from", "before:deploy 42", "--to", at["calm"]!];
    const { added, removed, changed, documents } = await json<DiffResult>(
      "diff",
      "shop.orders",
      ...stretch,
    );
    expect({ added, removed, changed }).toEqual({ added: 1, removed: 1, changed: 0 });
    expect(documents.map(({ key, change }) => [key, change])).toEqual([
      [7, "removed"],
      [1000, "added"],
    ]);
    const one = ["--key", "1000"];
    const { stdout } = await cli(here("diff", "shop.orders", ...stretch, ...one));
    expect(stdout).toMatch(/: 1 added, 0 removed, 0 changed\n\+ added {4}1000\n {4}\+ \{"id":1000/);
  });

  test("of many: documents up to the limit; equal states end with 0 too", async () => {
    const stretch = ["--from", at["calm"]!, "--to", at["end"]!];
    const { status, stdout } = await cli(here("diff", "shop.orders", ...stretch, "--limit", "5"));
    expect(status).toBe(0);
    expect(stdout).toMatch(/: 1 added, 399 removed, 0 changed\n/);
    expect(stdout.match(/^- removed/gm)).toHaveLength(5);
    expect(stdout).toContain("and 395 more documents; --limit prints more");
    const same = ["--from", at["end"]!, "--to", at["end"]!];
    const { stdout: equal, status: ended } = await cli(here("diff", "shop.orders", ...same));
    expect([ended, equal]).toEqual([0, expect.stringMatching(/: equal\n$/)]);
  });

  test("from an instant to the live table, of a selection", async () => {
    const other: DriverConnection = await stage.connect();
    await r.db("shop").table("orders").get(450).update({ status: "lost" }).run(other);
    await other.close();
    const live = ["--at", at["end"]!, "--live", "--target", stage.address];
    const { documents } = await json<DiffResult>("diff", "shop.orders", ...live);
    expect(documents).toMatchObject([
      {
        key: 450,
        change: "changed",
        fields: [{ path: ["status"], before: "open", after: "lost" }],
      },
    ]);
    const none = await json<DiffResult>(
      "diff",
      "shop.orders",
      ...live,
      "--where",
      '{"status":"x"}',
    );
    expect(none.documents).toEqual([]);
    const gone = await cli(
      here("diff", "shop.carts", "--at", at["calm"]!, "--live", "--target", stage.address),
    );
    expect([gone.status, gone.stderr]).toEqual([7, expect.stringContaining("there is no table")]);
  });
});

test("a burst is undone from before it on, and the history tells which versions the undo has written", async () => {
  const capture = stage.capture(repo);
  await stage.untilExactNow(repo, "shop.orders");
  const stretch = ["--from", `before:${point("deletes").id}`, "--to", at["end"]!];
  const ways = [...stretch, "--on-conflict", "skip", "--target", stage.address];
  const undone = await json<{ operation: string }>("undo", "shop.orders", ...ways);
  await stage.untilExactNow(repo, "shop.orders");
  await stop(capture);
  const { versions } = await json<HistoryResult>("history", "shop.orders", "8");
  expect(versions.map(({ kind }) => kind)).toEqual(["known", "deleted", "inserted again"]);
  const last = versions.at(-1)!;
  expect(last.operation).toEqual({ id: undone.operation, type: "undo" });
  const { stdout } = await cli(here("history", "shop.orders", "8"));
  expect(stdout).toMatch(new RegExp(`inserted again .* undo ${undone.operation}\n`));
  const again = (await json<PointsResult>("points")).points;
  const ids = again.map(({ id }) => id);
  expect(ids).toContain(`undo-${undone.operation}`);
  // Its pin is not a point of its own, and the burst that was undone still is.
  expect(ids).not.toContain(`pin-before-undo-${undone.operation}`);
  expect(ids).toContain(point("deletes").id);
  const { folded } = again.find(({ kind }) => kind === "undo")!;
  expect(folded).toContain(`pin-before-undo-${undone.operation}`);
});

test("what somebody else deletes while a rewind writes is a point; what the rewind has written is not", async () => {
  const capture = stage.capture(repo);
  await stage.untilExactNow(repo, "shop.orders");
  const orders = r.db("shop").table("orders");
  await nextInstant(300);
  const good = Date.now();
  await stage.untilExact(repo, good + 1, "shop.orders");
  await stage.query(orders.between(0, 300).update({ status: "bad" }));
  const back = ["--at", iso(good), "--between", "0..299", "--target", stage.address];
  const { operation, written } = await json<Operated>("rewind", "shop.orders", ...back);
  // Fewer than the rewind has written, and in the same seconds.
  await stage.query(orders.between(300, 450).delete());
  await stage.untilExactNow(repo, "shop.orders");
  await stop(capture);
  const found = (await json<PointsResult>("points", "shop.orders", "--from", iso(good))).points;
  const overwrites = found.filter(({ kind }) => kind === "overwrites");
  const deletes = found.filter(({ kind }) => kind === "deletes");
  expect(deletes.map(({ text }) => text)).toEqual([
    expect.stringMatching(/^150 documents deleted/),
  ]);
  const rewind = found.find(({ id }) => id === `rewind-${operation}`)!;
  expect(rewind.folded).not.toContain(deletes[0]!.id);
  // The bad update and the rewind lie in one burst, or in one each.
  const own = rewind.folded.filter((id) => id.startsWith("overwrites-"));
  expect(written).toBeGreaterThan(150);
  expect(own.length + overwrites.length).toBeGreaterThan(0);
  for (const { text } of overwrites) {
    if (own.length === 0) expect(text).toContain(`${written} of them by rewind-${operation}`);
    else expect(text).not.toContain("of them by");
  }
  await stage.query(orders.insert(Array.from({ length: 150 }, (_, i) => ({ id: 300 + i }))));
});

test("a mark of several words, or of a text that another has, is told; marks are listed", async () => {
  const several = await cli(here("mark", "deploy", "44"));
  expect(several.stderr).toContain('put the text in quotes: thinkback mark add "deploy 44"');
  expect(several.status).toBe(2);
  const again = await cli(here("mark", "add", "deploy 42"));
  expect(again.stderr).toContain('another mark is called "deploy 42" too');
  expect(again.stderr).toContain(`before:${point("mark").id} `);
  expect(again.status).toBe(0);
  const listed = await json<{ marks: { id: string; text: string }[] }>("mark", "list");
  expect(listed.marks.map(({ text }) => text)).toEqual(["deploy 42", "deploy 42"]);
  expect(listed.marks[0]!.id).toBe(point("mark").id);
  const { stdout } = await cli(here("mark", "list"));
  expect(stdout).toMatch(new RegExp(`^time +id +text\n.* ${point("mark").id} +deploy 42\n`));
});

test("the text of a mark without before: in front of it is told", async () => {
  const { stderr, status } = await cli(here("diff", "shop.orders", "--from", "deploy 42"));
  expect(stderr).toContain('there is a mark "deploy 42": give "before:deploy 42"');
  expect(status).toBe(2);
});

test("a status may leave out what was dropped", async () => {
  const names = async (...more: string[]) =>
    (await json<{ tables: { name: string }[] }>("status", ...more)).tables.map(({ name }) => name);
  expect(await names()).toContain("shop.carts");
  const left = await names("--hide-dropped");
  expect(left).toContain("shop.orders");
  expect(left).not.toContain("shop.carts");
});

test("the points of a table that was renamed are those from before too", async () => {
  const before = (await json<PointsResult>("points", "shop.orders")).points;
  const capture = stage.capture(repo);
  await stage.untilExactNow(repo, "shop.orders");
  await stage.query(r.db("shop").table("orders").config().update({ name: "sales" }));
  let after: PointsResult["points"] = [];
  await until("the rename is in the log", async () => {
    after = (await json<PointsResult>("points", "--from", "1h ago")).points;
    return after.some(({ text }) => text === "renamed to shop.sales");
  });
  await stage.untilExactNow(repo, "shop.sales");
  await stop(capture);
  after = (await json<PointsResult>("points", "shop.sales")).points;
  const ids = (points: PointsResult["points"]) => points.map(({ id }) => id);
  expect(ids(after)).toEqual([...ids(before), expect.stringMatching(/^rename-/)]);
  expect(after.map(({ kind }) => kind)).toEqual(
    expect.arrayContaining(["deletes", "undo", "index"]),
  );
});
