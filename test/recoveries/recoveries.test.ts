/** Requests for recoveries as objects: who makes which change, and what may be asked for. */
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { decodeStored, encodeStored } from "../../src/format/json-object.js";
import { checkRequest } from "../../src/recoveries/allowed.js";
import { changesLive } from "../../src/recoveries/approval.js";
import { attemptsMax, type Change, isOver, nextEvent } from "../../src/recoveries/changes.js";
import {
  putEvent,
  type RecoveryEvent,
  recoveryCommands,
  recoveryKind,
} from "../../src/recoveries/events.js";
import { fetchPlan, storePlan } from "../../src/recoveries/plan-parts.js";
import {
  approve,
  cancel,
  createRecovery,
  eventsOf,
  listRecoveries,
  readRecovery,
} from "../../src/recoveries/recoveries.js";
import { exactArgs, planningWords } from "../../src/recoveries/steps.js";
import {
  approvalOf,
  declareApproval,
  readSettings,
} from "../../src/repository/registers/settings.js";
import { MemoryStore } from "../../src/storage/memory-store.js";
import { deleteAll } from "../../src/storage/object-store.js";
import { sweepRecoveries } from "../../src/upkeep/sweep-recoveries.js";
import { CountingStore } from "../repository/counting-store.js";
import { namesIn, StillClock } from "../repository/recording.js";

const alice = { name: "alice", via: "api" } as const;
const bob = { name: "bob", via: "cli" } as const;
const worker = { unique: "w1", host: "h", process: 1, space: "h", silentMs: 30_000 };
const byWorker = { name: "w1", via: "worker" } as const;
const clock = new StillClock(1_700_000_000_000);
const plan = { summary: { documents: 3 }, args: ["shop.a"], parts: [] };

const request = (store: MemoryStore, more: object = {}) =>
  createRecovery(store, clock, {
    command: "rewind",
    args: ["shop.a", "--at", "10:04"],
    by: alice,
    ...more,
  });

/** Puts the event that a worker's change makes of the last one. */
async function change(store: MemoryStore, id: string, ...changes: Change[]): Promise<void> {
  for (const one of changes) {
    const last = (await eventsOf(store, id, 0)).at(-1)!;
    expect(await putEvent(store, nextEvent(last, one, byWorker, clock.now()))).toBe(true);
  }
}

test("one whose event is damaged hides no other", async () => {
  const store = new MemoryStore();
  const [sound, torn] = [await request(store), await request(store)];
  const name = `recoveries/${torn.id}-0000000001.json`;
  const bytes = await store.get(name);
  await store.delete(name);
  await store.put(name, bytes.subarray(0, bytes.length >> 1));
  expect(await listRecoveries(store)).toEqual({ recoveries: [sound], damaged: [torn.id] });
});

describe("a request", () => {
  test("of the same key and body is the same recovery, whoever is first; another body is refused", async () => {
    const store = new MemoryStore();
    const key = { idempotencyKey: "k" };
    const all = await Promise.all(Array.from({ length: 5 }, () => request(store, key)));
    expect(new Set(all.map(({ id }) => id)).size).toBe(1);
    expect((await listRecoveries(store)).recoveries).toHaveLength(1);
    const same = request(store, { ...key, args: ["shop.a", "--at=10:04"] });
    expect((await same).id).toBe(all[0]!.id);
    const other = request(store, { ...key, args: ["shop.b", "--at=10:04"] });
    await expect(other).rejects.toMatchObject({ code: "usage" });
    expect((await request(store)).id).not.toBe((await request(store)).id);
    const names = await namesIn(store);
    expect(names.every((name) => /^recoveries\/[0-9a-f]{8}-0000000001\.json$/.test(name))).toBe(
      true,
    );
    // The key itself is not stored.
    for (const name of names) expect((await store.get(name)).includes('"k"')).toBe(false);
  });

  test("of the same key by another caller, or by another way, is another recovery", async () => {
    const store = new MemoryStore();
    const by = ([name, via, idempotencyKey]: readonly [string, "cli" | "api", string]) =>
      request(store, { by: { name, via }, idempotencyKey });
    const callers = [
      ["anna", "api", "ticket 1"],
      ["anna", "cli", "ticket 1"],
      ["bob", "api", "ticket 1"],
      // Nor does a text pass for a name and a key.
      ["bob", "cli", "anna ticket 1"],
      ["anna ticket", "cli", "1"],
      ['anna","ticket 1', "cli", ""],
    ] as const;
    const made = await Promise.all(callers.map(by));
    expect(new Set(made.map(({ id }) => id)).size).toBe(callers.length);
    const again = await Promise.all(callers.map(by));
    expect(again.map(({ id }) => id)).toEqual(made.map(({ id }) => id));
    expect(made.map(({ by: { name, via } }) => [name, via])).toEqual(
      callers.map(([name, via]) => [name, via]),
    );
  });

  test("of a key whose id another one has, gets the next", async () => {
    const store = new MemoryStore();
    const { id } = await request(store, { idempotencyKey: "k" });
    const name = `recoveries/${id}-0000000001.json`;
    const event = decodeStored(await store.get(name), name, recoveryKind);
    await store.delete(name);
    const foreign = { ...event, request: { ...event.request!, key: "other" } };
    await store.put(name, encodeStored(recoveryKind, foreign));
    const one = await request(store, { idempotencyKey: "k" });
    expect(one.id).not.toBe(id);
    expect((await request(store, { idempotencyKey: "k" })).id).toBe(one.id);
  });

  test("wants an approval as the settings say, or as is asked for, but not less", async () => {
    const store = new MemoryStore();
    const restore = { command: "restore", args: ["--beside"] };
    expect(approvalOf(await readSettings(store))).toBe("live");
    expect((await request(store)).needsApproval).toBe(true);
    expect((await request(store, { needsApproval: false })).needsApproval).toBe(true);
    expect((await request(store, restore)).needsApproval).toBe(false);
    expect((await request(store, { ...restore, needsApproval: true })).needsApproval).toBe(true);
    await declareApproval(store, "all", clock.now());
    expect((await request(store, restore)).needsApproval).toBe(true);
    await declareApproval(store, "none", clock.now());
    expect((await request(store)).needsApproval).toBe(false);
    expect((await readSettings(store)).number).toBe(2);
  });
});

