/** What is held of the documents that were not written, however many they are. */
import { describe, expect, test } from "vitest";
import { orderCode } from "../../src/key-order.js";
import { carryOut, keysMax, leftCount } from "../../src/recovery/carry-out.js";
import { endOf } from "../../src/recovery/outcomes.js";
import type { Target, WriteOutcome } from "../../src/rethinkdb/target.js";
import { json } from "../repository/recording.js";
import { reference } from "./live-tables.js";

const frameBytes = 1024 * 1024;
const after = json({ status: "good" });

/** Changes whose keys are parts of one frame. */
async function* changesOfFrame(count: number) {
  const frame = Buffer.allocUnsafeSlow(frameBytes);
  let at = 0;
  for (let id = 0; id < count; id += 1) {
    const bytes = frame.write(String(id), at);
    const key = frame.subarray(at, at + bytes);
    yield { code: orderCode(key), key, before: null, after };
    at += bytes;
  }
}

/** A target where each write has one outcome, and each document is this. */
function carriedOut(count: number, outcome: WriteOutcome, live: Buffer | null) {
  const target = {
    writesAtOnce: 2,
    sync: () => Promise.resolve(),
    documents: async (_: object, keys: Buffer[]) => keys.map(() => live),
    replace: async (_: object, writes: object[]) => writes.map(() => outcome),
  } as unknown as Target;
  const { signal } = new AbortController();
  return carryOut(target, reference("orders"), changesOfFrame(count), () => undefined, signal);
}

describe("of documents that were not written", () => {
  test.each<[string, WriteOutcome, Buffer | null]>([
    ["moved", "moved", null],
    ["refused", { refused: "too large" }, null],
    ["so already", "moved", after],
  ])("that are %s, keys are held without their frames", async (_, outcome, live) => {
    const { found, left } = await carriedOut(3, outcome, live);
    const keys = [...found, ...left.map(({ key }) => key)];
    expect(keys.map(String)).toEqual(["0", "1", "2"]);
    for (const { buffer } of keys) expect(buffer.byteLength).toBeLessThan(frameBytes);
    for (const one of left) expect(one).not.toHaveProperty("before");
  });

  test("only so many are listed of those that are left, and more are counted", async () => {
    const done = await carriedOut(keysMax + 2, "moved", null);
    expect(leftCount(done)).toBe(keysMax + 2);
    const { left, found, unlisted } = endOf(done);
    expect([left.length, found.length, unlisted]).toEqual([keysMax, 0, 2]);
  });

  test("only so many are listed of those that are so already, and more are counted", async () => {
    const done = await carriedOut(keysMax + 2, "moved", after);
    expect(done.already).toBe(keysMax + 2);
    const { left, found, unlisted } = endOf(done);
    expect([left.length, found.length, unlisted]).toEqual([0, keysMax, 2]);
  });
});
