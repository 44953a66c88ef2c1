import { expect, test } from "vitest";
import { RetryingShipper } from "../../src/capture/shipper.js";
import { MemoryStore } from "../../src/storage/memory-store.js";
import { StoreUnavailable } from "../../src/storage/object-store.js";
import { overriding } from "../simulation/overriding.js";
import { SmallWorld } from "../simulation/small-world.js";

const ignore = () => undefined;
const never = () => new Promise<void>(() => undefined);

test("a spool that does not let go of what was delivered meanwhile is what the capture ends for", async () => {
  const world = new SmallWorld();
  const { clock } = world.process();
  let answers: () => Promise<void> = () => clock.sleep(12_000);
  const store = overriding(world.store, {
    put: (name, bytes) => answers().then(() => world.store.put(name, bytes)),
  });
  const directory = new MemoryStore();
  const spool = overriding(directory, {
    put: (name, bytes) => clock.sleep(5000).then(() => directory.put(name, bytes)),
    delete: () => Promise.reject(new StoreUnavailable("EIO: i/o error")),
  });
  const observer = { storeFails: ignore, storeIsBack: ignore, waits: ignore };
  const kept = { store: spool, bytesMax: 1000 };
  const log = { check: () => Promise.resolve(), note: ignore };
  const shipper = new RetryingShipper(store, log, clock, () => 0.5, kept, observer);
  let failure: unknown;
  const ship = (name: string) =>
    void shipper.ship(name, Buffer.from(name)).catch((error: unknown) => (failure ??= error));
  ship("log/1");
  await world.pass(20_000);
  expect(failure).toBeUndefined();
  answers = never;
  ship("log/2");
  await world.pass(20_000);
  expect(failure).toMatchObject({
    code: "repository",
    message: "cannot write to the spool: EIO: i/o error",
  });
});
