/** A sweep deletes what was replaced or left over; never what somebody may still publish, or has just published. */
import { describe, expect, test } from "vitest";
import type { Repository } from "../../src/format/description.js";
import { LogView } from "../../src/repository/log/log-view.js";
import { Lease } from "../../src/repository/registers/lease.js";
import type { ObjectStore, StoredObject } from "../../src/storage/object-store.js";
import { sweep } from "../../src/upkeep/sweep.js";
import { foldLog, planSweep } from "../repository/looks.js";
import { patient } from "../repository/month.js";
import {
  foldUp,
  History,
  makeRepository,
  namesIn,
  Recording,
  restoredAt,
  StillClock,
} from "../repository/recording.js";
import { overriding } from "../simulation/overriding.js";

const table = "0a000000-0000-4000-8000-000000000001";
const graceMs = 900_000;

interface World {
  clock: StillClock;
  history: History;
  repository: Repository;
  recording: Recording;
}

/** A table that was copied, and changed for a minute. */
async function begin(): Promise<World> {
  const clock = new StillClock();
  const history = new History();
  const repository = await makeRepository();
  const recording = await Recording.begin(repository, clock, history);
  recording.coverage(table, { state: "copying", since: clock.instant });
  const copied = await recording.copy(table, [
    [1, { id: 1 }],
    [2, { id: 2 }],
  ]);
  const live = await recording.tick(10);
  await copied.finish(live, live - 10);
  recording.coverage(table, { state: "live", since: live });
  for (let i = 0; i < 60; i += 1) {
    recording.put(table, i % 7, { id: i % 7, i });
    await recording.tick();
  }
  return { clock, history, repository, recording };
}

async function sweepable(
  { repository, clock }: World,
  store = repository.store,
): Promise<StoredObject[]> {
  const options = { now: clock.instant, aged: clock.instant, graceMs, holdsBegan: [] };
  return planSweep({ ...repository, store }, options);
}

const foldAll = ({ repository, clock }: World, unique: string, store = repository.store) =>
  foldLog(
    { ...repository, store },
    {
      now: clock.instant,
      settleMs: 0,
      partial: true,
      unique,
      resolutionOf: () => 1,
      spanMaxMs: () => Number.MAX_SAFE_INTEGER,
      pinned: [],
    },
  );

/** The store, whose listings lack what `isHidden` names. */
function hiding(store: ObjectStore, isHidden: (name: string) => boolean): ObjectStore {
  async function* list(prefix: string): AsyncGenerator<StoredObject> {
    for await (const object of store.list(prefix)) if (!isHidden(object.name)) yield object;
  }
  return overriding(store, { list });
}

describe("a sweep", () => {
  test("leaves the parts of a copy that is under way, and of one that ended just now", async () => {
    const world = await begin();
    const { recording, repository, clock } = world;
    const under = await recording.copy(table, [[3, { id: 3 }]], 1);
    clock.instant += 10 * graceMs;
    expect(await sweepable(world)).toEqual([]);
    const since = clock.instant;
    await Recording.begin(repository, clock, world.history);
    expect(await sweepable(world)).toEqual([]);
    clock.instant += graceMs;
    const left = (await sweepable(world)).map(({ name }) => name);
    expect(left).toHaveLength(2);
    expect(left.every((name) => name.includes("-1c2/part-"))).toBe(true);
    await under.finish(since, since);
    expect(await sweepable(world)).toEqual([]);
  });

  test("does not take for left over whose manifest a listing does not show yet", async () => {
    const world = await begin();
    const { repository, clock, history } = world;
    await foldAll(world, "a1");
    await foldUp(repository, clock.instant, undefined, { unique: "a1" });
    clock.instant += 10 * graceMs;
    const isNew = (name: string) => name.includes("-a1/manifest.json");
    const hidden = (await namesIn(repository.store)).filter(isNew);
    expect(hidden).toHaveLength(2);
    const store = hiding(repository.store, isNew);
    expect(await sweepable(world, store)).toEqual([]);
    await sweep(repository, await sweepable(world));
    const { to } = await LogView.read(repository.store);
    expect(await restoredAt(repository.store, table, to!)).toEqual(history.at(table, to!));
  });

  test("leaves what a fold wrote that was killed, until its lease has lapsed", async () => {
    const world = await begin();
    const { repository, clock } = world;
    const owner = { host: "here", process: 7, isAlive: () => false };
    await Lease.acquire(repository.store, patient(clock), owner, "a1");
    // Killed before it put a manifest, which may be on its way yet.
    const store = overriding(repository.store, {
      put: (name, bytes) =>
        name.endsWith("manifest.json")
          ? Promise.reject(new Error("killed"))
          : repository.store.put(name, bytes),
    });
    await expect(foldAll(world, "a1", store)).rejects.toThrow("killed");
    const until = clock.instant;
    await expect(
      foldUp({ ...repository, store }, until, undefined, { unique: "a1x" }),
    ).rejects.toThrow("killed");
    expect(await sweepable(world)).toEqual([]);
    clock.instant += graceMs;
    const left = (await sweepable(world)).map(({ name }) => name);
    expect(left.filter((name) => name.startsWith("folded/")).length).toBeGreaterThan(1);
    expect(left.filter((name) => name.startsWith("bases/"))).toHaveLength(2);
    expect(left.every((name) => /-a1x?\//.test(name))).toBe(true);
  });
});

describe("a sweep of many objects", () => {
  const manifests = Array.from(
    { length: 3 },
    (_, i) => `bases/${table}/00000000000000${i}-a/manifest.json`,
  );
  const parts = Array.from(
    { length: 500 },
    (_, i) => `bases/${table}/00000000000000${i % 3}-a/part-${i}.zst`,
  );
  const objects = parts.flatMap((name, i) => [
    ...(i < 3 ? [{ name: manifests[i]!, size: 1 }] : []),
    { name, size: 1 },
  ]);

  test("deletes them with few requests, and no part before the last manifest", async () => {
    const repository = await makeRepository();
    const requests: string[][] = [];
    const deleteMany = async (names: readonly string[]) => void requests.push([...names]);
    await sweep(
      { ...repository, store: overriding<ObjectStore>(repository.store, { deleteMany }) },
      objects,
    );
    expect(requests).toEqual([
      manifests,
      parts.slice(0, 200),
      parts.slice(200, 400),
      parts.slice(400),
    ]);
  });

  test("ends before the next request when it is told to", async () => {
    const repository = await makeRepository();
    let requests = 0;
    const deleteMany = async () => void (requests += 1);
    const signal = {
      throwIfAborted: () => {
        if (requests === 2) throw new Error("the lease is gone");
      },
    };
    const store = overriding<ObjectStore>(repository.store, { deleteMany });
    await expect(sweep({ ...repository, store }, objects, signal)).rejects.toThrow("lease is gone");
    expect(requests).toBe(2);
  });
});
