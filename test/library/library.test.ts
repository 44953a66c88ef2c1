/** The library, as another program uses it, against the simulated server. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  type CaptureEvent,
  capture,
  FlawedRestore,
  openRepository,
  planRestore,
  type Repository,
  type RestoreEvent,
  readStatus,
  restore,
} from "../../src/index.js";
import { liveHolds } from "../../src/repository/registers/holds.js";
import { DirectoryStore } from "../../src/storage/directory-store.js";
import { until } from "../endtoend/stage.js";
import { Server } from "../restore/captured.js";
import { r } from "../server/driver.js";

let server: Server;
let directory: string;
let repository: Repository;
const events: CaptureEvent[] = [];

beforeAll(async () => {
  server = await Server.start();
  directory = await mkdtemp(join(tmpdir(), "thinkback-library-"));
  await server.query(r.dbCreate("shop"));
  for (const table of ["orders", "posts"]) await server.query(r.db("shop").tableCreate(table));
  await server.query(r.db("shop").table("orders").indexCreate("customer"));
  const rows = Array.from({ length: 50 }, (_, id) => ({ id, customer: id % 7 }));
  await server.query(r.db("shop").table("orders").insert(rows));
  const location = join(directory, "repository");
  await capture({
    source: server.address,
    location,
    include: ["shop.orders"],
    once: true,
    onEvent: (event) => events.push(event),
  });
  repository = await openRepository(location);
});

afterAll(async () => {
  await server.stop();
  await rm(directory, { recursive: true, force: true });
});

const count = (db: string) => server.query<number>(r.db(db).table("orders").count());

test("a one-shot capture tells how its tables become live", () => {
  const states = events.flatMap((event) =>
    event.kind === "state" ? [`${event.table} ${event.state}`] : [],
  );
  expect(states).toEqual(["shop.orders copying", "shop.orders live"]);
  expect(events).toContainEqual(expect.objectContaining({ kind: "scanned", documents: 50 }));
});

test("status says what can be restored, without the source", async () => {
  const status = await readStatus(repository);
  expect(status.repository).toBe(repository.id);
  expect(status.restorableUntil).toBeGreaterThan(repository.created);
  const states = status.tables.map(({ name, state, documents }) => [name, state, documents]);
  expect(states).toEqual([
    ["shop.orders", "live", 50],
    ["shop.posts", "not captured", undefined],
  ]);
  expect(status.tables[0]!.intervals).toMatchObject([{ class: "exact" }]);
  expect(status.catalog!.knownTo).toBeGreaterThan(repository.created);
});

test("a plan is carried out as it says, and its report says that all is equal", async () => {
  const plan = await planRestore(repository, {
    tables: ["shop.orders"],
    renames: { "shop.orders": "again.orders" },
  });
  expect(plan).toMatchObject({
    databases: ["again"],
    tables: [{ from: "shop.orders", to: "again.orders", class: "exact", documents: 50 }],
    catalog: { class: "exact" },
    access: undefined,
    notCaptured: [],
  });
  expect(plan.tables[0]!.indexes).toEqual(["customer"]);
  const told: RestoreEvent[] = [];
  const onEvent = (event: RestoreEvent) => void told.push(event);
  const report = await restore(plan, { target: server.address, onEvent });
  const table = { to: "again.orders", documents: 50, indexes: 1, matches: true, leftOut: [] };
  expect(report).toMatchObject({ tables: [table], access: undefined });
  expect(await count("again")).toBe(50);
  expect(new Set(told.map(({ kind }) => kind))).toEqual(
    new Set(["reading", "writing", "finishing"]),
  );
});

test("a restore of everything brings users and grants back, and names what was not captured", async () => {
  await server.query(r.db("rethinkdb").table("users").insert({ id: "ann", password: "x" }));
  const location = join(directory, "whole");
  await capture({ source: server.address, location, exclude: ["shop.posts", "again"], once: true });
  await server.query(r.db("rethinkdb").table("users").get("ann").delete());
  const plan = await planRestore(await openRepository(location), {
    renames: { shop: "whole", again: "whole_again" },
  });
  expect(plan.notCaptured).toEqual(["again.orders", "shop.posts"]);
  expect(plan.access).toMatchObject({ class: "exact" });
  const { access } = await restore(plan, { target: server.address });
  expect(access).toMatchObject({ usersWithoutPassword: ["ann"], usersKept: [] });
  await server.query(r.db("rethinkdb").table("users").get("ann").delete());
});

test("a capture goes on until its signal aborts, and then ends in order", async () => {
  const location = join(directory, "going-on");
  const stop = new AbortController();
  const seen: CaptureEvent[] = [];
  const running = capture({
    source: server.address,
    location,
    include: ["shop.orders", "shop.ordres"],
    tickMs: 50,
    signal: stop.signal,
    onEvent: (event) => seen.push(event),
  });
  await until("the table is live", () =>
    seen.some((event) => event.kind === "state" && event.state === "live"),
  );
  stop.abort();
  await running;
  expect(seen[0]).toEqual({ kind: "idlePattern", pattern: "shop.ordres", excluded: false });
  const { tables } = await readStatus(await openRepository(location));
  expect(tables).toContainEqual(
    expect.objectContaining({ name: "shop.orders", state: "live", documents: 50 }),
  );
});

describe("what is wrong is an error with a code:", () => {
  const source = () => server.address;
  const location = () => join(directory, "refused");
  const target = "rethinkdb://127.0.0.1:1";
  const copy = async () => ({ ...(await planRestore(repository, { tables: ["shop.orders"] })) });

  test.each<[string, string, () => Promise<unknown>]>([
    ["an address of no repository", "usage", () => openRepository("s4://bucket")],
    ["a directory without a repository", "repository", () => openRepository(directory)],
    [
      "a tick of no time",
      "usage",
      () => capture({ source: source(), location: location(), tickMs: 0 }),
    ],
    [
      "a misspelt option",
      "usage",
      () => capture({ source: source(), location: location(), onse: true } as never),
    ],
    [
      "an option of the wrong type",
      "usage",
      () => capture({ source: source(), location: location(), exclude: "shop" } as never),
    ],
    [
      "a part of a copy",
      "usage",
      () => capture({ source: source(), location: location(), copiesAtOnce: 1.5 }),
    ],
    [
      "a spool in the repository",
      "usage",
      () => {
        const spool = { location: join(location(), "spool"), bytesMax: 2 ** 20 };
        return capture({ source: source(), location: pathToFileURL(location()).href, spool });
      },
    ],
    [
      "a source that is not there",
      "source",
      () => capture({ source: target, location: location() }),
    ],
    [
      "a one-shot capture of nothing",
      "unknown",
      () => capture({ source: source(), location: location(), include: ["shp"], once: true }),
    ],
    [
      "a one-shot capture of what is excluded",
      "unknown",
      () => capture({ source: source(), location: location(), exclude: ["*"], once: true }),
    ],
    ["no instant", "usage", () => planRestore(repository, { at: Number.NaN })],
    ["a rename to no name", "usage", () => planRestore(repository, { renames: { "a.b": "c" } })],
    [
      "an instant before the first copy",
      "instant",
      () => planRestore(repository, { at: repository.created - 1000 }),
    ],
    ["a table that never was", "unknown", () => planRestore(repository, { tables: ["a.b"] })],
    ["a copy of a plan", "usage", async () => restore(await copy(), { target: server.address })],
    [
      "a target that is not there",
      "target",
      async () => restore(await planRestore(repository, { databases: ["shop"] }), { target }),
    ],
    [
      "a target that has the table",
      "target",
      async () =>
        restore(await planRestore(repository, { databases: ["shop"] }), {
          target: server.address,
        }),
    ],
  ])("%s", async (_, code, doing) => {
    await expect(doing()).rejects.toMatchObject({ name: "ThinkbackError", code });
  });
});

test("a restore that somebody writes into is flawed, and says what there is", async () => {
  const other = await Server.to(server.server);
  const insert = r.db("raced").table("orders").insert({ id: "not ours" }, { conflict: "replace" });
  let ended = false;
  const writing = (async () => {
    while (!ended) await other.query(insert).catch(() => undefined);
  })();
  try {
    const plan = await planRestore(repository, { renames: { shop: "raced" }, databases: ["shop"] });
    const flawed = await restore(plan, { target: server.address }).catch((error: unknown) => error);
    expect(flawed).toBeInstanceOf(FlawedRestore);
    expect(flawed).toMatchObject({
      code: "mismatch",
      report: { tables: [{ to: "raced.orders", matches: false }] },
    });
  } finally {
    ended = true;
    await writing;
    await other.leave();
  }
});

test("a restore whose signal has aborted makes nothing, and leaves no reader behind", async () => {
  const plan = await planRestore(repository, {
    databases: ["shop"],
    renames: { shop: "never" },
  });
  const signal = AbortSignal.abort(new Error("not today"));
  await expect(restore(plan, { target: server.address, signal })).rejects.toThrow("not today");
  expect(await server.databases()).not.toContain("never");
  expect(await liveHolds(new DirectoryStore(repository.location as string), Date.now())).toEqual(
    [],
  );
});
