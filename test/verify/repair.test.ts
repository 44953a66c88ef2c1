/** What others hold is made anew, and nothing is expired that nobody holds. */
import { beforeAll, describe, expect, test } from "vitest";
import { decodeJsonObject, decodeStored } from "../../src/format/json-object.js";
import type { Instant } from "../../src/instant.js";
import { baseKind, readManifest } from "../../src/repository/bases/base.js";
import { LogView } from "../../src/repository/log/log-view.js";
import { latestExpiry } from "../../src/repository/registers/expiry.js";
import { Lease } from "../../src/repository/registers/lease.js";
import { MemoryStore } from "../../src/storage/memory-store.js";
import type { ObjectStore } from "../../src/storage/object-store.js";
import { sweep } from "../../src/upkeep/sweep.js";
import { directoryOf } from "../../src/verify/object-kinds.js";
import { planRepair, type Repaired, type RepairOptions, repair } from "../../src/verify/repair.js";
import { verify } from "../../src/verify/verify.js";
import { planSweep } from "../repository/looks.js";
import { copyOf, namesIn } from "../repository/recording.js";
import { overriding } from "../simulation/overriding.js";
import { type ChosenObjects, chooseObjects } from "./chosen-objects.js";
import { damages } from "./damages.js";
import {
  makeWorld,
  orders,
  owner,
  PatientClock,
  type Reading,
  readingsOf,
  restored,
  type World,
} from "./world.js";

let world: World;
const objects = new Map<string, Buffer>();
let readings: Reading[];
let chosen: ChosenObjects;

beforeAll(async () => {
  world = await makeWorld();
  for (const name of await namesIn(world.store)) objects.set(name, await world.store.get(name));
  readings = await readingsOf(world);
  chosen = await chooseObjects(world);
});

const options = (extra: Partial<RepairOptions> = {}): RepairOptions => ({
  clock: new PatientClock(world.clock.instant + 3_600_000),
  owner,
  unique: "repair1",
  data: true,
  settleMs: 60_000,
  ...extra,
});

type How = keyof typeof damages;

/** A copy of the world in which some objects are damaged. */
function damagedWorld(...which: [what: string, how: How][]): Promise<MemoryStore> {
  const changes = which.map(([what, how]) => {
    const name = chosen.get(what) ?? what;
    return [name, damages[how](name, objects)] as const;
  });
  return copyOf(world.store, Object.fromEntries(changes));
}

async function expectWhole(store: ObjectStore): Promise<void> {
  const { report } = await verify(store, { share: 1, random: () => 0 });
  expect(report).toMatchObject({ damage: [], lost: [], breaks: [] });
  await expectReadings(store);
}

async function expectReadings(store: ObjectStore): Promise<void> {
  for (const [i, { table, at, documents }] of readings.entries()) {
    if (i % 4 === 0) expect(await restored(store, table, at), `${table} at ${at}`).toBe(documents);
  }
}

/** Deletes what can go a day later, with a grace of an hour. */
async function sweepLater(store: ObjectStore): Promise<string[]> {
  const now = world.clock.instant + 24 * 3_600_000;
  const repository = { ...world.repository, store };
  const plan = await planSweep(repository, { now, aged: now, graceMs: 3_600_000, holdsBegan: [] });
  await sweep(repository, plan);
  return plan.map(({ name }) => name);
}

const outcomes = (repaired: Repaired[]) => repaired.map(({ object, outcome }) => [object, outcome]);

