/** Restore beside, promote, and back, while a client writes all the time and a capture goes on. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { systemClock } from "../../src/clock.js";
import { nameBefore } from "../../src/restore/beside.js";
import { swap } from "../../src/restore/promote.js";
import { parseAddresses } from "../../src/rethinkdb/address.js";
import { RethinkTarget } from "../../src/rethinkdb/rethink-target.js";
import { clusterDialer } from "../../src/rethinkdb/servers.js";
import { r, type Term } from "../server/driver.js";
import { cli, cliJson } from "./cli.js";
import { iso, nextInstant, Stage, stop, tableOf, until } from "./stage.js";

let stage: Stage;
let repo: string;
const orders = () => r.db("shop").table("orders");

beforeAll(async () => {
  stage = await Stage.open();
  repo = stage.repo("repository");
  await stage.query(r.dbCreate("shop"));
  await stage.query(r.db("shop").tableCreate("orders"));
  await stage.query(orders().indexCreate("total"));
  await stage.query(orders().insert(r.range(500).map((id: unknown) => ({ id, total: id }))));
  await stage.query(r.db("rethinkdb").table("users").insert({ id: "app", password: "p" }));
  await stage.query(orders().grant("app", { read: true, write: true }));
});

afterAll(() => stage.close());

interface Promoted {
  live: string;
  promoted: string;
  kept: string | null;
  grants: string[];
  differences: string[];
  goneMs: number;
  pin: { name: string; at: string } | null;
}

const promote = (...args: string[]) =>
  cliJson<Promoted>(["promote", ...args, "--target", stage.address]);

/** Writes documents one after the other until it is stopped; a refused write is not acknowledged. */
class Client {
  readonly acknowledged: number[] = [];
  refused = 0;
  private isStopped = false;
  private readonly ended: Promise<void>;

  constructor() {
    this.ended = this.write();
  }

  private async write(): Promise<void> {
    const connection = await stage.connect();
    for (let id = 10_000; !this.isStopped; id += 1) {
      try {
        await orders().insert({ id, total: -1 }).run(connection);
        this.acknowledged.push(id);
      } catch (error) {
        expect(String(error)).toMatch(/Table `shop.orders` does not exist/);
        this.refused += 1;
      }
    }
    await connection.close();
  }

  stop(): Promise<void> {
    this.isStopped = true;
    return this.ended;
  }
}

const keysOf = async (name: string) =>
  new Set(await stage.query<number[]>(r.db("shop").table(name)("id").coerceTo("array")));

const permissions = async (name: string) =>
  stage.query<{ user: string; permissions: object }[]>(
    r.db("rethinkdb").table("permissions").filter({ table: name }).coerceTo("array"),
  );

const tables = () => stage.query<string[]>(r.db("shop").tableList());

