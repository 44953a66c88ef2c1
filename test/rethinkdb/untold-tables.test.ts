import { expect, test } from "vitest";
import type { TableConfig } from "../../src/catalog-record.js";
import { untoldTables } from "../../src/rethinkdb/catalog-reader.js";

type Shard = TableConfig["shards"][number];

const servers = ["a", "b"].map((name) => ({ id: `id-${name}`, name }));
const shard = (replicas: string[], nonvoting_replicas: string[] = []): Shard => ({
  primary_replica: replicas[0]!,
  replicas,
  nonvoting_replicas,
});

/** Whether a reading by two connected servers tells what a table is; `d` and others are not connected. */
function isTold(shards: Shard[], more: Partial<TableConfig> = {}, hasIndexes = true): boolean {
  const structure = [{ key: ["table", "t"], value: { id: "t", shards, ...more } }];
  const indexes = { key: ["indexes", "t"], value: { indexes: [] } };
  const reading = { servers, beyond: [], access: undefined };
  return !untoldTables({
    ...reading,
    structure: hasIndexes ? [...structure, indexes] : structure,
  }).has("t");
}

test("a table is told of if most of the replicas that may vote are connected", () => {
  expect(isTold([shard(["a"])])).toBe(true);
  expect(isTold([shard(["a", "b", "d"])])).toBe(true);
  expect(isTold([shard(["d"])])).toBe(false);
  expect(isTold([shard(["a", "d"])])).toBe(false);
  expect(isTold([shard(["a", "d", "e"])])).toBe(false);
});

test("a replica without a vote tells what it knew of last", () => {
  expect(isTold([shard(["d", "a"], ["a"])])).toBe(false);
  expect(isTold([shard(["a", "d"], ["d"])])).toBe(true);
});

test("the votes are those of all shards together: majorities of each may be fewer than half of them", () => {
  const shards = ["d", "e", "f"].map((other) => shard(["a", "b", other]));
  expect(isTold(shards)).toBe(false);
  expect(isTold(shards.slice(0, 1))).toBe(true);
});

test("a table whose replicas or indexes could not be asked is not told of", () => {
  expect(isTold([shard(["a"])], { error: "None of the replicas are accessible." })).toBe(false);
  expect(isTold([shard(["a"])], {}, false)).toBe(false);
});
