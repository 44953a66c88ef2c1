/** What a process notes of what its capture tells. */
import { expect, test } from "vitest";
import { idOf, ToldFacts } from "./told.js";

const of = (changes: number) => ({ changes, inserts: changes, deletes: 0, bytes: 10 * changes });

test("totals count on over ticks and epochs, and in all also of tables that are gone", () => {
  const told = new ToldFacts();
  told.lane(0).begins();
  told.state("orders", "live");
  told.tick(["orders"], { totals: { orders: of(3) } });
  told.tick(["orders"]);
  told.tick(["orders"], { totals: { orders: of(5) } });
  expect(told.facts.tables.get(idOf("orders"))!.totals).toEqual(of(5));
  told.tick(["orders"], { totals: { orders: of(2) }, epoch: 2 });
  expect(told.facts.tables.get(idOf("orders"))!.totals).toEqual(of(7));
  told.state("orders", "dropped");
  expect(told.facts.tables.size).toBe(0);
  expect(told.facts.stored).toEqual({ ...of(7), ticks: 4, segmentBytes: 400 });
});

test("a tick that was closed before a table was watched proves nothing of it", () => {
  const told = new ToldFacts();
  told.lane(0).begins();
  told.state("orders", "live");
  told.state("new", "copying");
  told.tick(["orders"]);
  expect(told.facts.tables.get(idOf("new"))!.frontier).toBeUndefined();
  expect(told.facts.tables.get(idOf("orders"))!.frontier).toBe(told.now);
});

test("a lane that ends, or that another process captures, leaves none of its tables", () => {
  const told = new ToldFacts();
  for (const lane of [0, 1]) {
    told.lane(lane).begins();
    told.state(`table${lane}`, "live", { lane });
  }
  told.lane(1).ends();
  expect([...told.facts.lanes.keys()]).toEqual([0]);
  expect([...told.facts.tables.values()].map(({ name }) => name)).toEqual(["shop.table0"]);
  told.lane(0).standsBy({ host: "h", process: 1 }, 1000);
  expect(told.facts.tables.size).toBe(0);
  // What a capture tells late, after it has ended, makes no lane of it.
  told.lane(1).storeFails(new Error("late"));
  expect(told.facts.lanes.has(1)).toBe(false);
});

test("a table that another lane of this process has already is not taken from it by the lane before", () => {
  const told = new ToldFacts();
  for (const lane of [0, 1]) told.lane(lane).begins();
  told.state("orders", "live");
  told.state("orders", "resyncing", { lane: 1 });
  const table = { id: idOf("orders"), db: "shop", name: "orders", primaryKey: "id" };
  told.lane(0).lost(table, "its feed has ended");
  told.lane(0).moved(table, 1);
  expect(told.facts.tables.get(idOf("orders"))).toMatchObject({ lane: 1, reason: undefined });
  told.state("orders", "dropped");
  expect(told.facts.tables.has(idOf("orders"))).toBe(true);
  told.lane(1).moved(table, 0);
  expect(told.facts.tables.has(idOf("orders"))).toBe(false);
});

test("a lane without tables stands by no more once it has stored a tick", () => {
  const told = new ToldFacts();
  told.lane(0).begins();
  told.lane(0).standsBy({ host: "h", process: 1 }, 1000);
  told.ms = 5000;
  told.tick([]);
  expect(told.facts.lanes.get(0)).toMatchObject({ isStandingBy: false, since: told.now });
});

test("a table that is made anew under its name is another one", () => {
  const told = new ToldFacts();
  told.lane(0).begins();
  told.state("orders", "live");
  told.tick(["orders"], { totals: { orders: of(3) } });
  const again = { id: "another", db: "shop", name: "orders", primaryKey: "id" };
  told.lane(0).state(again, "copying");
  told.state("orders", "dropped");
  const none = { frontier: undefined, restorableTo: undefined, totals: { changes: 0 } };
  expect([...told.facts.tables.values()]).toMatchObject([{ id: "another", ...none }]);
  told.lane(0).renamed({ ...again, db: "archive" });
  expect(told.facts.tables.get("another")).toMatchObject({ name: "archive.orders", lane: 0 });
});