describe("a folded segment that others hold", () => {
  const whats = ["manifest", "part", "catalog", "coverage"];
  const hows: How[] = ["truncated", "flipped", "swapped"];
  const cases = whats.flatMap((what) => hows.map((how) => [what, how] as const));

  test.each(cases)("whose %s is %s is folded anew", async (part, how) => {
    const what = `folded ${part}, others hold it`;
    const store = await damagedWorld([what, how]);
    const { repaired } = await repair(store, options());
    const name = chosen.get(what)!;
    expect(outcomes(repaired)).toEqual([[name, "rebuilt"]]);
    const manifest = `${directoryOf(name)}manifest.json`;
    expect((await latestExpiry(store))!.folded).toEqual({
      [manifest]: expect.any(Number) as number,
    });
    const { pieces } = await LogView.read(store);
    const used = pieces.map((piece) => piece.name);
    expect(repaired[0]!.by.length).toBeGreaterThan(0);
    for (const by of repaired[0]!.by) expect(used).toContain(by);
    expect(used).not.toContain(manifest);
    await expectWhole(store);
    const swept = await sweepLater(store);
    expect(swept).toContain(manifest);
    expect(swept).toEqual(expect.arrayContaining(how === "missing" ? [] : [name]));
    await expectWhole(store);
  });

  test("keeps what it is held by as long as the one made anew is not published for the grace time", async () => {
    const store = await damagedWorld(["folded part, others hold it", "flipped"]);
    await repair(store, options());
    const now = world.clock.instant + 3_600_000 + 1000;
    const repository = { ...world.repository, store };
    const plan = await planSweep(repository, {
      now,
      aged: now,
      graceMs: 3_600_000,
      holdsBegan: [],
    });
    expect(plan.map(({ name }) => name)).not.toContain(chosen.get("segment, folded"));
  });

  test("is left alone, without --data, if what holds it turns out to be damaged", async () => {
    const store = await damagedWorld(
      ["folded manifest, others hold it", "truncated"],
      ["segment, folded", "flipped"],
    );
    // The smaller folded segments hold the same as the segments: one of them is damaged too.
    const smaller = chosen.get("folded manifest, replaced")!;
    const part = `${directoryOf(smaller)}${orders}-000000.zst`;
    const both = await copyOf(store, { [part]: damages.flipped(part, objects) });
    const before = await namesIn(both);
    const { repaired } = await repair(both, options({ data: false }));
    expect(outcomes(repaired)).toEqual([
      [part, "left"],
      [chosen.get("folded manifest, others hold it"), "left"],
      [chosen.get("segment, folded"), "left"],
    ]);
    expect((await namesIn(both)).filter((name) => !name.startsWith("leases/"))).toEqual(
      before.filter((name) => !name.startsWith("leases/")),
    );
  });
});

describe("a base", () => {
  const hows: How[] = ["missing", "truncated", "flipped", "swapped"];
  const cases = [
    "base part, folded",
    "base keys, folded",
    "base keys, copied",
    "base keys, the first",
  ];

  test.each(cases.flatMap((what) => hows.map((how) => [what, how] as const)))(
    "(%s) of which an object is %s is made anew",
    async (what, how) => {
      const store = await damagedWorld([what, how]);
      const { repaired } = await repair(store, options());
      expect(outcomes(repaired)).toEqual([[chosen.get(what), "rebuilt"]]);
      const manifest = chosen.get(what.replace(/part|keys/, "manifest"))!;
      const [was, is] = [objects.get(manifest)!, await readManifest(store, repaired[0]!.by[0]!)];
      const { instant, logFrom, rows, digest, documentBytes } = decodeStored(
        was,
        manifest,
        baseKind,
      );
      expect(is).toMatchObject({ instant, logFrom, rows, digest, documentBytes });
      await expectWhole(store);
      expect(await sweepLater(store)).toContain(manifest);
      await expectWhole(store);
    },
  );

  test("whose manifest cannot be read is made anew; what it alone referred to goes with it", async () => {
    const store = await damagedWorld(["base manifest, folded", "truncated"]);
    const { repaired } = await repair(store, options());
    expect(outcomes(repaired)).toEqual([[chosen.get("base manifest, folded"), "rebuilt"]]);
    const swept = await sweepLater(store);
    expect(swept).toContain(chosen.get("base manifest, folded"));
    expect(swept).toContain(chosen.get("base part, folded"));
    await expectWhole(store);
  });

  test("that was copied, or is the first that is kept, is left, and its cost is said", async () => {
    for (const what of ["base part, copied", "base manifest, the first"]) {
      const store = await damagedWorld([what, "flipped"]);
      const { repaired } = await repair(store, options());
      expect(outcomes(repaired)).toEqual([[chosen.get(what), "left"]]);
      expect(repaired[0]!.costs.length).toBeGreaterThan(0);
      expect((await latestExpiry(store))!.number).toBe(2);
    }
  });
});