test("every acknowledged write is in one of the two tables, and can be restored", async () => {
  const capture = stage.capture(repo, "--include", "shop.*");
  await stage.untilExactNow(repo, "shop.orders");
  const past = await nextInstant(50);
  await nextInstant(50);
  await stage.query(
    orders()
      .filter((row: Term) => row("id").lt(100))
      .delete(),
  );
  await stage.untilExactNow(repo, "shop.orders");
  const client = new Client();
  await until("the client has written", () => client.acknowledged.length > 20);

  const beside = await stage.restore(repo, "--at", iso(past), "--table", "shop.orders", "--beside");
  const [restored] = beside.tables;
  expect(restored!.to).toMatch(/^shop\.orders_at_\d{8}T\d{6}(\d{3})?Z$/);
  const between = await nextInstant(50);

  const first = await promote(restored!.to, "--repo", repo);
  expect(first).toMatchObject({ live: "shop.orders", promoted: restored!.to, grants: ["app"] });
  expect(first.differences).toEqual([]);
  expect(first.pin).not.toBeNull();
  const { length } = client.acknowledged;
  await until("the client writes again", () => client.acknowledged.length > length + 20);
  expect(await permissions("orders")).toMatchObject([
    { user: "app", permissions: { read: true, write: true } },
  ]);
  // What was deleted is there again.
  expect(await stage.query(orders().get(5))).toMatchObject({ id: 5 });
  // A server tells of a new name within about a second.
  const promotedAt = await nextInstant(1500);

  const second = await promote("shop.orders", "--back", "--repo", repo);
  expect(second).toMatchObject({ live: "shop.orders", promoted: first.kept });
  await until("the client writes again", () => client.acknowledged.length > length + 60);
  await client.stop();
  expect(await tables()).toContain(second.kept!.slice("shop.".length));

  const [live, aside] = [await keysOf("orders"), await keysOf(second.kept!.slice(5))];
  for (const id of client.acknowledged) expect(live.has(id) !== aside.has(id)).toBe(true);
  const inAside = client.acknowledged.filter((id) => aside.has(id));
  expect(inAside.length).toBeGreaterThan(20);
  expect(live.has(5)).toBe(false);

  const status = await stage.untilExactNow(repo, "shop.orders", second.kept!);
  for (const name of ["shop.orders", second.kept!]) {
    const classes = tableOf(status, name)!.intervals.map((one) => one.class);
    // The table that was made meanwhile was not watched before its first copy.
    expect(classes.filter((one) => one !== "exact" && one !== "unwatched")).toEqual([]);
  }
  // Before, between, and after: by the names that the tables had then.
  const named = async (at: number, table: string, as: string) => {
    await stage.restore(repo, "--at", iso(at), "--table", table, "--rename", `${table}=${as}`);
    return keysOf(as.slice(5));
  };
  expect(await named(between, "shop.orders", "shop.r1")).toSatisfy(
    (keys: Set<number>) => !keys.has(5) && keys.has(client.acknowledged[0]!),
  );
  expect(await named(promotedAt, "shop.orders", "shop.r2")).toSatisfy(
    (keys: Set<number>) =>
      keys.has(5) && keys.has(inAside[0]!) && !keys.has(client.acknowledged[0]!),
  );
  const now = await nextInstant(1);
  await stage.untilExactNow(repo, "shop.orders");
  const after = await named(now, "shop.orders", "shop.r3");
  expect(after).toEqual(live);
  expect((await stop(capture)).status).toBe(0);
}, 120_000);

test("a swap that is ended between the two renames is done when it is begun again", async () => {
  const dial = clusterDialer(parseAddresses([stage.address]), "target", systemClock);
  const target = new RethinkTarget(stage.address, dial);
  await stage.query(r.db("shop").tableCreate("carts"));
  await stage.query(r.db("shop").tableCreate("carts_at_20261128T100400Z"));
  const killed = new Error("killed");
  const mortal = Object.create(target, {
    renameTable: {
      value: async (id: string, from: string, to: string) => {
        await target.renameTable(id, from, to);
        throw killed;
      },
    },
  }) as RethinkTarget;
  const carts = { db: "shop", name: "carts" };
  const asked = { live: carts, next: "carts_at_20261128T100400Z", aside: nameBefore("carts", 0) };
  await expect(swap(mortal, asked, systemClock)).rejects.toBe(killed);
  expect(await tables()).not.toContain("carts");
  const { stdout, status } = await cli([
    "promote",
    "shop.carts_at_20261128T100400Z",
    "--target",
    stage.address,
  ]);
  expect(stdout).toContain("what was shop.carts until now is shop.carts_before_19700101T000000Z");
  expect(status).toBe(0);
  expect(await tables()).toEqual(
    expect.arrayContaining(["carts", "carts_before_19700101T000000Z"]),
  );
  const again = await cli(["promote", "shop.carts_at_20261128T100400Z", "--target", stage.address]);
  expect(again.stderr).toContain("if shop.carts_at_20261128T100400Z was promoted already");
  expect(again.status).toBe(6);
  target.close();
});

test.each([
  [["shop.orders"], 2, "does not say in which table's place it comes"],
  [["shop.orders", "--from", "shop.orders"], 2, "cannot take the place"],
  [["shop.orders", "--from", "other.orders"], 2, "cannot take the place"],
  [["orders"], 2, "is not the name of a table"],
  [["shop.orders", "--from", "shop.none"], 6, "has no table shop.none"],
  [["shop.nothing", "--back"], 6, "no table was shop.nothing before"],
])("what cannot be promoted is refused: %j", async (args, status, message) => {
  const ended = await cli(["promote", ...args, "--target", stage.address]);
  expect(ended.stderr).toContain(message);
  expect(ended.status).toBe(status);
});
