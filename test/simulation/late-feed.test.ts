/**
 * A table is filled while its feed is seconds behind: its first copy has read rows whose changes are still to come. No base
 * is called exact before they have come, or the versions of these documents would seem to go back.
 */
import { expect, test } from "vitest";
import { encodeJsonObject } from "../../src/format/json-object.js";
import { repositoryName } from "../../src/format/names.js";
import { listEvidence } from "../../src/repository/records/evidence.js";
import { openRepository } from "../../src/repository/repository.js";
import type { Source } from "../../src/rethinkdb/source.js";
import { foldUp } from "../repository/recording.js";
import { overriding } from "./overriding.js";
import { SmallWorld } from "./small-world.js";

test("changes that come after the rows that hold them break no chain", async () => {
  const world = new SmallWorld();
  const description = encodeJsonObject("repository", { id: "small-world", created: 0 });
  await world.store.put(repositoryName, description);
  const table = world.cluster.createTable("test", "orders");
  const documents = 500;
  const wrapSource = (source: Source) =>
    overriding(source, {
      async *scan(of, options) {
        // The feed is open. 100 changes a second are delivered of what is written from now on.
        world.cluster.lagFeeds(table, 100);
        for (let id = 0; id < documents; id += 1) {
          world.cluster.write("test", "orders", { put: { id } });
        }
        yield* source.scan(of, options);
      },
    });
  world.startWriter({ wrapSource });
  await world.pass(60_000);
  expect(world.states.at(-1)).toMatch(/^orders is live/);
  world.cluster.write("test", "orders", { put: { id: 1, changed: true } });
  await world.pass(10_000);
  const repository = await openRepository(world.store);
  expect(await foldUp(repository, world.wall.now() - 2000)).toMatchObject([
    { folded: true, breaks: 0 },
  ]);
  expect(await listEvidence(world.store)).toEqual([]);
});
