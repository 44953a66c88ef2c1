/** What every coordinator keeps to, and what the one by Redis makes of a Redis that fails, forgets and lies. */
import { describe, expect, test } from "vitest";
import { memberRenewMs } from "../../src/repository/registers/members.js";
import { type Kind, kinds, Peers } from "./peers.js";

describe.each(Object.keys(kinds) as Kind[])("members that tell each other %s", (kind) => {
  const { lifetimeMs } = kinds[kind];
  // One look of the other one, and what a reply takes.
  const lookMs = kind === "by Redis" ? 2100 : memberRenewMs + 100;

  test("hear which lanes the others have, and when they change", async () => {
    const peers = new Peers(kind);
    const [a, b] = [peers.join([0, 2]), peers.join()];
    await peers.pass(2 * lookMs);
    expect([b.lanesOf(a), a.lanesOf(b)]).toEqual([[0, 2], []]);
    a.lanes = [2];
    await peers.pass(2 * lookMs);
    expect(b.lanesOf(a)).toEqual([2]);
  });

  test("take one that has left for gone at the next look, and nobody else", async () => {
    const peers = new Peers(kind);
    const [a, b] = [peers.join([0]), peers.join()];
    await peers.pass(2 * lookMs);
    const left = a.leave();
    await peers.pass(lookMs);
    await left;
    const c = peers.join();
    await peers.pass(lookMs);
    expect([b.hasGone(a), c.hasGone(b), b.hasGone(c)]).toEqual([true, false, false]);
    expect(b.lanesOf(a)).toBeUndefined();
    expect(b.coordinator.hasGone("a stranger")).toBe(false);
  });

  test("take a dead one for gone within its lifetime and a look, and not before", async () => {
    const peers = new Peers(kind);
    const [a, b] = [peers.join([0]), peers.join()];
    await peers.pass(20_000);
    a.life.kill();
    const tookMs = await peers.until(() => b.hasGone(a), 60_000);
    expect(tookMs).toBeLessThanOrEqual(lifetimeMs + lookMs);
    expect(tookMs).toBeGreaterThan(lifetimeMs - lookMs);
    expect(b.lanesOf(a)).toBeUndefined();
  });

  test("know that they may have been taken for gone as soon as one was", async () => {
    const peers = new Peers(kind);
    const [a, b] = [peers.join([0]), peers.join()];
    await peers.pass(20_000);
    const heldSince = a.coordinator.heldSinceMs()!;
    expect(heldSince).toBeLessThan(1000);
    a.life.freeze();
    await peers.until(() => b.hasGone(a), 60_000);
    expect(a.coordinator.heldSinceMs()).toBeUndefined();
    const thawedMs = peers.time.nowMs;
    a.life.thaw();
    await peers.pass(2 * lookMs);
    // Its lease is held again, and what it knew before must not count.
    expect(a.coordinator.heldSinceMs()).toBeGreaterThanOrEqual(thawedMs);
    expect([b.hasGone(a), b.lanesOf(a)]).toEqual([false, [0]]);
    expect(a.hasGone(b)).toBe(false);
  });

  test("hold their leases without a break while they renew, and hold none before", async () => {
    const peers = new Peers(kind);
    const a = peers.join([0]);
    expect(a.coordinator.heldSinceMs()).toBeUndefined();
    await peers.pass(1000);
    const since = a.coordinator.heldSinceMs()!;
    for (let i = 0; i < 40; i += 1) {
      await peers.pass(1500);
      expect(a.coordinator.heldSinceMs()).toBe(since);
    }
  });

  test("find those that were there before them, and those that are gone from before", async () => {
    const peers = new Peers(kind);
    const a = peers.join([0]);
    await peers.pass(20_000);
    const b = peers.join();
    await peers.pass(lookMs);
    expect(b.lanesOf(a)).toEqual([0]);
    a.life.kill();
    const c = peers.join();
    await peers.pass(1000);
    expect(c.lanesOf(a)).toEqual([0]);
    await peers.until(() => c.hasGone(a), 3 * memberRenewMs + lookMs);
  });
});

