import { expect, test } from "vitest";
import { followEvidence } from "../../../src/capture/evidence-follower.js";
import { ThinkbackError } from "../../../src/errors.js";
import {
  type Evidence,
  evidenceNames,
  listEvidence,
  putEvidence,
} from "../../../src/repository/records/evidence.js";
import { overriding } from "../../simulation/overriding.js";
import { SmallWorld } from "../../simulation/small-world.js";

const piece = (table: string, i: number): Evidence => {
  return { table, key: '"k"', before: 1, at: 10 + i, sequence: 5, named: null, stored: null };
};

test("a damaged piece of evidence keeps nobody from the others, unless all of it has to be known", async () => {
  const world = new SmallWorld();
  const { store } = world;
  const { clock } = world.process();
  await putEvidence(store, piece("earlier", 0));
  const told: string[] = [];
  const stop = new AbortController();
  let storeFails = true;
  const failing = overriding(store, {
    get: async (name: string, range?: { start: number; end: number }) => {
      if (name.startsWith("evidence/c") && storeFails) throw new Error("EIO: i/o error");
      return store.get(name, range);
    },
  });
  const following = followEvidence(
    { store: failing, description: { id: "r", created: 0 } },
    await evidenceNames(store),
    clock,
    (table) => void told.push(table),
    stop.signal,
  );
  await world.pass(1000);
  for (const [i, table] of ["a", "b", "c"].entries()) await putEvidence(store, piece(table, i));
  let damagedName = "";
  for await (const { name } of store.list("evidence/b")) damagedName = name;
  const bytes = await store.get(damagedName);
  await store.delete(damagedName);
  await store.put(damagedName, bytes.subarray(0, 20));
  await expect(listEvidence(store)).rejects.toThrow(ThinkbackError);
  await world.pass(20_000);
  expect(told).toEqual(["a"]);
  storeFails = false;
  await world.pass(20_000);
  expect(told).toEqual(["a", "c"]);
  stop.abort();
  await world.pass(1000);
  await following;
});
