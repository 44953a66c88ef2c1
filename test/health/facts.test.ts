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
