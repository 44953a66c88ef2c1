/** What a plan waits for: a confirmation, an approval, or both; from whom, in which order, and who is first. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { consentsFor, hasConsents } from "../../src/recoveries/approval.js";
import { type Change, nextEvent } from "../../src/recoveries/changes.js";
import { type Consent, putEvent, type RecoveryEvent } from "../../src/recoveries/events.js";
import {
  type Actor,
  approve,
  cancel,
  confirm,
  createRecovery,
  eventsOf,
  listRecoveries,
  readRecovery,
} from "../../src/recoveries/recoveries.js";
import { declareApproval, readSettings } from "../../src/repository/registers/settings.js";
import { MemoryStore } from "../../src/storage/memory-store.js";
import type { ObjectStore } from "../../src/storage/object-store.js";
import { StillClock } from "../repository/recording.js";

const person = (name: string): Actor => ({ name, via: "api" });
const [alice, bob, carol] = [person("alice"), person("bob"), person("carol")];
const byWorker = { name: "w1", via: "worker" } as const;
const claim = { unique: "w1", host: "h", process: 1, space: "h", silentMs: 30_000 };
const clock = new StillClock(1_700_000_000_000);
const plan = { summary: { documents: 3 }, args: ["shop.a"], parts: [] };
const usage = (text: string) =>
  expect.objectContaining({ code: "usage", message: expect.stringContaining(text) as string });

const request = (store: ObjectStore, more: object = {}) =>
  createRecovery(store, clock, {
    command: "rewind",
    args: ["shop.a", "--at=10:04"],
    by: alice,
    confirm: true,
    ...more,
  });

async function change(store: ObjectStore, id: string, ...changes: Change[]): Promise<void> {
  for (const one of changes) {
    const last = (await eventsOf(store, id, 0)).at(-1)!;
    expect(await putEvent(store, nextEvent(last, one, byWorker, clock.now()))).toBe(true);
  }
}

/** One that alice has requested, whose plan, in event 3, waits for these. */
async function waiting(store: ObjectStore, ...waitsFor: Consent[]): Promise<string> {
  const confirms = waitsFor.includes("confirmation");
  await declareApproval(store, waitsFor.includes("approval") ? "live" : "none", clock.now());
  const { id } = await request(store, { confirm: confirms });
  await change(store, id, { kind: "claim", worker: claim }, { kind: "plan", plan, waitsFor });
  return id;
}

/** As a worker asks before it begins. */
async function mayBegin(store: ObjectStore, id: string): Promise<boolean> {
  const events = await eventsOf(store, id, 0);
  const [first, last] = [events[0]!, events.at(-1)!];
  return last.state === "planned" && hasConsents(first, events.find((one) => one.plan)!, last);
}

