/** Which names are of one person: whoever requests a recovery must not approve it under another spelling. */
import { describe, expect, test } from "vitest";
import { systemClock } from "../../src/clock.js";
import type { Commands } from "../../src/commands.js";
import { localWaker } from "../../src/coordination/wake.js";
import { nextEvent } from "../../src/recoveries/changes.js";
import { putEvent } from "../../src/recoveries/events.js";
import { isSamePerson } from "../../src/recoveries/person.js";
import {
  approve,
  createRecovery,
  eventsOf,
  readRecovery,
} from "../../src/recoveries/recoveries.js";
import { RecoveryWorker } from "../../src/recoveries/worker.js";
import { MemoryStore } from "../../src/storage/memory-store.js";

const one: [string, string][] = [
  ["Anna", "anna"],
  ["ANNA", "anna"],
  ["Zoë", "zoe\u0308"],
  ["ZOË", "zoe\u0308"],
  ["STRASSE", "straße"],
  ["ΑΣ", "ας"],
  ["ｂｏｂ", "bob"],
  ["ﬁona", "fiona"],
  ["bo\u200bb", "bob"],
  ["bob ", "bob"],
  ["Iris", "ıris"],
];
const two: [string, string][] = [
  ["anna", "anne"],
  ["zoë", "zoe"],
  ["anna", "anna-2"],
  ["root", "admin"],
  ["", "anna"],
];

describe("names", () => {
  test.each(one)("%s and %s are of one person", (a, b) => {
    expect(isSamePerson({ name: a }, { name: b })).toBe(true);
    expect(isSamePerson({ name: b }, { name: a })).toBe(true);
  });
  test.each(two)("%s and %s are of two", (a, b) => {
    expect(isSamePerson({ name: a }, { name: b })).toBe(false);
  });
});

const worker = { unique: "w1", host: "h", process: 1, space: "h", silentMs: 30_000 };
const byWorker = { name: "w1", via: "worker" } as const;
const plan = { summary: { documents: 3 }, args: ["shop.a"], parts: [] };

/** A recovery that waits for an approval, requested on the command line. */
async function waiting(store: MemoryStore, name: string): Promise<string> {
  const asked = { command: "rewind", args: ["shop.a", "--at=10:04"] };
  const by = { name, via: "cli" } as const;
  const { id } = await createRecovery(store, systemClock, { ...asked, by });
  for (const change of [
    { kind: "claim", worker },
    { kind: "plan", plan, waitsFor: ["approval"] },
  ] as const) {
    const last = (await eventsOf(store, id, 0)).at(-1)!;
    await putEvent(store, nextEvent(last, change, byWorker, systemClock.now()));
  }
  return id;
}

test("the one who requests as Anna cannot approve as anna", async () => {
  const store = new MemoryStore();
  const id = await waiting(store, "Anna");
  const own = approve(store, systemClock, id, { name: "anna", via: "api" });
  await expect(own).rejects.toMatchObject({ code: "usage" });
  expect((await readRecovery(store, id))!.state).toBe("waiting");
  await approve(store, systemClock, id, { name: "bob", via: "api" });
  expect((await readRecovery(store, id))!.state).toBe("planned");
});

test("nor does a worker begin what was approved so", async () => {
  const store = new MemoryStore();
  const [own, other] = [await waiting(store, "Anna"), await waiting(store, "Anna")];
  const approvals = [
    [own, "anna"],
    [other, "bob"],
  ] as const;
  for (const [id, name] of approvals) {
    const last = (await eventsOf(store, id, 0)).at(-1)!;
    const by = { name, via: "api" } as const;
    // Whoever can write to the repository can put it past `approve`.
    const event = nextEvent(last, { kind: "approve" }, by, systemClock.now());
    expect(await putEvent(store, event)).toBe(true);
  }
  const begun: string[] = [];
  const commands: Commands = { run: () => Promise.resolve({}) };
  const ended = new AbortController();
  let looks = 0;
  const counted = Object.create(store, {
    list: {
      value: (...args: Parameters<MemoryStore["list"]>) => {
        looks += 1;
        return store.list(...args);
      },
    },
  }) as MemoryStore;
  const working = new RecoveryWorker({
    store: counted,
    clock: systemClock,
    commands,
    waker: localWaker(),
    owner: { host: "w2", process: 1, space: "w2", isAlive: () => true },
    unique: "w2",
    targets: new Map([["live", {}]]),
    pollMs: 5,
    tellMs: 1000,
    observer: {
      begins: (id) => void begun.push(id),
      ended: () => undefined,
      left: () => undefined,
      fails: (error) => {
        throw error;
      },
    },
  }).run(ended.signal);
  await expect.poll(async () => (await readRecovery(store, other))!.state).toBe("done");
  // It has looked at both again since.
  const seen = looks;
  await expect.poll(() => looks).toBeGreaterThan(seen + 2);
  ended.abort(new Error("the test ends"));
  await working;
  expect(begun).toEqual([other]);
  expect((await readRecovery(store, own))!.state).toBe("planned");
});
