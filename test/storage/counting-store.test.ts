import { expect, test } from "vitest";
import { systemClock } from "../../src/clock.js";
import { CountingStore } from "../../src/storage/counting-store.js";
import { MemoryStore } from "../../src/storage/memory-store.js";
import { type ObjectStore, StoreUnavailable } from "../../src/storage/object-store.js";
import { RetryingStore } from "../../src/storage/retrying-store.js";
import { storeAt } from "../../src/storage/store-at.js";
import { addInto, noUse, useSince } from "../../src/storage/store-use.js";
import { overriding } from "../simulation/overriding.js";
import { namesOf, storeConformance } from "./conformance.js";
import { FakeGcs } from "./fake-gcs.js";
import { FakeS3 } from "./fake-s3.js";
import { useTestCredentials } from "./s3-servers.js";

storeConformance("CountingStore", async () => {
  const store = new CountingStore(new MemoryStore(), { ...noUse });
  return { first: store, second: store, remove: async () => undefined };
});

test("counts requests of each kind, and the bytes of objects", async () => {
  const use = { ...noUse };
  const store = new CountingStore(new MemoryStore(), use);
  for (let i = 0; i < 1001; i += 1) await store.put(`a/${i}`, Buffer.from("four"));
  await store.get("a/1");
  await store.get("a/1", { start: 0, end: 2 });
  await store.tail("a/1", 1);
  await store.size("a/2");
  await store.delete("a/3");
  await namesOf(store, "a/");
  await namesOf(store, "b/");
  expect(use).toEqual({
    puts: 1001,
    gets: 3,
    heads: 1,
    // A thousand names is a page.
    lists: 2,
    deletes: 1,
    bytesUp: 4004,
    bytesDown: 7,
  });
  await store.put("c", Buffer.from("x"));
  await namesOf(store, "");
  expect(useSince(use, { ...noUse, puts: 1001 })).toMatchObject({ puts: 1, lists: 4 });
});

test("tells how long each answer took, and whether the store failed", async () => {
  const clock = { ...systemClock, ms: 0, monotonicMs: () => clock.ms };
  const told: [kind: string, ms: number, failed: boolean][] = [];
  const memory = new MemoryStore();
  let isAway = false;
  const slow = overriding(memory, {
    put: async (name, bytes) => {
      clock.ms += 30;
      if (isAway) throw new StoreUnavailable("away");
      await memory.put(name, bytes);
    },
  });
  const onRequest = (...one: [kind: string, ms: number, failed: boolean]) => void told.push(one);
  const store = new CountingStore(slow, { ...noUse }, { clock, onRequest });
  await store.put("a/1", Buffer.from("x"));
  await expect(store.put("a/1", Buffer.from("y"))).rejects.toThrow();
  await expect(store.get("a/2")).rejects.toThrow();
  isAway = true;
  await expect(store.put("a/2", Buffer.from("y"))).rejects.toThrow("away");
  expect(await namesOf(store, "a/")).toEqual(["a/1"]);
  expect(await namesOf(store, "b/")).toEqual([]);
  expect(told).toEqual([
    ["puts", 30, false],
    ["puts", 30, false],
    ["gets", 0, false],
    ["puts", 30, true],
    ["lists", 0, false],
    ["lists", 0, false],
  ]);
});

test("counts what a call costs beside the one request that it is taken for", async () => {
  useTestCredentials();
  const use = { ...noUse };
  const s3 = await FakeS3.start({ isVersioned: true, pageObjects: 2 });
  const ofS3 = storeAt(s3.at("place", "&lock=30d"), undefined, { use });
  for (const name of ["a", "b", "c", "d", "e"]) await ofS3.put(name, Buffer.from("four"));
  await ofS3.extendLock!("a", Date.now() + 60 * 86_400_000);
  await namesOf(ofS3, "");
  const counted = { puts: s3.count("put") + s3.count("retain"), lists: s3.count("list") };
  expect(use).toMatchObject({ ...counted, heads: s3.count("head") });
  expect(counted).toEqual({ puts: 6, lists: 3 });
  await s3.stop();

  const gcs = await FakeGcs.start();
  Object.assign(use, noUse);
  const ofGcs = storeAt(`gs://backups/a?endpoint=${gcs.endpoint}`, undefined, { use });
  for (const name of ["a", "b", "c", "d"]) await ofGcs.put(name, Buffer.from("four"));
  await namesOf(ofGcs, "");
  await ofGcs.deleteMany!(["a", "b", "c"]);
  expect(use).toMatchObject({ puts: 4, lists: 2, deletes: 3 });
  expect(gcs.asked.length).toBe(9);
  await gcs.stop();
});

test("counts every try, because each is charged for", async () => {
  const memory = new MemoryStore();
  let fails = 2;
  const put = async (...[name, bytes]: Parameters<ObjectStore["put"]>) => {
    if (fails-- > 0) throw new StoreUnavailable("503");
    await memory.put(name, bytes);
  };
  const use = { ...noUse };
  const clock = { ...systemClock, sleep: async () => undefined };
  const counting = new CountingStore(overriding<ObjectStore>(memory, { put }), use);
  // Its timeouts would fire at once with this clock: they wait for ever instead.
  const waiting = {
    ...clock,
    sleep: (ms: number) => (ms > 30_000 ? new Promise<void>(() => undefined) : clock.sleep()),
  };
  await new RetryingStore(counting, waiting, () => 0.5).put("a", Buffer.from("1"));
  expect(use.puts).toBe(3);
});

test("adds what another process has sent", () => {
  const use = { ...noUse, puts: 1 };
  addInto(use, { ...noUse, puts: 2, bytesUp: 3 });
  expect(use).toEqual({ ...noUse, puts: 3, bytesUp: 3 });
});