describe("of the log", () => {
  test("what nothing else holds is left as it is", async () => {
    for (const part of ["manifest", "part", "catalog"]) {
      const what = `folded ${part}, nothing else holds it`;
      const store = await damagedWorld([what, "flipped"]);
      const before = new Map(await bytesOf(store));
      const { repaired } = await repair(store, options());
      expect(outcomes(repaired)).toEqual([[chosen.get(what), "left"]]);
      expect(repaired[0]!.costs.length).toBeGreaterThan(0);
      const after = (await bytesOf(store)).filter(([name]) => !name.startsWith("leases/"));
      for (const [name, bytes] of after) expect(bytes, name).toEqual(before.get(name));
    }
  });

  test("a segment that a folded one stands for is not needed; another one is left", async () => {
    const store = await damagedWorld(
      ["segment, folded", "flipped"],
      ["segment, in the middle", "missing"],
    );
    const { repaired } = await repair(store, options());
    expect(outcomes(repaired)).toEqual([
      [chosen.get("segment, folded"), "not needed"],
      [chosen.get("segment, in the middle"), "left"],
    ]);
    expect(await sweepLater(store)).toContain(chosen.get("segment, folded"));
  });

  test("parts of a folded segment whose manifest is lost are not swept", async () => {
    const store = await damagedWorld(["folded manifest, nothing else holds it", "missing"]);
    const parts = await namesIn(
      store,
      directoryOf(chosen.get("folded manifest, nothing else holds it")!),
    );
    expect(parts.length).toBeGreaterThan(1);
    const swept = await sweepLater(store);
    expect(swept.filter((name) => parts.includes(name))).toEqual([]);
  });
});

async function bytesOf(store: ObjectStore): Promise<[string, Buffer][]> {
  const names = await namesIn(store);
  return Promise.all(names.map(async (name) => [name, await store.get(name)] as [string, Buffer]));
}

describe("a claim", () => {
  test.each([1, 2, 3, 4])("of epoch %i that is missing is said again", async (epoch) => {
    const name = `writers/0000000${epoch}.json`;
    const store = await damagedWorld([name, "missing"]);
    const { repaired } = await repair(store, options());
    expect(outcomes(repaired)).toEqual([[name, "rebuilt"]]);
    await expectWhole(store);
    const read = (bytes: Buffer) => decodeJsonObject(bytes, name, "writer");
    const { previous } = read(objects.get(name)!);
    // Of the first two nothing is left that could say more than that everything before was expired.
    if (epoch > 2) expect(read(await store.get(name)).previous).toEqual(previous);
  });

  test("that is damaged is left: nothing is put over it", async () => {
    const store = await damagedWorld(["claim 4", "flipped"]);
    const { repaired } = await repair(store, options());
    expect(outcomes(repaired)).toEqual([["writers/00000004.json", "left"]]);
    const altered = damages.flipped("writers/00000004.json", objects);
    expect(await store.get("writers/00000004.json")).toEqual(altered);
  });

  test("is said again before what else is damaged is repaired", async () => {
    const store = await damagedWorld(
      ["claim 4", "missing"],
      ["folded part, others hold it", "flipped"],
    );
    const { repaired } = await repair(store, options());
    expect(outcomes(repaired)).toEqual([
      ["writers/00000004.json", "rebuilt"],
      [chosen.get("folded part, others hold it"), "rebuilt"],
    ]);
    await expectWhole(store);
  });
});

test("several things at once are repaired together", async () => {
  const store = await damagedWorld(
    ["folded coverage, others hold it", "truncated"],
    ["base part, folded", "flipped"],
    ["base keys, copied", "missing"],
  );
  const { repaired } = await repair(store, options());
  expect(repaired.map(({ outcome }) => outcome)).toEqual(["rebuilt", "rebuilt", "rebuilt"]);
  await expectWhole(store);
  // And once is enough.
  expect((await repair(store, options({ unique: "repair2" }))).repaired).toEqual([]);
});

