import { expect, test } from "vitest";
import { encodeJsonObject, encodeStored } from "../../src/format/json-object.js";
import { repositoryName, writerName } from "../../src/format/names.js";
import { claimKind, readClaim, rebuiltUnique } from "../../src/repository/log/claims.js";
import { readCoverage } from "../repository/looks.js";
import { SmallWorld } from "./small-world.js";

/** A writer whose claim is exchanged for another one of its epoch; how it ended, if it has. */
async function exchanged(unique: string) {
  const world = new SmallWorld();
  const { store } = world;
  await store.put(
    repositoryName,
    encodeJsonObject("repository", { id: "small-world", created: 0 }),
  );
  const table = world.cluster.createTable("test", "orders");
  const writer = world.startWriter();
  await world.pass(10_000);
  const claim = await readClaim(store, writerName(1));
  await store.delete(writerName(1));
  const other = { ...claim, host: "unknown", process: 0, space: "unknown", unique };
  await store.put(writerName(1), encodeStored(claimKind, other));
  await world.pass(60_000);
  const coverage = (await readCoverage(store)).get(table)!;
  return { outcome: writer.outcome, provenMs: world.wall.now() - coverage.frontier! };
}

test("a writer whose claim was lost and rebuilt by a repair goes on", async () => {
  const { outcome, provenMs } = await exchanged(rebuiltUnique);
  expect(outcome).toBeUndefined();
  expect(provenMs).toBeLessThan(15_000);
});

test("one whose epoch another writer has claimed ends", async () => {
  const { outcome } = await exchanged("another");
  expect(outcome).toMatchObject({ code: "fenced" });
});