describe("what may be asked for", () => {
  test.each([
    ["export", []],
    ["run", []],
    ["restore", ["--report=x"]],
    ["restore", ["--mask", "x"]],
    ["restore", ["--tenant=x"]],
    ["restore", ["--repo=/other"]],
    ["restore", ["--target=rethinkdb://x"]],
    ["restore", ["--target-file=x"]],
    ["restore", ["--key=@/etc/passwd"]],
    ["restore", ["--key", "@/etc/passwd"]],
    ["restore", ["shop.orders"]],
    ["restore", ["--at"]],
    ["restore", ["--at="]],
    ["restore", ["--beside=x"]],
    ["restore", ["--identity=x"]],
    ["restore", ["-h"]],
    ["restore", ["--"]],
    ["restore", ["--constructor"]],
    ["undo", ["--plan=x"]],
    ["undo", ["--dry-run"]],
    ["undo", ["--prices=x"]],
    ["rewind", ["../x"]],
    ["promote", []],
    ["promote", ["a.b", "c.d"]],
    ["drill", ["--clean"]],
  ])("is not %s %j", (command, args) => {
    expect(() => checkRequest(command, args)).toThrow(expect.objectContaining({ code: "usage" }));
  });

  test("comes in one form, in which no value is read as an option", () => {
    const word = fc.oneof(fc.string(), fc.constantFrom("--plan=x", "--repo", "@x", "a.b", "--"));
    const args = fc.array(
      fc.oneof(
        word,
        fc.constantFrom("--at", "--key", "--beside", "--where", "--target", "--force"),
      ),
      { maxLength: 6 },
    );
    fc.assert(
      fc.property(fc.constantFrom(...recoveryCommands), args, (command, given) => {
        let checked;
        try {
          checked = checkRequest(command, given);
        } catch (error) {
          expect(error).toMatchObject({ code: "usage" });
          return;
        }
        // Given again it is the same, and each word is a table, a switch, or an option with its value.
        expect(checkRequest(command, checked.args)).toEqual(checked);
        for (const one of checked.args)
          expect(one).toMatch(/^(?:[\w-]+\.[\w-]+|--[a-z-]+(?:=[^]+)?)$/);
        expect(checked.args.some((one) => /^--(?:plan|repo|key=@)/.test(one))).toBe(false);
      }),
    );
  });

  test.each([
    ["rewind", ["a.b", "--at=now", "--target=staging"], true],
    ["undo", ["--operation=0123abcd"], true],
    ["promote", ["a.b"], true],
    ["restore", [], true],
    ["restore", ["--rename=a=b"], true],
    ["restore", ["--beside"], false],
    ["restore", ["--target=staging"], false],
    ["drill", [], false],
    ["drill", ["--target=live"], true],
  ])("%s %j changes live data: %s", (command, args, changes) => {
    expect(changesLive(checkRequest(command, args))).toBe(changes);
  });

  test("is carried out as its plan says", () => {
    const at = "2026-11-28T10:04:00.000+00:00";
    const restore = ["--at=10 minutes ago", "--beside", "--target=live", "--gentle"];
    expect(planningWords("restore", restore, "f")).toEqual([
      "restore",
      "--at=10 minutes ago",
      "--beside",
      "--gentle",
      "--dry-run",
    ]);
    expect(exactArgs("restore", restore, { at })).toEqual(["--beside", "--gentle", `--at=${at}`]);
    const rewind = ["a.b", "--at=now", "--key=1", "--gentle", "--undoable-for=2d"];
    expect(planningWords("rewind", rewind, "f")).toEqual([
      "rewind",
      ...rewind,
      "--dry-run",
      "--plan=f",
    ]);
    expect(exactArgs("rewind", rewind, {})).toEqual(["--gentle", "--undoable-for=2d"]);
    const swap = { live: "a.b", promoted: "a.b_before_1" };
    expect(exactArgs("promote", ["a.b", "--back"], swap)).toEqual(["a.b_before_1", "--back"]);
    expect(
      exactArgs("promote", ["a.b_at_1", "--force"], { ...swap, promoted: "a.b_at_1" }),
    ).toEqual(["a.b", "--from=a.b_at_1", "--force"]);
    expect(planningWords("drill", [], "f")).toBeUndefined();
  });
});

