import { expect, test } from "vitest";
import { UnreachableTables } from "../../src/capture/unreachable-tables.js";
import type { TableConfig } from "../../src/catalog-record.js";

const config = (name: string, error?: string) =>
  ({ id: name, db: "shop", name, primary_key: "id", error }) as TableConfig;

function follow() {
  const told: string[] = [];
  const tables = new UnreachableTables(
    { selects: (_, table) => table !== "excluded" },
    { lost: ({ name }, reason) => told.push(`${name}: ${reason}`) },
  );
  return { tables, told };
}

test("a table without replicas is told of once, until it is there again", () => {
  const { tables, told } = follow();
  tables.note([config("orders", "no replica"), config("excluded", "no replica")]);
  tables.note([config("orders", "no replica")]);
  expect([...tables.reasons]).toEqual([["shop.orders", "no replica"]]);
  tables.note([config("orders")]);
  expect(tables.reasons.size).toBe(0);
  tables.note([config("orders", "no replica")]);
  expect(told).toEqual(["orders: no replica", "orders: no replica"]);
});

test("one that is dropped or renamed is not waited for any more", () => {
  const { tables } = follow();
  tables.note([config("orders", "no replica"), config("carts", "no replica")]);
  tables.note([config("old_orders", "no replica")]);
  expect([...tables.reasons.keys()]).toEqual(["shop.old_orders"]);
});
