import { expect, test } from "vitest";
import { ThinkbackError } from "../../src/errors.js";
import {
  type Evidence,
  listEvidence,
  listReadableEvidence,
  putEvidence,
} from "../../src/repository/evidence.js";
import { MemoryStore } from "../../src/storage/memory-store.js";

const tablesOf = (evidence: Evidence[]) => evidence.map(({ table }) => table);

test("a damaged piece of evidence keeps nobody from the others, unless all of it has to be known", async () => {
  const store = new MemoryStore();
  const pieces = ["a", "b", "c"].map((table, i) => {
    return { table, key: '"k"', before: 1, at: 10 + i, sequence: 5, named: null, stored: null };
  });
  for (const piece of pieces) await putEvidence(store, piece);
  expect(tablesOf(await listEvidence(store))).toEqual(["a", "b", "c"]);
  expect(tablesOf(await listReadableEvidence(store))).toEqual(["a", "b", "c"]);
  let damagedName = "";
  for await (const { name } of store.list("evidence/b")) damagedName = name;
  const bytes = await store.get(damagedName);
  await store.delete(damagedName);
  await store.put(damagedName, bytes.subarray(0, 20));
  await expect(listEvidence(store)).rejects.toThrow(ThinkbackError);
  expect(tablesOf(await listReadableEvidence(store))).toEqual(["a", "c"]);
});
