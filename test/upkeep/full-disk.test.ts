/** On a full disk a round of maintenance makes room, with what was kept aside for it; on a small real one. */
import { randomBytes } from "node:crypto";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Repository } from "../../src/format/description.js";
import { openOrCreateRepository } from "../../src/repository/repository.js";
import { DirectoryStore } from "../../src/storage/directory-store.js";
import { MemoryStore } from "../../src/storage/memory-store.js";
import { type ObjectStore, StoreFull } from "../../src/storage/object-store.js";
import { type Maintained, type MaintenanceOptions, maintain } from "../../src/upkeep/maintain.js";
import { SmallDisk } from "../endtoend/small-disk.js";
import { patient } from "../repository/month.js";
import { History, namesIn, Recording, StillClock } from "../repository/recording.js";
import { overriding } from "../simulation/overriding.js";

const table = "0a000000-0000-4000-8000-000000000001";
const minuteMs = 60_000;

let clock: StillClock;
let history: History;
let repository: Repository;
let recording: Recording;

async function begin(store: ObjectStore): Promise<void> {
  clock = new StillClock();
  history = new History();
  repository = await openOrCreateRepository(store, clock.instant);
  recording = await Recording.begin(repository, clock, history);
  recording.coverage(table, { state: "copying", since: clock.instant });
  const copied = await recording.copy(table, [[1, { id: 1 }]]);
  const live = await recording.tick(10);
  await copied.finish(live, live - 10);
  recording.coverage(table, { state: "live", since: live });
}

async function work(minutes: number): Promise<void> {
  for (let minute = 0; minute < minutes; minute += 1) {
    // More than is kept aside: a fold of these must not fit.
    recording.put(table, minute, { id: minute, text: randomBytes(20_000).toString("base64") });
    await recording.tick(minuteMs);
  }
}

function round(
  unique: string,
  changes: Partial<MaintenanceOptions> = {},
  store = repository.store,
): Promise<Maintained> {
  return maintain(
    { ...repository, store },
    {
      clock: patient(clock),
      owner: { host: "test", process: 2, isAlive: () => false },
      unique,
      bases: () => ({ until: clock.instant }),
      partial: true,
      settleMs: 0,
      expires: true,
      graceMs: 15 * minuteMs,
      ...changes,
    },
    { onRows: () => undefined, phase: () => undefined },
  );
}

describe("on a disk", () => {
  let directory: string;
  let disk: SmallDisk | undefined;

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), "thinkback-full-"));
    disk = SmallDisk.mount(join(directory, "disk"), 8 << 20);
    await begin(new DirectoryStore(disk?.path ?? join(directory, "disk")));
  });

  afterEach(async () => {
    disk?.unmount();
    await rm(directory, { recursive: true });
  });

  test("what was replaced goes, and then there is room again", async (context) => {
    if (!disk) return context.skip();
    await work(30);
    await round("m1");
    await work(30);
    await disk.fill();
    await expect(repository.store.put("log/x", Buffer.alloc(1))).rejects.toThrow(StoreFull);
    const segments = (await namesIn(repository.store, "log/")).length;
    const { full, deleted, log } = await round("m2");
    expect(full).toBeInstanceOf(StoreFull);
    expect(log.written).toBe(0);
    expect(deleted.length).toBeGreaterThan(20);
    expect((await namesIn(repository.store, "log/")).length).toBeLessThan(segments);
    await repository.store.put("log/x", Buffer.alloc(1));
    await disk.free();
    const again = await round("m3");
    expect(again.full).toBeUndefined();
    expect(again.log.written).toBeGreaterThan(0);
    const kept = await readdir(disk.path);
    expect(kept.filter((name) => name.startsWith(".reserve-"))).toHaveLength(16);
  });

  test("before the first round: what a copy left that was cut short goes, and then there is room", async (context) => {
    if (!disk) return context.skip();
    const rows = Array.from({ length: 50 }, (_, id): [number, object] => [
      id,
      { id, text: randomBytes(20_000).toString("base64") },
    ]);
    await recording.copy(table, rows, 200_000);
    recording = await Recording.begin(repository, clock, history);
    await work(30);
    await disk.fill();
    await expect(repository.store.put("log/x", Buffer.alloc(1))).rejects.toThrow(StoreFull);
    const { deleted } = await round("m1");
    const names = deleted.map(({ name }) => name);
    expect(names).toContainEqual(expect.stringMatching(/^bases\/.*-1c2\/part-/));
    await repository.store.put("log/x", Buffer.alloc(200_000));
  });

  test("a round that may not delete ends with what is wrong", async (context) => {
    if (!disk) return context.skip();
    await work(5);
    await disk.fill();
    await expect(round("m1", { graceMs: undefined })).rejects.toMatchObject({ code: "full" });
  });
});

test("what a fold wrote before the store was full goes in the same round", async () => {
  await begin(new MemoryStore());
  await work(30);
  const put = async (name: string, bytes: Uint8Array) => {
    if (/folded\/.*manifest/.test(name)) throw new StoreFull(name, undefined);
    await repository.store.put(name, bytes);
  };
  const { full, deleted } = await round("m1", {}, overriding(repository.store, { put }));
  expect(full).toBeInstanceOf(StoreFull);
  expect(deleted.map(({ name }) => name)).toContainEqual(expect.stringMatching(/^folded\/.*-m1\//));
  expect(await namesIn(repository.store, "folded/")).toEqual([]);
});
