/** What a worker's claim makes of a store that answers wrongly. */
import { expect, test } from "vitest";
import { systemClock as clock } from "../../src/clock.js";
import { Claim } from "../../src/recoveries/claim.js";
import { createRecovery, eventsOf, lastEvent } from "../../src/recoveries/recoveries.js";
import { MemoryStore } from "../../src/storage/memory-store.js";
import { ObjectExists, type ObjectStore } from "../../src/storage/object-store.js";

test("an event that is there because it was put, and the answer lost, is not put a second time", async () => {
  const real = new MemoryStore();
  const by = { name: "alice", via: "api" } as const;
  const { id } = await createRecovery(real, clock, { command: "restore", args: ["--beside"], by });
  let puts = 0;
  const store = Object.assign(Object.create(real) as ObjectStore, {
    put: async (name: string, bytes: Buffer) => {
      await real.put(name, bytes);
      puts += 1;
      if (puts === 2) throw new ObjectExists(name);
    },
  });
  const who = { unique: "w1", host: "h", process: 1, space: "h" };
  const claim = await Claim.of(store, clock, who, 2000, (await lastEvent(real, id))!);
  if (!(claim instanceof Claim)) throw new Error("it is not claimed");
  const progress = { share: 0.5, text: "half" };
  await claim.put({ kind: "tell", worker: claim.begun.worker!, progress });
  claim.end();
  expect(claim.lost.signal.aborted).toBe(false);
  const events = await eventsOf(real, id, 0);
  expect(events.map((event) => event.progress)).toEqual([undefined, undefined, progress]);
  expect(claim.last).toEqual(events.at(-1));
});