describe("a confirmation", () => {
  test("is of the plan that was seen, by the requester too, and once", async () => {
    const store = new MemoryStore();
    await declareApproval(store, "none", clock.now());
    const { id, ...asked } = await request(store);
    expect(asked).toMatchObject({ confirm: true, waitsFor: [], state: "planned" });
    await expect(confirm(store, clock, id, alice)).rejects.toEqual(usage("cannot be confirmed"));
    await change(store, id, { kind: "claim", worker: claim });
    await change(store, id, { kind: "plan", plan, waitsFor: ["confirmation"] });
    const seen = (await readRecovery(store, id))!;
    expect(seen).toMatchObject({ state: "waiting", waitsFor: ["confirmation"], planIn: 3 });
    expect((await listRecoveries(store)).recoveries).toEqual([seen]);
    for (const number of [1, 2, 4]) {
      const other = confirm(store, clock, id, alice, number);
      await expect(other).rejects.toEqual(usage("is in event 3"));
    }
    await expect(approve(store, clock, id, bob)).rejects.toEqual(usage("waiting for confirmation"));
    expect(await mayBegin(store, id)).toBe(false);
    const confirmed = await confirm(store, clock, id, alice, 3);
    expect(confirmed).toMatchObject({ state: "planned", waitsFor: [], confirmedBy: alice });
    expect(confirmed.plan).toEqual(plan.summary);
    expect(await mayBegin(store, id)).toBe(true);
    // It is carried out as confirmed: no other plan takes its place.
    const other = change(store, id, { kind: "plan", plan, waitsFor: [] });
    await expect(other).rejects.toEqual(usage("cannot be planned"));
    await expect(confirm(store, clock, id, bob, 3)).rejects.toEqual(usage("cannot be confirmed"));
    const none = confirm(store, clock, "00000000", alice);
    await expect(none).rejects.toMatchObject({ code: "unknown" });
    await expect(confirm(store, clock, "../x", alice)).rejects.toMatchObject({ code: "usage" });
  });

  test("is not waited for where none was asked for, and none is asked for of a drill", async () => {
    const store = new MemoryStore();
    const id = await waiting(store, "approval");
    expect(await readRecovery(store, id)).toMatchObject({ confirm: false, needsApproval: true });
    const refused = confirm(store, clock, id, alice);
    await expect(refused).rejects.toEqual(usage("waiting for approval"));
    const drill = request(store, { command: "drill", args: [] });
    await expect(drill).rejects.toEqual(usage("a drill has no plan"));
  });

  test.each([
    ["confirmation, approval", [confirm, approve], [alice, bob]],
    ["approval, confirmation", [approve, confirm], [bob, alice]],
    ["confirmation of somebody else, approval", [confirm, approve], [carol, bob]],
  ] as const)("and an approval come in whatever order: %s", async (_, steps, persons) => {
    const store = new MemoryStore();
    const id = await waiting(store, "confirmation", "approval");
    const half = await steps[0](store, clock, id, persons[0]);
    const left = steps[0] === confirm ? "approval" : "confirmation";
    expect(half).toMatchObject({ state: "waiting", waitsFor: [left], needsApproval: true });
    // The plan's number stays the one that it had, though other events have followed.
    expect(half).toMatchObject({ number: 4, planIn: 3, plan: plan.summary });
    expect(await mayBegin(store, id)).toBe(false);
    const again = steps[0](store, clock, id, carol);
    await expect(again).rejects.toEqual(usage(`waiting for ${left}`));
    const whole = await steps[1](store, clock, id, persons[1]);
    expect(whole).toMatchObject({ state: "planned", waitsFor: [], approvedBy: bob });
    expect(await mayBegin(store, id)).toBe(true);
  });

  test("and an approval are not of one person, whichever is first; nor approves who requested", async () => {
    const store = new MemoryStore();
    const one = await waiting(store, "confirmation", "approval");
    await confirm(store, clock, one, carol, 3);
    for (const [by, says] of [
      [carol, "carol has confirmed"],
      [{ ...carol, via: "cli" as const }, "carol has confirmed"],
      [alice, "alice has asked for"],
    ] as const) {
      await expect(approve(store, clock, one, by)).rejects.toEqual(usage(says));
    }
    const two = await waiting(store, "confirmation", "approval");
    await approve(store, clock, two, carol);
    const both = confirm(store, clock, two, carol, 3);
    await expect(both).rejects.toEqual(usage("carol has approved"));
    expect(await readRecovery(store, two)).toMatchObject({ waitsFor: ["confirmation"] });
  });

  test("that is not there is missed by the worker, whatever the state says", async () => {
    const store = new MemoryStore();
    const id = await waiting(store, "confirmation", "approval");
    const [first, , planned] = (await eventsOf(store, id, 0)) as [RecoveryEvent, 0, RecoveryEvent];
    const forged = (by: object) => ({ ...planned, number: 4, state: "planned", ...by }) as const;
    const agrees = (by: object) => hasConsents(first, planned, forged(by) as RecoveryEvent);
    expect(agrees({})).toBe(false);
    expect(agrees({ approvedBy: bob })).toBe(false);
    expect(agrees({ confirmedBy: alice })).toBe(false);
    expect(agrees({ confirmedBy: alice, approvedBy: alice })).toBe(false);
    expect(agrees({ confirmedBy: bob, approvedBy: bob })).toBe(false);
    expect(agrees({ confirmedBy: alice, approvedBy: bob })).toBe(true);
    // The request counts, if the event with the plan says less; and that event, if the settings wanted more.
    const { waitsFor: _, ...bare } = planned;
    expect(hasConsents(first, bare, forged({ approvedBy: bob }) as RecoveryEvent)).toBe(false);
    const free = { ...first, request: { ...first.request!, approval: false } };
    expect(hasConsents(free, planned, forged({ confirmedBy: bob }) as RecoveryEvent)).toBe(false);
  });
});

test("what a plan waits for is what was asked for, and what the settings want when it is made", async () => {
  const store = new MemoryStore();
  const asked = { command: "restore" as const, args: ["--beside"], approval: false };
  const of = async (more: object) =>
    consentsFor({ ...asked, ...more }, await readSettings(store)).join();
  expect(await of({})).toBe("");
  expect(await of({ confirm: true })).toBe("confirmation");
  expect(await of({ approval: true })).toBe("approval");
  await declareApproval(store, "all", clock.now());
  expect(await of({ confirm: true })).toBe("confirmation,approval");
});

