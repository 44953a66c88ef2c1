/** Documents are sorted by key whatever their order and however little memory there is. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { SortedRows, type SortLimits } from "../../src/exchange/sorted-rows.js";
import { compareKeys } from "../../src/key-order.js";
import { MemoryStore } from "../../src/storage/memory-store.js";
import { json } from "../repository/recording.js";

const little: SortLimits = { memoryBytesMax: 2000, runsMax: 3 };

async function sorted(
  keys: unknown[],
): Promise<{ given: string[]; found: string[]; runs: number }> {
  const store = new MemoryStore();
  const rows = new SortedRows(store, "0", little);
  for (const id of keys) await rows.add({ key: json(id), document: json({ id }) });
  await rows.finish();
  const found: string[] = [];
  for await (const { key, document } of rows.rows()) {
    expect(document).toEqual(Buffer.concat([Buffer.from('{"id":'), key, Buffer.from("}")]));
    found.push(key.toString());
  }
  const given = keys.map(json).sort(compareKeys).map(String);
  let runs = 0;
  for await (const _ of store.list("")) runs += 1;
  return { given, found, runs };
}

const key = fc.oneof(
  fc.string({ maxLength: 5 }),
  fc.integer(),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.boolean(),
);

test("any order", async () => {
  const keys = fc.uniqueArray(key, { selector: (one) => String(json(one)), maxLength: 60 });
  await fc.assert(
    fc.asyncProperty(keys, async (some) => {
      const distinct = some.filter((one) => !Object.is(one, -0));
      const { given, found, runs } = await sorted(distinct);
      expect(found).toEqual(given);
      // What was merged is gone.
      expect(runs).toBe(1);
    }),
    { numRuns: 100, seed: 20261128 },
  );
});

test("keys that rise make one run, and are never held in memory", async () => {
  const { given, found, runs } = await sorted(Array.from({ length: 5000 }, (_, i) => i));
  expect(found).toEqual(given);
  expect(runs).toBe(1);
});

test.each([[[1, 2, 1]], [[2, 1, 1]], [[0, -0]], [[3, 1, 2, 3, 0, 1]]])(
  "a key that is there twice is refused: %j",
  async (keys) => {
    await expect(sorted(keys)).rejects.toThrow(/two documents have the primary key/);
  },
);