describe("members by Redis", () => {
  /** Its last object is seen at a turn, and found to be the last one at another. Turns are 2 s apart, looks 5 s. */
  const byObjectsMs = 3 * memberRenewMs + 2 * 6100;

  /** Two that know each other, and how often either took the other for gone. */
  async function pair() {
    const peers = new Peers("by Redis");
    const [a, b] = [peers.join([0]), peers.join([1])];
    await peers.pass(20_000);
    /** Passes time; true if at every moment both were there for each other. */
    const areThere = async (ms: number) => {
      for (const endMs = peers.time.nowMs + ms; peers.time.nowMs < endMs; ) {
        await peers.pass(100);
        if (a.hasGone(b) || b.hasGone(a) || !a.lanesOf(b) || !b.lanesOf(a)) return false;
      }
      return true;
    };
    return { peers, a, b, areThere };
  }

  test("stay there while Redis is away, and are told of it once", async () => {
    const { peers, a, areThere } = await pair();
    const agoMs = () => peers.time.nowMs - peers.answered.get(a.unique)!;
    expect(agoMs()).toBeLessThan(2100);
    peers.redis.isDown = true;
    expect(await areThere(60_000)).toBe(true);
    expect(agoMs()).toBeGreaterThan(59_000);
    peers.redis.isDown = false;
    expect(await areThere(60_000)).toBe(true);
    expect(agoMs()).toBeLessThan(2100);
    expect(peers.news.filter((line) => line.startsWith(a.unique))).toEqual([
      `${a.unique} has lost Redis`,
      `${a.unique} has Redis again`,
    ]);
    expect(a.coordinator.heldSinceMs()).toBeLessThan(1000);
  });

  test("find each other without a Redis from the start", async () => {
    const peers = new Peers("by Redis");
    peers.redis.isDown = true;
    const [a, b] = [peers.join([0]), peers.join()];
    await peers.pass(12_000);
    expect(b.lanesOf(a)).toEqual([0]);
    a.life.kill();
    await peers.until(() => b.hasGone(a), byObjectsMs);
  });

  test.each([
    ["is flushed", (peers: Peers) => peers.redis.flush()],
    ["has its clock set an hour ahead", (peers: Peers) => peers.redis.jump(3_600_000)],
    ["has its clock set an hour back", (peers: Peers) => peers.redis.jump(-3_600_000)],
  ])("stay there when Redis %s", async (_, happen) => {
    const { peers, areThere } = await pair();
    happen(peers);
    expect(await areThere(40_000)).toBe(true);
  });

  test("stay there when Redis forgets everything all the time", async () => {
    const { peers, areThere } = await pair();
    for (let i = 0; i < 400; i += 1) {
      peers.redis.flush();
      expect(await areThere(100), `after ${i} times`).toBe(true);
    }
  });

  test("are not brought back by an old state of Redis once they are gone", async () => {
    const { peers, a, b } = await pair();
    peers.redis.save();
    await peers.pass(2000);
    a.life.kill();
    await peers.until(() => b.hasGone(a), 10_000);
    peers.redis.goBack();
    for (let i = 0; i < 100; i += 1) {
      await peers.pass(200);
      expect(b.hasGone(a)).toBe(true);
    }
  });

  test("stay there when one of them alone does not reach Redis, and are gone when that one dies", async () => {
    const { peers, a, b, areThere } = await pair();
    peers.redis.cut(a.life, true);
    expect(await areThere(60_000)).toBe(true);
    peers.redis.cut(a.life, false);
    expect(await areThere(20_000)).toBe(true);
    peers.redis.cut(a.life, true);
    expect(await areThere(20_000)).toBe(true);
    a.life.kill();
    await peers.until(() => b.hasGone(a), byObjectsMs);
  });

  test("stay there while the repository is away, and say so only if Redis is too", async () => {
    const { peers, a, areThere } = await pair();
    peers.weather.failsUntilMs = Number.POSITIVE_INFINITY;
    expect(await areThere(30_000)).toBe(true);
    expect(a.failures).toBe(0);
    peers.redis.isDown = true;
    await peers.pass(10_000);
    expect(a.failures).toBeGreaterThan(0);
  });

  test("know that they may be taken for gone when they reach neither", async () => {
    const { peers, a } = await pair();
    peers.weather.failsUntilMs = Number.POSITIVE_INFINITY;
    peers.redis.isDown = true;
    await peers.pass(3 * memberRenewMs + 100);
    expect(a.coordinator.heldSinceMs()).toBeUndefined();
  });
});