test("the same key stands for another request if it would wait for less than is asked for", async () => {
  const store = new MemoryStore();
  await declareApproval(store, "none", clock.now());
  const keyed = (key: string, more: object = {}) =>
    request(store, { idempotencyKey: key, ...more });
  const [one, two] = [await keyed("a"), await keyed("b", { confirm: false })];
  expect((await keyed("a")).id).toBe(one.id);
  await expect(keyed("a", { confirm: false })).rejects.toEqual(usage(one.id));
  await expect(keyed("b", { confirm: true })).rejects.toEqual(usage(two.id));
  await expect(keyed("a", { needsApproval: true })).rejects.toEqual(usage(one.id));
  // What the settings want by now is no other request; nor what they wanted then.
  await declareApproval(store, "all", clock.now());
  expect((await keyed("a")).id).toBe(one.id);
  const strict = await keyed("c");
  await declareApproval(store, "none", clock.now());
  expect((await keyed("c")).id).toBe(strict.id);
  expect((await keyed("c", { needsApproval: true })).id).toBe(strict.id);
});

/** A store whose requests are answered in an order that the scheduler chooses. */
function scheduled(store: MemoryStore, scheduler: fc.Scheduler): ObjectStore {
  const later =
    <A extends unknown[], T>(ask: (...args: A) => Promise<T>) =>
    async (...args: A): Promise<T> => {
      await scheduler.schedule(Promise.resolve());
      return ask(...args);
    };
  return Object.assign(Object.create(store) as ObjectStore, {
    get: later((name: string) => store.get(name)),
    put: later((name: string, bytes: Buffer) => store.put(name, bytes)),
  });
}

test("however persons confirm, approve and cancel at once, each who is told so has done it, and none is two", async () => {
  const acts = fc.record({
    what: fc.constantFrom("confirm" as const, "approve" as const, "cancel" as const),
    by: fc.constantFrom(alice, bob, carol),
  });
  const ends = new Set<string>();
  await fc.assert(
    fc.asyncProperty(
      fc.scheduler(),
      fc.array(acts, { minLength: 2, maxLength: 6 }),
      fc.subarray<Consent>(["confirmation", "approval"], { minLength: 1 }),
      async (scheduler, acting, waitsFor) => {
        const real = new MemoryStore();
        const id = await waiting(real, ...waitsFor);
        const store = scheduled(real, scheduler);
        const trying = acting.map(({ what, by }) => {
          if (what === "confirm") return confirm(store, clock, id, by, 3);
          return (what === "approve" ? approve : cancel)(store, clock, id, by);
        });
        const settled = Promise.allSettled(trying);
        await scheduler.waitFor(settled);
        const told = await settled;
        for (const one of told)
          if (one.status === "rejected") expect(one.reason).toEqual(usage(""));
        const made = (await eventsOf(real, id, 3)).map(
          ({ state, by, approvedBy, confirmedBy }) => ({
            what: state === "cancelled" ? "cancel" : by === approvedBy ? "approve" : "confirm",
            state,
            by,
            approvedBy,
            confirmedBy,
          }),
        );
        // Each success is one event, by its person; each kind happens once at most, and nothing after the end.
        expect(made).toHaveLength(told.filter(({ status }) => status === "fulfilled").length);
        const states = made.map(({ state }) => state);
        expect(
          states.slice(0, -1).every((state) => state === "waiting" || state === "planned"),
        ).toBe(true);
        const last = (await readRecovery(real, id))!;
        const approver = last.approvedBy?.name;
        expect([undefined, "bob", "carol"]).toContain(approver);
        if (approver !== undefined) expect(last.confirmedBy?.name).not.toBe(approver);
        expect(await mayBegin(real, id)).toBe(last.state === "planned");
        const lacks = waitsFor.filter(
          (one) => (one === "confirmation" ? last.confirmedBy : last.approvedBy) === undefined,
        );
        if (last.state !== "cancelled") {
          expect(last.waitsFor).toEqual(lacks);
          expect(last.state).toBe(lacks.length === 0 ? "planned" : "waiting");
        }
        ends.add(`${last.state} ${made.length}`);
      },
    ),
    { numRuns: 300, seed: 20261128 },
  );
  // What the test is about has happened: both were given, both and then a cancellation, one, and none.
  for (const end of ["planned 2", "cancelled 3", "cancelled 1", "waiting 1", "waiting 0"]) {
    expect([...ends]).toContain(end);
  }
});