describe("an approval", () => {
  test("is of a plan, by somebody else than the one who has requested it, and once", async () => {
    const store = new MemoryStore();
    const { id } = await request(store);
    await expect(approve(store, clock, id, bob)).rejects.toMatchObject({ code: "usage" });
    await change(
      store,
      id,
      { kind: "claim", worker },
      { kind: "plan", plan, waitsFor: ["approval"] },
    );
    // Another way to come in makes nobody a second person.
    for (const via of ["cli", "api"] as const) {
      const own = approve(store, clock, id, { name: "alice", via });
      await expect(own).rejects.toMatchObject({ code: "usage" });
    }
    const both = await Promise.allSettled([
      approve(store, clock, id, bob),
      approve(store, clock, id, { name: "carol", via: "api" }),
    ]);
    expect(both.map(({ status }) => status).sort()).toEqual(["fulfilled", "rejected"]);
    expect(await readRecovery(store, id)).toMatchObject({ state: "planned", plan: plan.summary });
    await expect(approve(store, clock, "00000000", bob)).rejects.toMatchObject({ code: "unknown" });
    await expect(approve(store, clock, "../x", bob)).rejects.toMatchObject({ code: "usage" });
  });
});

test("a cancellation counts once, and lets the worker say what it has left", async () => {
  const store = new MemoryStore();
  const { id } = await request(store, { command: "restore", args: ["--beside"] });
  await change(store, id, { kind: "claim", worker });
  expect(await cancel(store, clock, id, bob)).toMatchObject({ state: "cancelled", worker });
  await expect(cancel(store, clock, id, bob)).rejects.toMatchObject({ code: "usage" });
  const error = { code: "incomplete", message: "half" };
  await change(store, id, { kind: "fail", error, result: { done: 1 } });
  const { worker: _, ...left } = (await readRecovery(store, id))!;
  expect(left).toMatchObject({ state: "cancelled", error, result: { done: 1 } });
  expect(_).toBeUndefined();
});

test("whatever is tried, states only go forward, and no event is lost", async () => {
  const error = { code: "target", message: "m" };
  const changes = fc.constantFrom<Change>(
    { kind: "claim", worker },
    { kind: "claim", worker: { ...worker, unique: "w2" } },
    { kind: "tell", worker, progress: { share: 0.5, text: "t" } },
    { kind: "plan", plan, waitsFor: ["approval"] },
    { kind: "plan", plan, waitsFor: [] },
    { kind: "plan", plan, waitsFor: ["confirmation", "approval"] },
    { kind: "confirm" },
    { kind: "confirm", number: 3 },
    { kind: "approve" },
    { kind: "ending", ending: { id: "x" } },
    { kind: "done", result: { r: 1 } },
    { kind: "fail", error },
    { kind: "retry", error },
    { kind: "release" },
    { kind: "cancel" },
  );
  await fc.assert(
    fc.asyncProperty(fc.array(changes, { maxLength: 40 }), async (tried) => {
      const store = new MemoryStore();
      const { id } = await request(store);
      let last = (await eventsOf(store, id, 0)).at(-1)!;
      const events: RecoveryEvent[] = [last];
      for (const one of tried) {
        let next: RecoveryEvent;
        try {
          const by = { approve: bob, confirm: alice }[one.kind as string] ?? byWorker;
          next = nextEvent(last, one, by, clock.now());
        } catch (thrown) {
          expect(thrown).toMatchObject({ code: "usage" });
          continue;
        }
        if (isOver(last.state))
          expect([last.state, next.state]).toEqual(["cancelled", "cancelled"]);
        expect(next.attempt).toBeLessThanOrEqual(attemptsMax);
        if (next.state === "running") expect(events.some(({ plan: made }) => made)).toBe(true);
        const waitedFor = events.find(({ waitsFor }) => waitsFor)?.waitsFor ?? [];
        if (next.state === "running") {
          expect(next.confirmedBy).toEqual(waitedFor.includes("confirmation") ? alice : undefined);
          expect(next.approvedBy).toEqual(waitedFor.includes("approval") ? bob : undefined);
        }
        expect(next.state === "waiting").toBe((next.waitsFor ?? []).length > 0);
        expect(await putEvent(store, next)).toBe(true);
        expect(await putEvent(store, next)).toBe(false);
        events.push(next);
        last = next;
      }
      expect(await eventsOf(store, id, 0)).toEqual(events);
      const recovery = (await readRecovery(store, id))!;
      expect(recovery).toMatchObject({ number: events.length, state: last.state });
      expect(recovery.waitsFor).toEqual(last.waitsFor ?? []);
      expect(recovery.planIn).toBe(events.find(({ plan: made }) => made)?.number);
      expect(recovery.plan).toEqual(events.find(({ plan: made }) => made)?.plan?.summary);
      expect(await listRecoveries(store)).toEqual({ recoveries: [recovery], damaged: [] });
    }),
    { numRuns: 200 },
  );
});