test("a dry run says the same and changes nothing", async () => {
  const store = await damagedWorld(
    ["folded coverage, others hold it", "truncated"],
    ["base part, copied", "flipped"],
    ["writers/00000003.json", "missing"],
  );
  const before = await bytesOf(store);
  const { repaired } = await planRepair(store, options());
  expect(await bytesOf(store)).toEqual(before);
  expect(outcomes(repaired)).toEqual([
    [chosen.get("base part, copied"), "left"],
    [chosen.get("folded coverage, others hold it"), "left"],
    ["writers/00000003.json", "rebuilt"],
  ]);
  await store.put("writers/00000003.json", objects.get("writers/00000003.json")!);
  expect(outcomes((await planRepair(store, options())).repaired)).toEqual([
    [chosen.get("base part, copied"), "left"],
    [chosen.get("folded coverage, others hold it"), "rebuilt"],
  ]);
});

test("nothing is done while somebody else maintains", async () => {
  const store = await damagedWorld(["folded coverage, others hold it", "truncated"]);
  const { clock } = options();
  const other = { ...owner, host: "elsewhere" };
  await Lease.acquire(store, clock, other, "other");
  const before = await bytesOf(store);
  await expect(repair(store, options({ clock }))).rejects.toMatchObject({ code: "fenced" });
  expect(await bytesOf(store)).toEqual(before);
});

test("nothing is expired by a process that stood still for longer than its lease", async () => {
  const damaged = await damagedWorld(["folded coverage, others hold it", "truncated"]);
  const still = options().clock;
  let stoodMs = 0;
  const clock = {
    now: () => still.now() + stoodMs,
    monotonicMs: () => still.monotonicMs() + stoodMs,
    sleep: (ms: number, signal?: AbortSignal) => still.sleep(ms, signal),
  };
  let gets = 0;
  const store = overriding(damaged, {
    get: (name: string) => {
      gets += 1;
      // None of its timers has come meanwhile.
      if (gets === 40) stoodMs = 3_600_000;
      return damaged.get(name);
    },
  });
  const before = await latestExpiry(damaged);
  await expect(repair(store, options({ clock }))).rejects.toMatchObject({ code: "fenced" });
  expect(gets).toBeGreaterThan(40);
  expect(await latestExpiry(damaged)).toEqual(before);
});

/** Fails from the put with this number on. */
class DyingStore extends MemoryStore {
  puts = 0;
  constructor(
    private readonly below: MemoryStore,
    private readonly putsMax: number,
  ) {
    super();
  }
  override async put(name: string, bytes: Uint8Array): Promise<void> {
    this.puts += 1;
    if (this.puts > this.putsMax) throw new Error("killed");
    await this.below.put(name, bytes);
  }
  override get(name: string, range?: { start: number; end: number }): Promise<Buffer> {
    return this.below.get(name, range);
  }
  override tail(name: string, bytes: number) {
    return this.below.tail(name, bytes);
  }
  override size(name: string): Promise<number | undefined> {
    return this.below.size(name);
  }
  override list(prefix: string) {
    return this.below.list(prefix);
  }
  override delete(name: string): Promise<void> {
    return this.below.delete(name);
  }
}

test("killed at any put, it leaves nothing worse, and a second run ends it", async () => {
  const which: [string, How][] = [
    ["folded part, others hold it", "flipped"],
    ["base part, folded", "truncated"],
  ];
  let now: Instant = options().clock.now();
  for (let puts = 0; ; puts += 1) {
    const store = await damagedWorld(...which);
    const dying = new DyingStore(store, puts);
    const error = await repair(dying, options()).then(
      () => undefined,
      (reason: Error) => reason,
    );
    const { report } = await verify(store, { share: 1, random: () => 0 });
    expect(report.lost, `after ${puts} puts`).toEqual([]);
    const allowed = which.map(([what]) => chosen.get(what));
    for (const { object } of report.damage) expect(allowed).toContain(object);
    // By then the lease of the one that was killed has lapsed.
    now += 3_600_000;
    await repair(store, options({ unique: "repair2", clock: new PatientClock(now) }));
    await expectWhole(store);
    if (!error) break;
    expect(error.message).toMatch(/killed|lease/);
    expect(puts).toBeLessThan(60);
  }
}, 120_000);
