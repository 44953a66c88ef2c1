/** When a capture looks whether it may still write to its log. */
import { expect, test } from "vitest";
import { OwnLog } from "../../src/capture/own-log.js";
import type { Clock } from "../../src/clock.js";
import { encodeJsonObject } from "../../src/format/json-object.js";
import { repositoryName } from "../../src/format/names.js";
import { claimEpoch } from "../../src/repository/log/claim-epoch.js";
import { openRepository } from "../../src/repository/repository.js";
import { MemoryStore } from "../../src/storage/memory-store.js";

class Asked extends MemoryStore {
  sizes = 0;

  override size(name: string): Promise<number | undefined> {
    this.sizes += 1;
    return super.size(name);
  }
}

const owner = { host: "alpha", process: 1, isAlive: () => true };

async function written() {
  const store = new Asked();
  await store.put(repositoryName, encodeJsonObject("repository", { id: "one", created: 0 }));
  const repository = await openRepository(store);
  let nowMs = 0;
  const clock: Clock = {
    now: () => nowMs,
    monotonicMs: () => nowMs,
    sleep: () => Promise.reject(new Error("nobody waits here")),
  };
  const own = await claimEpoch(repository, clock, owner, false);
  let heldSinceMs: number | undefined = -1;
  const log = new OwnLog(repository, own, clock, () => heldSinceMs);
  /** True if a check at this moment asks the store. */
  const looksAt = async (ms: number, held: number | undefined) => {
    nowMs = ms;
    heldSinceMs = held;
    const before = store.sizes;
    await log.check(false);
    return store.sizes > before;
  };
  const takeOver = () => claimEpoch(repository, clock, { ...owner, process: 2 }, true);
  return { looksAt, takeOver };
}

test("a log is looked at after its lease may have been lost, once, and else every 15 s", async () => {
  const { looksAt } = await written();
  expect(await looksAt(1000, -1)).toBe(false);
  // It may be lost now: each time.
  expect(await looksAt(2000, undefined)).toBe(true);
  expect(await looksAt(3000, undefined)).toBe(true);
  // It is held again, since a moment after the last look.
  expect(await looksAt(4000, 3500)).toBe(true);
  expect(await looksAt(5000, 3500)).toBe(false);
  expect(await looksAt(18_999, 3500)).toBe(false);
  expect(await looksAt(19_000, 3500)).toBe(true);
});

test("whoever was taken for gone finds the claim of another one before it stores anything", async () => {
  const { looksAt, takeOver } = await written();
  await takeOver();
  expect(await looksAt(1000, -1)).toBe(false);
  await expect(looksAt(2000, 1500)).rejects.toMatchObject({ code: "fenced" });
  await expect(looksAt(3000, undefined)).rejects.toMatchObject({ code: "fenced" });
});