test("to look for news costs one request, and a long chain is read by a listing", async () => {
  const store = new MemoryStore();
  const { id } = await request(store, { command: "restore", args: ["--beside"] });
  await change(store, id, { kind: "claim", worker });
  for (let i = 0; i < 50; i += 1) await change(store, id, { kind: "tell", worker });
  const counting = new CountingStore(store);
  expect(await eventsOf(counting, id, 52)).toEqual([]);
  expect(counting.requests).toHaveLength(1);
  expect(await eventsOf(counting, id, 2)).toHaveLength(50);
  expect(counting.requests).toHaveLength(1 + 52);
  counting.requests.length = 0;
  await readRecovery(counting, id);
  // A listing, the first event and the last, and whether there is one more.
  expect(counting.requests).toHaveLength(4);
});

test("a plan's file is stored in parts, and is the same file again", async () => {
  const directory = await mkdtemp(join(tmpdir(), "thinkback-plan-"));
  try {
    const store = new MemoryStore();
    const line = (n: number) => `{"key":${n},"live":"${"x".repeat((n * 7919) % 300_000)}"}\n`;
    const text = `${Array.from({ length: 40 }, (_, n) => line(n)).join("")}{"end":"\u2028"}\n`;
    await writeFile(join(directory, "a"), text);
    const parts = await storePlan(store, { id: "0123abcd", number: 2 }, join(directory, "a"));
    expect(parts[0]!.name).toBe("recoveries/0123abcd-0000000002/part-000000.zst");
    await fetchPlan(store, parts, join(directory, "b"));
    expect(await readFile(join(directory, "b"), "utf8")).toBe(text);
    await expect(fetchPlan(store, parts, join(directory, "b"))).rejects.toThrow("EEXIST");
    const wrong = [{ ...parts[0]!, checksum: "0".repeat(64) }];
    await expect(fetchPlan(store, wrong, join(directory, "c"))).rejects.toMatchObject({
      code: "damaged",
    });
  } finally {
    await rm(directory, { recursive: true });
  }
});

test("what ended over 90 days ago is deleted, the last event when nothing else is left", async () => {
  const store = new MemoryStore();
  const ids = [];
  for (let i = 0; i < 3; i += 1) {
    const { id } = await request(store, { command: "restore", args: ["--beside"] });
    ids.push(id);
    await change(store, id, { kind: "claim", worker });
  }
  const [done, running, cancelled] = ids as [string, string, string];
  await store.put(`recoveries/${done}-0000000002/part-000000.zst`, Buffer.from("x"));
  await change(store, done, { kind: "plan", plan, waitsFor: [] });
  await change(store, done, { kind: "claim", worker }, { kind: "done", result: {} });
  await cancel(store, clock, cancelled, bob);
  const sweep = async (days: number) => {
    const aged = clock.now() + days * 86_400_000;
    const names = (await sweepRecoveries(store, aged, () => true)).map(({ name }) => name);
    await deleteAll(store, names);
    return names.length;
  };
  expect(await sweep(89)).toBe(0);
  expect(await sweep(91)).toBe(5 + 2);
  expect((await listRecoveries(store)).recoveries.map(({ id }) => id)).toEqual([running]);
  expect(await readRecovery(store, done)).toBeUndefined();
  expect(await namesIn(store)).toContain(`recoveries/${done}-0000000005.json`);
  expect(await sweep(91)).toBe(2);
  expect(await namesIn(store)).toHaveLength(2);
});
