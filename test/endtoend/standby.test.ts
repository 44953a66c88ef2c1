/** A standby: another server, some seconds behind, while the source is written to and the standby is killed. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { r, type Term } from "../server/driver.js";
import { cli } from "./cli.js";
import { Follow } from "./follow-process.js";
import { iso, Stage } from "./stage.js";

let source: Stage;
let standby: Stage;
let repo: string;
const orders = r.db("shop").table("orders");

beforeAll(async () => {
  [source, standby] = [await Stage.open(), await Stage.open()];
  repo = source.repo("repository");
  await source.query(r.dbCreate("shop"));
  await source.query(r.db("shop").tableCreate("orders"));
  await source.query(r.db("shop").tableCreate("old"));
  const rows = Array.from({ length: 5000 }, (_, id) => ({ id, n: 0, text: "x".repeat(200) }));
  await source.query(orders.insert(rows, { durability: "soft" }));
  await source.query(r.db("shop").table("old").insert({ id: 1 }));
  await source.query(r.db("rethinkdb").table("users").insert({ id: "reader", password: "x" }));
  await source.query(r.db("shop").grant("reader", { read: true }));
  source.capture(repo);
  await source.untilExactNow(repo, "shop.orders", "shop.old");
}, 120_000);

afterAll(async () => {
  await standby.close();
  await source.close();
});

/** Writes at random until stopped. */
function writeAtRandom(seed: number): () => Promise<void> {
  let isStopped = false;
  const writing = (async () => {
    const connection = await source.connect();
    let state = seed;
    const random = (below: number) => (state = (state * 48271) % 2147483647) % below;
    while (!isStopped) {
      const ids = Array.from({ length: 20 }, () => random(6000));
      const change = random(10);
      const rows = orders.getAll(r.args(ids));
      const term =
        change < 2
          ? rows.delete({ durability: "soft" })
          : change < 5
            ? orders.insert(
                ids.map((id) => ({ id, n: state })),
                { conflict: "replace", durability: "soft" },
              )
            : rows.update({ n: state, at: r.now() }, { durability: "soft" });
      await (term as Term).run(connection);
    }
    await connection.close();
  })();
  return async () => {
    isStopped = true;
    await writing;
  };
}

async function same(db: string, table: string, key?: string): Promise<void> {
  expect(await standby.texts(db, table, key)).toEqual(await source.texts(db, table, key));
}

test("copies everything, then follows, through kills, to an instant", async () => {
  const first = Follow.begin(standby, repo);
  // Killed amidst the first copy or soon after it.
  await first.until("it has made a table", () => first.events().includes("shop.orders made"));
  await first.kill();
  const stop = writeAtRandom(7);
  const copying = Follow.begin(standby, repo);
  await copying.caughtUp();
  expect(copying.events()).toContain("shop.orders copied");
  await copying.kill();
  for (const waitMs of [1500, 3000, 1000, 2000]) {
    const next = Follow.begin(standby, repo);
    await new Promise((resolve) => setTimeout(resolve, waitMs));
    await next.kill();
  }
  const last = Follow.begin(standby, repo);
  await last.caughtUp();
  // Nothing is copied anew.
  expect(last.events().filter((text) => text.includes("copied"))).toEqual([]);

  await source.query(r.db("shop").tableCreate("made", { primaryKey: "key" }));
  await source.query(
    r
      .db("shop")
      .table("made")
      .insert({ key: ["a", 1], v: -0 }),
  );
  await source.query(orders.indexCreate("n"));
  await source.query(r.db("shop").tableDrop("old"));
  await last.until("the index is made", () => last.events().includes("shop.orders index made n"));
  await last.until("the table is made", () => last.events().includes("shop.made copied"));
  await last.until("the table is kept", () =>
    last.events().some((text) => text.startsWith("shop.old kept old_dropped_")),
  );
  await source.query(
    r.db("rethinkdb").table("table_config").filter({ name: "made" }).update({ name: "renamed" }),
  );
  await last.until("it is renamed", () => last.events().includes("shop.made renamed renamed"));
  await last.kill();
  await stop();
  await new Promise((resolve) => setTimeout(resolve, 300));
  const at = Date.now();
  await source.untilExact(repo, at + 1, "shop.orders", "shop.renamed");
  const ended = Follow.begin(standby, repo, "--until", iso(at), "--check", "--with-access");
  const { status, stderr } = await ended.running.finished;
  expect([status, stderr]).toEqual([0, ""]);
  const done = ended.lines.at(-1)!;
  expect(done).toMatchObject({ event: "done", instant: iso(at).replace("Z", "+00:00") });
  expect(done.checked!.every(({ different }) => different === 0)).toBe(true);
  expect(done.checked!.find(({ table }) => table === "shop.orders")!.documents).toBeGreaterThan(
    1000,
  );
  const [grant] = await standby.query<{ permissions: object }[]>(
    r.db("rethinkdb").table("permissions").filter({ user: "reader" }).coerceTo("array"),
  );
  expect(grant).toMatchObject({ permissions: { read: true } });
  await same("shop", "orders");
  await same("shop", "renamed", "key");
  expect(await standby.query(orders.indexList())).toEqual(["n"]);
  const kept = (await standby.query<string[]>(r.db("shop").tableList())).find((name) =>
    name.startsWith("old_dropped_"),
  );
  expect(await standby.query(r.db("shop").table(kept!).count())).toBe(1);
}, 240_000);

describe("refuses", () => {
  const to = () => ["--repo", repo, "--target", standby.address];

  test("an instant before what it has", async () => {
    const { status, stderr } = await cli(["follow", ...to(), "--until", "1h ago"]);
    expect([status, stderr]).toEqual([5, expect.stringMatching(/./)]);
  });

  test("another choice than before", async () => {
    const { status, stderr } = await cli(["follow", ...to(), "--db", "shop"]);
    expect([status, stderr]).toEqual([7, expect.stringContaining("a standby of everything")]);
  });

  test("to follow beside another process", async () => {
    const other = Follow.begin(standby, repo);
    await other.until("it follows", () => other.lines.length > 0);
    const { status, stderr } = await cli(["follow", ...to()]);
    expect([status, stderr]).toEqual([11, expect.stringContaining("follows on this target")]);
    other.running.process.kill("SIGTERM");
    expect((await other.running.finished).status).toBe(0);
  });

  test("a target with a table that is not its own", async () => {
    const { status, stderr } = await cli(["follow", "--repo", repo, "--target", source.address]);
    expect([status, stderr]).toEqual([7, expect.stringContaining("that is not the standby's")]);
    // Nothing is left there.
    expect(await source.query(r.dbList())).not.toContain("thinkback_follow");
  });
});
