import { expect, test } from "vitest";
import { encodeJsonObject } from "../../src/format/json-object.js";
import { repositoryName } from "../../src/format/names.js";
import { errorClasses, ReqlError } from "../../src/rethinkdb/response.js";
import type { Source } from "../../src/rethinkdb/source.js";
import type { TableReference } from "../../src/rethinkdb/table-reference.js";
import { readCoverage } from "../repository/looks.js";
import { overriding } from "./overriding.js";
import { SmallWorld } from "./small-world.js";

test("a table whose feed opens and whose scan is refused is opened ever more seldom, and at once after it was live", async () => {
  const world = new SmallWorld();
  const description = encodeJsonObject("repository", { id: "small-world", created: 0 });
  await world.store.put(repositoryName, description);
  const id = world.cluster.createTable("test", "orders");
  world.cluster.write("test", "orders", { put: { id: 1 } });
  let openings = 0;
  let isRefusing = true;
  const wrapSource = (source: Source) =>
    overriding(source, {
      openFeed: (table: () => TableReference) => {
        openings += 1;
        return source.openFeed(table);
      },
      scan: (table, options) => {
        if (!isRefusing) return source.scan(table, options);
        throw new ReqlError("Cannot perform read: lost contact", errorClasses.opFailed);
      },
    });
  world.startWriter({ wrapSource });
  await world.pass(120_000);
  expect(openings).toBeGreaterThan(10);
  expect(openings).toBeLessThan(25);
  isRefusing = false;
  await world.pass(30_000);
  expect(world.states.at(-1)).toMatch(/live/);
  const before = openings;
  world.cluster.abortFeeds(id);
  await world.pass(1000);
  expect(openings).toBe(before + 1);
});

test("a table whose scan is refused holds up the proofs of no other", async () => {
  const world = new SmallWorld();
  const description = encodeJsonObject("repository", { id: "small-world", created: 0 });
  await world.store.put(repositoryName, description);
  world.cluster.createTable("test", "orders");
  const carts = world.cluster.createTable("test", "carts");
  const wrapSource = (source: Source) =>
    overriding(source, {
      scan: (table, options) => {
        if (table.name !== "orders") return source.scan(table, options);
        throw new ReqlError("Cannot perform read: lost contact", errorClasses.opFailed);
      },
    });
  world.startWriter({ wrapSource });
  await world.pass(60_000);
  for (let i = 0; i < 10; i += 1) {
    world.cluster.write("test", "carts", { put: { id: i } });
    const written = world.time.trueMs;
    await world.pass(4000);
    // Two ticks later, and not with the segment that an idle capture writes every ten seconds.
    expect((await readCoverage(world.store)).get(carts)!.frontier).toBeGreaterThan(written);
  }
});
