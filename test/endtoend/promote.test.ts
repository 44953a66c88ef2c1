/** Restore beside, promote, and back, while a client writes all the time and a capture goes on. */
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { systemClock } from "../../src/clock.js";
import { nameAfter, nameBefore } from "../../src/restore/beside.js";
import { planSwap, swap } from "../../src/restore/promote.js";
import { parseAddresses } from "../../src/rethinkdb/address.js";
import { RethinkTarget } from "../../src/rethinkdb/rethink-target.js";
import { clusterDialer } from "../../src/rethinkdb/servers.js";
import { r, type Term } from "../server/driver.js";
import { cli, cliJson, start } from "./cli.js";
import { iso, nextInstant, Stage, stop, tableOf, until } from "./stage.js";

const signalledBetweenRenames = pathToFileURL(
  join(import.meta.dirname, "signal-between-renames.mjs"),
).href;

let stage: Stage;
let repo: string;
const orders = () => r.db("shop").table("orders");

beforeAll(async () => {
  stage = await Stage.open();
  repo = stage.repo("repository");
  await stage.query(r.dbCreate("shop"));
  await stage.query(r.db("shop").tableCreate("orders"));
  await stage.query(orders().indexCreate("total"));
  await stage.query(orders().insert(r.range(5000).map((id: unknown) => ({ id, total: id }))));
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

/** A target of the stage's server. With `mortal`, it is as if the process were killed after the first rename. */
function targetOf({ mortal }: { mortal: boolean }): RethinkTarget {
  const dial = clusterDialer(parseAddresses([stage.address]), "target", systemClock);
  const target = new RethinkTarget(stage.address, dial);
  if (!mortal) return target;
  const renameTable = async (id: string, from: string, to: string) => {
    await target.renameTable(id, from, to);
    throw new Error("killed");
  };
  return Object.create(target, { renameTable: { value: renameTable } }) as RethinkTarget;
}

/** A swap that was killed between its two renames. */
async function killedBetween(live: string, next: string, aside: string): Promise<void> {
  const mortal = targetOf({ mortal: true });
  const plan = await planSwap(mortal, { live: { db: "shop", name: live }, next });
  await expect(swap(mortal, plan, aside, systemClock)).rejects.toThrow("killed");
  expect(await tables()).not.toContain(live);
  mortal.close();
}

test("a swap that is ended between the two renames is done when it is begun again", async () => {
  const [next, aside] = ["carts_at_20261128T100400Z", nameBefore("carts", 0)];
  for (const name of ["carts", next]) await stage.query(r.db("shop").tableCreate(name));
  await killedBetween("carts", next, aside);
  const { stdout, status } = await cli(["promote", `shop.${next}`, "--target", stage.address]);
  expect(stdout).toBe(
    `shop.${next} has 0 documents\n` +
      `shop.carts is what was shop.${next}\n` +
      `no table was shop.carts until now; beside it are shop.${aside}\n`,
  );
  expect(status).toBe(0);
  expect(await tables()).toEqual(expect.arrayContaining(["carts", aside]));
  const again = await cli(["promote", `shop.${next}`, "--target", stage.address]);
  expect(again.stderr).toContain(`if shop.${next} was promoted already`);
  expect(again.status).toBe(6);
});

test("a swap back that was ended between the renames does not take the promoted table for the kept one", async () => {
  const [before, until] = [nameBefore("bags", 0), nameAfter("bags", 1000)];
  for (const name of ["bags", before]) await stage.query(r.db("shop").tableCreate(name));
  await killedBetween("bags", before, until);
  const { stdout } = await cli(["promote", "shop.bags", "--back", "--target", stage.address]);
  expect(stdout).toBe(
    `shop.${before} has 0 documents\n` +
      `shop.bags is what was shop.${before}\n` +
      `no table was shop.bags until now; beside it are shop.${until}\n`,
  );
});

test("where the live table was dropped, no table that was live long ago is taken for it", async () => {
  const [old, next] = ["hats_before_20250101T000000Z", "hats_at_20261128T100400Z"];
  for (const name of [old, next]) await stage.query(r.db("shop").tableCreate(name));
  expect(await promote(`shop.${next}`)).toMatchObject({
    live: "shop.hats",
    promoted: `shop.${next}`,
    kept: null,
    beside: [`shop.${old}`],
    goneMs: 0,
  });
});

test("a dry run says what would be, and what will differ, and swaps nothing", async () => {
  const next = "coats_at_20261128T100400Z";
  for (const name of ["coats", next]) await stage.query(r.db("shop").tableCreate(name));
  await stage.query(r.db("shop").table("coats").indexCreate("size"));
  await stage.query(r.db("shop").table("coats").grant("app", { read: true }));
  const args = ["promote", `shop.${next}`, "--target", stage.address, "--dry-run"];
  const names = await tables();
  const { stdout, stderr, status } = await cli(args);
  expect(stdout).toMatch(
    new RegExp(
      `^shop.${next} has 0 documents, shop.coats has 0\n` +
        `shop.${next} would become shop.coats\n` +
        "what is shop.coats now would become shop.coats_before_\\d{8}T\\d{6}(\\d{3})?Z\n" +
        "grants of user app would be carried over\n$",
    ),
  );
  expect(stderr).toBe("thinkback: shop.coats will differ: index size is missing\n");
  expect(status).toBe(0);
  expect(await cliJson(args)).toMatchObject({
    live: "shop.coats",
    kept: expect.stringMatching(/^shop.coats_before_/),
    differences: ["index size is missing"],
    grants: ["app"],
    dryRun: true,
    pin: null,
  });
  expect((await tables()).sort()).toEqual(names.sort());
  expect(await permissions(next)).toEqual([]);
});

test("a part is restored under a name that says so, and is not promoted without --force", async () => {
  const part = await stage.restore(repo, "--table", "shop.orders", "--beside", "--key", "300");
  const { to } = part.tables[0]!;
  expect(to).toMatch(/^shop\.orders_at_\d{8}T\d{6}(\d{3})?Z_part$/);
  const live = await stage.query<number>(orders().count());
  expect(live).toBeGreaterThan(100);
  const names = (await tables()).sort();
  for (const more of [["--dry-run"], []]) {
    const refused = await cli(["promote", to, "--target", stage.address, ...more]);
    expect(refused.stdout).toMatch(new RegExp(`^${to} has 1 document, shop.orders has `));
    expect(refused.stderr).toContain("documents: it was restored in part");
    expect(refused.status).toBe(7);
  }
  expect((await tables()).sort()).toEqual(names);
  expect(await promote(to, "--force")).toMatchObject({ documents: { promoted: 1, live } });
  expect(await stage.query(orders().count())).toBe(1);
  // Going back is not held up, whatever the numbers are.
  expect(await promote("shop.orders", "--back")).toMatchObject({
    documents: { promoted: live, live: 1 },
  });
});

test("a table with less than half of the live documents is refused, one with half of them is not", async () => {
  const insert = (name: string, count: number) =>
    stage.query(
      r
        .db("shop")
        .table(name)
        .insert(r.range(count).map((id: unknown) => ({ id }))),
    );
  for (const name of ["caps", "less"]) await stage.query(r.db("shop").tableCreate(name));
  await insert("caps", 10);
  await insert("less", 4);
  const args = ["promote", "shop.caps", "--from", "shop.less", "--target", stage.address];
  const refused = await cli(args);
  expect(refused.stderr).toContain("with 4 of 10 documents: it has less than half");
  expect(refused.status).toBe(7);
  await stage.query(r.db("shop").table("less").insert({ id: 99 }));
  expect((await cli(args)).status).toBe(0);
});

test("a table with another primary key is refused before anything is renamed", async () => {
  const next = "shoes_at_20261128T100400Z";
  await stage.query(r.db("shop").tableCreate("shoes"));
  await stage.query(r.db("shop").tableCreate(next, { primaryKey: "size" }));
  const { stderr, status } = await cli(["promote", `shop.${next}`, "--target", stage.address]);
  expect(stderr).toContain(`shop.${next} has the primary key size, and shop.shoes has id`);
  expect(status).toBe(7);
  expect(await tables()).toEqual(expect.arrayContaining(["shoes", next]));
});

test("indexes are built, and a signal is held back until the swap is whole", async () => {
  const next = "gloves_at_20261128T100400Z";
  for (const name of ["gloves", next]) await stage.query(r.db("shop").tableCreate(name));
  const documents = r.range(20_000).map((id: unknown) => ({ id, size: id }));
  await stage.query(r.db("shop").table(next).insert(documents, { durability: "soft" }));
  await stage.query(r.db("shop").table(next).indexCreate("size"));
  const running = start(["promote", `shop.${next}`, "--target", stage.address, "--json"], {
    NODE_OPTIONS: `--import ${signalledBetweenRenames}`,
  });
  const { status, stdout, stderr } = await running.finished;
  expect(stderr).toContain("SIGTERM: the swap is done first");
  expect([status, JSON.parse(stdout)]).toMatchObject([0, { live: "shop.gloves" }]);
  const { kept } = JSON.parse(stdout) as { kept: string };
  expect(await tables()).toEqual(expect.arrayContaining(["gloves", kept.slice("shop.".length)]));
  const ready = r.db("shop").table("gloves").indexStatus("size")(0)("ready");
  expect(await stage.query(ready)).toBe(true);
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
