/** A store that is full, or may not be written, for some minutes; and a capture that has a spool, or has none. */
import { expect, test } from "vitest";
import { encodeJsonObject } from "../../src/format/json-object.js";
import { repositoryName } from "../../src/format/names.js";
import { MemoryStore } from "../../src/storage/memory-store.js";
import { StoreForbidden, StoreFull } from "../../src/storage/object-store.js";
import { readCoverage } from "../repository/looks.js";
import { namesIn } from "../repository/recording.js";
import { overriding } from "./overriding.js";
import { restoredState } from "./restored-state.js";
import { SmallWorld } from "./small-world.js";

async function begin(failure: (name: string) => Error, spoolBytesMax: number | undefined) {
  const world = new SmallWorld();
  const description = encodeJsonObject("repository", { id: "small-world", created: 0 });
  await world.store.put(repositoryName, description);
  const orders = world.cluster.createTable("test", "orders");
  const spool =
    spoolBytesMax === undefined ? undefined : { store: new MemoryStore(), bytesMax: spoolBytesMax };
  const state = { fails: false };
  const put = (name: string, bytes: Uint8Array) =>
    state.fails ? Promise.reject(failure(name)) : world.store.put(name, bytes);
  const writer = world.startWriter({ store: overriding(world.store, { put }), spool });
  const workFor = async (seconds: number) => {
    for (let i = 0; i < seconds; i += 1) {
      world.cluster.write("test", "orders", { put: { id: 1, at: world.time.nowMs } });
      await world.pass(1000);
    }
  };
  await workFor(5);
  state.fails = true;
  return { world, orders, spool, writer, workFor, state };
}

test.each([
  ["full", (name: string) => new StoreFull(name, undefined)],
  ["read-only", (name: string) => new StoreForbidden(name, undefined)],
])("with a spool nothing is lost while the store is %s; new tables wait", async (_, failure) => {
  const { world, orders, spool, writer, workFor, state } = await begin(failure, 1 << 30);
  await workFor(60);
  const added = world.cluster.createTable("test", "added");
  world.cluster.write("test", "added", { put: { id: 1 } });
  await workFor(240);
  const asked = world.time.trueMs - 3000;
  expect(writer.outcome).toBeUndefined();
  expect((await namesIn(spool!.store, "log/")).length).toBeGreaterThan(290);
  state.fails = false;
  await workFor(60);
  expect(await namesIn(spool!.store, "log/")).toEqual([]);
  const coverage = await readCoverage(world.store);
  expect(coverage.get(orders)!.intervals.map((one) => one.class)).not.toContain("gap");
  expect(coverage.get(added)).toMatchObject({ state: "live" });
  const [document] = (await restoredState(world.store, orders, asked))!.values();
  expect(JSON.parse(String(document))).toMatchObject({ id: 1 });
});

test("a spool that is full too stops the reading, not the capture", async () => {
  const { world, writer, workFor, state, orders } = await begin(
    (name) => new StoreFull(name, undefined),
    20_000,
  );
  await workFor(120);
  expect(writer.outcome).toBeUndefined();
  state.fails = false;
  await workFor(60);
  const { intervals } = (await readCoverage(world.store)).get(orders)!;
  expect(intervals.map((one) => one.class)).not.toContain("gap");
});

test("without a spool the capture ends, and says what that costs", async () => {
  const { writer, workFor } = await begin((name) => new StoreFull(name, undefined), undefined);
  await workFor(5);
  expect(writer.outcome).toMatchObject({
    code: "full",
    message: expect.stringMatching(/^capture stopped: no space left/) as string,
    hint: expect.stringContaining("is a gap until then") as string,
  });
});
