import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { systemClock } from "../../src/clock.js";
import { openOrCreateRepository } from "../../src/repository/repository.js";
import { DirectoryStore } from "../../src/storage/directory-store.js";
import { MemoryStore } from "../../src/storage/memory-store.js";
import {
  ObjectExists,
  type ObjectStore,
  StoreForbidden,
  StoreUnavailable,
  StoreUnsupported,
} from "../../src/storage/object-store.js";
import {
  type Check,
  fullProbe,
  type ProbeOptions,
  probe,
  probeAtStart,
  probesPrefix,
  refuseUnconditional,
} from "../../src/storage/probe.js";
import { patienceDefault, RetryingStore } from "../../src/storage/retrying-store.js";
import { SingleWriterStore } from "../../src/storage/single-writer-store.js";
import { overriding } from "../simulation/overriding.js";
import { namesOf } from "./conformance.js";

async function checksOf(
  store: ObjectStore,
  options: Partial<ProbeOptions> = {},
): Promise<{ outcomes: Record<string, string>; checks: Check[]; isConditional?: boolean }> {
  const given = { ...fullProbe, rounds: 3, clock: systemClock, another: () => store, ...options };
  const { checks, isConditional } = await probe(store, given);
  const outcomes = Object.fromEntries(checks.map(({ check, outcome }) => [check, outcome]));
  return { outcomes, checks, ...(isConditional === undefined ? {} : { isConditional }) };
}

const sound = {
  create: "passed",
  "create again": "passed",
  race: "passed",
  read: "passed",
  list: "passed",
  range: "passed",
  size: "passed",
  clock: "passed",
  overwrite: "noted",
  delete: "noted",
};

test("a directory passes, through stores of its own, and nothing is left in it", async () => {
  const directory = await mkdtemp(join(tmpdir(), "thinkback-probe-"));
  let made = 0;
  const another = () => {
    made += 1;
    return new DirectoryStore(directory);
  };
  expect((await checksOf(another(), { another })).outcomes).toEqual(sound);
  expect(made).toBe(1 + fullProbe.racers);
  expect(await readdir(directory)).toEqual([]);
  await rm(directory, { recursive: true });
});

test("a store that accepts a second object is refused, and told why", async () => {
  const memory = new MemoryStore();
  const store = overriding<ObjectStore>(memory, { put: (...put) => memory.replace(...put) });
  const { outcomes, isConditional, checks } = await checksOf(store);
  expect(outcomes).toMatchObject({ "create again": "failed", race: "skipped" });
  expect(isConditional).toBe(false);
  expect(() => refuseUnconditional("the bucket", { checks, isConditional })).toThrow(
    /the bucket cannot hold .* a second object under a taken name is not refused/,
  );
});

test("one that refuses callers in a row, but not at once, loses the race", async () => {
  const memory = new MemoryStore();
  const put = async (...[name, bytes]: Parameters<ObjectStore["put"]>) => {
    const isTaken = (await memory.size(name)) !== undefined;
    await new Promise((resolve) => setImmediate(resolve));
    if (isTaken) throw new ObjectExists(name);
    await memory.replace(name, bytes);
  };
  const store = overriding<ObjectStore>(memory, { put });
  const { outcomes, isConditional, checks } = await checksOf(store);
  expect(outcomes).toMatchObject({ "create again": "passed", race: "failed" });
  expect(isConditional).toBe(false);
  expect(checks.find(({ check }) => check === "race")?.text).toBe(
    "in round 1 16 of 16 callers created the same object",
  );
});

test("one that refuses, and stores the second object all the same, is found out", async () => {
  const memory = new MemoryStore();
  const put = async (...[name, bytes]: Parameters<ObjectStore["put"]>) => {
    const isTaken = (await memory.size(name)) !== undefined;
    await memory.replace(name, bytes);
    if (isTaken) throw new ObjectExists(name);
  };
  const { outcomes } = await checksOf(overriding<ObjectStore>(memory, { put }));
  expect(outcomes).toMatchObject({ "create again": "failed", race: "skipped" });
});

test("one that does not know the condition at all is refused too", async () => {
  const memory = new MemoryStore();
  let puts = 0;
  const put = async (...[name, bytes]: Parameters<ObjectStore["put"]>) => {
    puts += 1;
    if (puts > 1) throw new StoreUnsupported("501 NotImplemented", "use another store");
    await memory.put(name, bytes);
  };
  const { checks } = await checksOf(overriding<ObjectStore>(memory, { put }), { short: true });
  expect(checks.find(({ check }) => check === "create again")).toMatchObject({
    outcome: "failed",
    text: "501 NotImplemented",
    hint: expect.stringContaining("--single-writer") as string,
  });
});

