import { expect, test } from "vitest";
import { encodeJsonObject } from "../../src/format/json-object.js";
import { repositoryName } from "../../src/format/names.js";
import { MemoryStore } from "../../src/storage/memory-store.js";
import { readCoverage } from "../repository/looks.js";
import { namesIn } from "../repository/recording.js";
import { overriding } from "./overriding.js";
import { restoredState } from "./restored-state.js";
import { SmallWorld } from "./small-world.js";

test.each(["killed", "stopped"])(
  "what a store that does not answer did not take is on the spool when the capture is %s",
  async (how) => {
    const world = new SmallWorld();
    const description = encodeJsonObject("repository", { id: "small-world", created: 0 });
    await world.store.put(repositoryName, description);
    const table = world.cluster.createTable("test", "orders");
    const spool = { store: new MemoryStore(), bytesMax: 1 << 30 };
    let hangs = false;
    const put = (name: string, bytes: Uint8Array) =>
      hangs ? new Promise<void>(() => undefined) : world.store.put(name, bytes);
    const first = world.startWriter({ store: overriding(world.store, { put }), spool });
    await world.pass(5000);
    hangs = true;
    for (let i = 0; i < 300; i += 1) {
      world.cluster.write("test", "orders", { put: { id: "meanwhile", i } });
      await world.pass(1000);
    }
    const asked = world.time.trueMs - 5000;
    if (how === "killed") first.life.kill();
    else first.stopInOrder();
    await world.pass(30_000);
    expect((await namesIn(spool.store, "log/")).length).toBeGreaterThan(290);
    world.startWriter({ spool, takeOver: true });
    await world.pass(20_000);
    const { intervals } = (await readCoverage(world.store)).get(table)!;
    expect(intervals[0]!.class).toBe("exact");
    expect(intervals[0]!.to).toBeGreaterThan(asked);
    const [document] = (await restoredState(world.store, table, asked))!.values();
    expect(String(document)).toContain('"i":29');
  },
);
