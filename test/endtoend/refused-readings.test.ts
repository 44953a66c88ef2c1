/** What may not be read for a while is not known, which is not the same as not there. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { whyNotLong } from "../long.js";
import { r, type Term } from "../server/driver.js";
import { startServer } from "../server/find-server.js";
import { cli, cliJson, type Running, status, untilStatus } from "./cli.js";
import { factsOf } from "./every-type.js";
import { at, boundMs } from "./judge.js";
import { iso, nextInstant, Stage, stop, tableOf, until } from "./stage.js";

const db = r.db("shop");
/** When a catalog that cannot be read is worth a word of status. */
const behindNoteMs = 30_000;

let stage: Stage;
let repo: string;
let capture: Running;

beforeAll(async () => {
  stage = await Stage.open();
  repo = stage.repo("refused");
  await stage.query(r.dbCreate("shop"));
  await stage.query(db.tableCreate("orders"));
  await stage.query(db.table("orders").insert({ id: 1, a: 1, b: 2 }));
  await stage.query(db.table("orders").indexCreate("same", (row: Term) => row("a")));
  const users = r.db("rethinkdb").table("users");
  for (const id of ["backup", "clerk"]) await stage.query(users.insert({ id, password: "secret" }));
  await stage.query(r.grant("backup", { read: true }));
  await stage.query(r.db("rethinkdb").grant("backup", { read: true }));
  await stage.query(db.grant("clerk", { read: true, write: true }));
  await stage.query(db.table("orders").grant("clerk", { write: false }));
  const { host, port } = stage.server;
  capture = stage.capture(
    repo,
    "--source",
    `rethinkdb://backup:secret@${host}:${port}`,
    "--include",
    "shop.*",
  );
  await stage.untilExactNow(repo, "shop.orders");
});

afterAll(async () => {
  expect((await stop(capture)).status).toBe(0);
  await stage.close();
});

/** Takes the right to read a system table from the captured user, or gives it back. */
async function mayRead(table: string, read: boolean): Promise<void> {
  await stage.query(r.db("rethinkdb").table(table).grant("backup", { read }));
}

const everything = (to: string) => ["--rename", `shop=${to}`, "--rename", `pulse=${to}_pulse`];

async function tablesOf(database: string): Promise<string[]> {
  return (await stage.query<string[]>(r.db(database).tableList())).sort();
}

test.skipIf(whyNotLong !== undefined)(
  "what happens to the catalog while it may not be read is known again when it may",
  async () => {
    const before = Date.now();
    await mayRead("table_config", false);
    const refused = Date.now();
    await until("the refusal is told", () =>
      capture.stderr().includes("the catalog cannot be read"),
    );
    await stage.query(db.tableCreate("late"));
    await stage.query(db.table("late").insert({ id: "new" }));
    await stage.query(db.table("orders").config().update({ name: "sales" }));
    await stage.query(db.table("sales").indexCreate("more", (row: Term) => row("b")));
    await stage.query(db.table("sales").insert({ id: 2 }));
    await until(
      "status has a word for it",
      () => Date.now() > refused + behindNoteMs + 5000,
      60_000,
    );

    const told = (await cli(["status", "--repo", repo])).stdout;
    expect(told).toMatch(
      /the catalog could not be read since .*: new tables, renames, indexes and hooks/,
    );
    const args = ["restore", "--repo", repo, "--target", stage.address, ...everything("then")];
    const restored = await cli(args);
    expect(restored).toMatchObject({ status: 0 });
    expect(restored.stdout).toMatch(/the catalog is known only up to/);
    expect(await tablesOf("then")).toEqual(["orders"]);
    const { indexes } = await factsOf(stage, "then", "orders");
    expect(indexes).toEqual((await factsOf(stage, "shop", "sales")).indexes.slice(1));
    expect([...(await stage.texts("then", "orders")).keys()]).toEqual(["1"]);
    const instant = Date.parse(/restoring to (\S+)/.exec(restored.stdout)![1]!);
    expect(instant).toBeGreaterThan(before - boundMs);
    expect(instant).toBeLessThan(refused + boundMs);

    await mayRead("table_config", true);
    await stage.untilExactNow(repo, "shop.sales", "shop.late");
    expect(capture.stderr()).toContain("the catalog can be read again");
    const now = await status(repo);
    const { intervals } = tableOf(now, "shop.sales")!;
    expect(intervals.filter((one) => one.class === "gap")).toEqual([]);
    expect(at(now.catalog!.intervals, refused + 10_000)?.class).toBe("late");
    await stage.restore(repo, ...everything("again"));
    expect(await tablesOf("again")).toEqual(["late", "sales"]);
    for (const name of ["late", "sales"]) {
      expect(await factsOf(stage, "again", name)).toEqual(await factsOf(stage, "shop", name));
    }
  },
  180_000,
);