/** As a bucket that takes one write to a name in `everyMs`, and puts off all others. */
function paced(everyMs: number, names = /./): ObjectStore {
  const memory = new MemoryStore();
  const wrote = new Map<string, number>();
  const put = async (...[name, bytes]: Parameters<ObjectStore["put"]>) => {
    const isTooSoon = performance.now() - (wrote.get(name) ?? Number.NEGATIVE_INFINITY) < everyMs;
    if (isTooSoon && names.test(name)) throw new StoreUnavailable("429 rateLimitExceeded");
    wrote.set(name, performance.now());
    await memory.put(name, bytes);
  };
  return overriding<ObjectStore>(memory, { put });
}

test("a store that limits the writes to a name is asked until each race is decided", async () => {
  const below = paced(20);
  const asking = () => new RetryingStore(below, systemClock, Math.random, patienceDefault);
  const { outcomes, checks } = await checksOf(asking(), { another: asking, rounds: 2 });
  expect(outcomes).toEqual({ ...sound, clock: "skipped" });
  expect(checks.find(({ check }) => check === "race")?.text).toMatch(/exactly one .*, 2 times$/);
}, 60_000);

test("a race that stays open proves nothing, and half of them must be decided", async () => {
  const store = paced(60_000, /race-[12]$/);
  const found = await checksOf(store, { rounds: 4 });
  expect(found.checks.find(({ check }) => check === "race")).toMatchObject({
    outcome: "passed",
    text: "of 16 callers exactly one created an object, 2 times; 2 more were left open by the store",
  });
  await expect(checksOf(store, { rounds: 3 })).rejects.toThrow("429 rateLimitExceeded");
});

test("a service whose behaviour is known is not probed at the start, and nothing is put there", async () => {
  const memory = new MemoryStore();
  const bucket = overriding<ObjectStore>(memory, { chargesRequests: true });
  expect(await probeAtStart(() => bucket, systemClock)).toEqual({
    checks: [],
    isConditional: true,
  });
  const unknown = overriding<ObjectStore>(memory, { chargesRequests: true, mayOverwrite: true });
  expect((await probeAtStart(() => unknown, systemClock))?.checks.length).toBe(4);
});

test("wrong lists, parts, sizes and times are each found", async () => {
  const memory = new MemoryStore();
  const faults: [keyof typeof sound, Partial<ObjectStore>][] = [
    ["list", { list: async function* () {} }],
    ["read", { get: async (name) => Buffer.from((await memory.get(name)).subarray(1)) }],
    ["range", { tail: async () => ({ bytes: Buffer.from("wrong"), size: 5 }) }],
    ["size", { size: async () => 7 }],
    ["clock", { storedAt: async () => Date.now() + 3_600_000 }],
  ];
  for (const [check, fault] of faults) {
    const store = overriding<ObjectStore>(memory, { storedAt: async () => Date.now(), ...fault });
    expect((await checksOf(store)).outcomes[check], check).toBe("failed");
  }
});

test("credentials that may neither overwrite nor delete pass, and what they left is no repository", async () => {
  const memory = new MemoryStore();
  const refused = async (name: string) => {
    throw new StoreForbidden(name, new Error("403"));
  };
  const store = overriding<ObjectStore>(memory, { replace: refused, delete: refused });
  expect((await checksOf(store)).outcomes).toMatchObject({
    overwrite: "passed",
    delete: "passed",
    clock: "skipped",
  });
  const left = await namesOf(memory, "");
  expect(left.length).toBeGreaterThan(0);
  expect(left.filter((name) => !name.startsWith(probesPrefix))).toEqual([]);
  expect((await openOrCreateRepository(memory, 1)).description.created).toBe(1);
});

test("read-only it writes nothing, and says what it skipped", async () => {
  const memory = new MemoryStore();
  await memory.put("log/x", Buffer.from("abc"));
  const put = async () => {
    throw new Error("nothing may be written");
  };
  const store = overriding<ObjectStore>(memory, { put });
  expect((await checksOf(store, { readOnly: true })).outcomes).toEqual({
    range: "passed",
    list: "passed",
    create: "skipped",
    "create again": "skipped",
    race: "skipped",
    overwrite: "skipped",
    delete: "skipped",
  });
});

test("at the start it takes few requests, and lets a full store pass", async () => {
  const memory = new MemoryStore();
  const found = await probeAtStart(() => memory, systemClock);
  expect(found?.checks.map(({ check }) => check)).toEqual([
    "create",
    "read",
    "create again",
    "race",
  ]);
  expect(await namesOf(memory, "")).toEqual([]);
});

test("a single writer stores where conditions are not known, and does not overwrite itself", async () => {
  const memory = new MemoryStore();
  const put = async () => {
    throw new StoreUnsupported("501 NotImplemented", "use another store");
  };
  const store = new SingleWriterStore(overriding<ObjectStore>(memory, { put }));
  await store.put("a", Buffer.from("1"));
  await expect(store.put("a", Buffer.from("2"))).rejects.toBeInstanceOf(ObjectExists);
  expect((await store.get("a")).toString()).toBe("1");
});
