import { expect, test } from "vitest";
import { encodeJsonObject } from "../../src/format/json-object.js";
import { repositoryName } from "../../src/format/names.js";
import { overriding } from "./overriding.js";
import { SmallWorld } from "./small-world.js";

async function busyWorld() {
  const world = new SmallWorld();
  const description = encodeJsonObject("repository", { id: "small-world", created: 0 });
  await world.store.put(repositoryName, description);
  world.cluster.createTable("test", "orders");
  const work = async (seconds: number) => {
    for (let i = 0; i < seconds; i += 1) {
      world.cluster.write("test", "orders", { put: { id: i % 50, i } });
      await world.pass(1000);
    }
  };
  return { world, work };
}

const undisturbed = [expect.stringMatching(/copying/), expect.stringMatching(/live/)];

test.each([14_000, 16_000, 60_000])(
  "no feed is taken to be lost by ticks of %i ms",
  async (tickMs) => {
    const { world, work } = await busyWorld();
    world.startWriter({ recorder: { tickMs, tickMaxMs: tickMs } });
    await work(600);
    expect(world.states).toEqual(undisturbed);
  },
);

test("nor by ticks that grew while the store was slow", async () => {
  const { world, work } = await busyWorld();
  let isSlow = false;
  const put = async (name: string, bytes: Uint8Array) => {
    if (isSlow && name.startsWith("log/")) {
      await new Promise<void>((resolve) => world.time.after(25_000, resolve));
    }
    await world.store.put(name, bytes);
  };
  const store = overriding(world.store, { put });
  world.startWriter({ store, recorder: { tickMs: 1000, tickMaxMs: 30_000 } });
  await work(10);
  isSlow = true;
  await work(1500);
  expect(world.states).toEqual(undisturbed);
});