test.skipIf(whyNotLong !== undefined)(
  "an index that is redefined under its name is known within two seconds",
  async () => {
    const table = db.table("sales");
    await stage.query(table.indexDrop("same"));
    await stage.query(table.indexCreate("same", (row: Term) => row("b").add(1)));
    await stage.query(table.indexWait());
    const redefined = Date.now();
    const exact = async () => {
      const now = await status(repo);
      const covered = [now.catalog!.intervals, tableOf(now, "shop.sales")!.intervals];
      const candidates = Array.from({ length: 100 }, (_, i) => redefined + boundMs + 100 * i);
      return candidates.find((one) => covered.every((of) => at(of, one)?.class === "exact"));
    };
    await untilStatus(repo, async () => {
      await stage.query(table.insert({ id: "beat", at: r.now() }, { conflict: "replace" }));
      return (await exact()) !== undefined;
    });
    const choice = ["--table", "shop.sales", "--rename", "shop.sales=redefined.sales"];
    await stage.restore(repo, "--at", iso((await exact())!), ...choice);
    const { indexes } = await factsOf(stage, "redefined", "sales");
    expect(indexes).toEqual((await factsOf(stage, "shop", "sales")).indexes);
  },
);

test.skipIf(whyNotLong !== undefined)(
  "users and grants that may not be read are kept, and restored with the cluster",
  async () => {
    await mayRead("users", false);
    const refused = Date.now();
    await until("the refusal is told", () =>
      capture.stderr().includes("users and permissions may not be read"),
    );
    await nextInstant(4000);
    const during = Date.now();
    await nextInstant();
    await mayRead("users", true);
    await until("they can be read again", () =>
      capture.stderr().includes("users and permissions can be read"),
    );
    await stage.untilExact(repo, Date.now() + 3 * boundMs, "shop.sales");
    const { access, catalog } = await status(repo);
    expect(at(access!.intervals, during)?.class).toBe("late");
    expect(at(catalog!.intervals, during)?.class).not.toBe("gap");
    expect(Date.parse(access!.frontier!)).toBeGreaterThan(refused);

    for (const more of [["--at", iso(during), "--allow-inexact"], []]) {
      const target = await startServer();
      try {
        const to = ["--target", `rethinkdb://${target.host}:${target.port}`];
        await cliJson(["restore", "--repo", repo, ...to, ...more]);
        expect(await grantsOf(target)).toEqual(await grantsOf(stage.server));
      } finally {
        await target.stop();
      }
    }
  },
  120_000,
);

/** Users, and the grants of the clerk, by names. */
async function grantsOf({ host, port }: { host: string; port: number }) {
  const connection = await r.connect({ host, port });
  const system = r.db("rethinkdb");
  const users = (await system.table("users")("id").coerceTo("array").run(connection)) as string[];
  const permissions = await system
    .table("permissions")
    .filter({ user: "clerk" })
    .map((row: Term) => [
      row("database").default(null),
      row("table").default(null),
      row("permissions"),
    ])
    .coerceTo("array")
    .run(connection);
  await connection.close();
  return {
    users: users.sort(),
    permissions: (permissions as unknown[]).map((one) => JSON.stringify(one)).sort(),
  };
}
