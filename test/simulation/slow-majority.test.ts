/** A source that is slow to say what was written, or who has the data: of one table, or of all. */
import { beforeEach, expect, test } from "vitest";
import { encodeJsonObject } from "../../src/format/json-object.js";
import { repositoryName } from "../../src/format/names.js";
import { readCoverage } from "../repository/looks.js";
import { SmallWorld } from "./small-world.js";

let world: SmallWorld;
/** Of the first two the replicas are on the same servers. */
let orders: string;
let returns: string;
let stock: string;

beforeEach(async () => {
  world = new SmallWorld();
  const description = encodeJsonObject("repository", { id: "small-world", created: 0 });
  await world.store.put(repositoryName, description);
  world.cluster.addServer("simulated_3");
  orders = replicated("orders", "simulated_2");
  returns = replicated("returns", "simulated_2");
  stock = replicated("stock", "simulated_3");
  world.startWriter();
  await world.pass(20_000);
});

function replicated(name: string, other: string): string {
  const id = world.cluster.createTable("test", name);
  world.cluster.addReplicas(id, [other]);
  world.cluster.write("test", name, { put: { id: 1 } });
  return id;
}

/** The classes of what is known of the table, and how far back its frontier lies. */
async function known(table: string): Promise<{ classes: string[]; behindMs: number }> {
  const { intervals, frontier } = (await readCoverage(world.store)).get(table)!;
  const classes = intervals.map((interval) => interval.class);
  return { classes, behindMs: world.time.trueMs - frontier! };
}

test("a table whose majority does not answer holds up no table of other servers, and not for long one of its own", async () => {
  world.cluster.hangMajority(orders, true);
  await world.pass(5000);
  world.cluster.write("test", "stock", { put: { id: 2 } });
  await world.pass(55_000);
  const hung = await known(orders);
  expect(hung.behindMs).toBeGreaterThan(55_000);
  expect(hung.classes).not.toContain("gap");
  const other = await known(stock);
  expect(other.behindMs).toBeLessThan(15_000);
  expect(other.classes).toEqual(["exact"]);
  expect((await known(returns)).behindMs).toBeLessThan(15_000);
  world.cluster.hangMajority(orders, false);
  await world.pass(30_000);
  const back = await known(orders);
  expect(back.behindMs).toBeLessThan(15_000);
  expect(new Set(back.classes)).toEqual(new Set(["exact", "late"]));
  expect(back.classes.at(-1)).toBe("exact");
});

test("a member of the cluster that is frozen for longer than the heartbeat costs no feed", async () => {
  world.cluster.freezeMember(20_000);
  await world.pass(30_000);
  world.cluster.freezeMember(0);
  await world.pass(60_000);
  for (const table of [orders, returns, stock]) {
    const { classes, behindMs } = await known(table);
    expect(behindMs).toBeLessThan(15_000);
    expect(classes).not.toContain("gap");
    expect(classes).toContain("late");
  }
});
