/** Folded segments stand for their segments: whatever is read of a log is the same before and after. */
import { describe, expect, test } from "vitest";
import type { FoldLogOptions } from "../../src/fold/fold-log.js";
import type { Repository } from "../../src/format/description.js";
import { parseFoldedName, parseSegmentName } from "../../src/format/names.js";
import type { Instant } from "../../src/instant.js";
import { intervalAt, isExactAt } from "../../src/repository/coverage/coverage.js";
import { contains, LogView } from "../../src/repository/log/log-view.js";
import type { ObjectStore } from "../../src/storage/object-store.js";
import {
  catalogAt,
  countsAt,
  foldLog,
  newestBase,
  readCoverage,
  readStatus,
  versionAt,
} from "../repository/looks.js";
import {
  copyOf,
  foldUp,
  History,
  json,
  makeRepository,
  namesIn,
  Recording,
  restoredAt,
  StillClock,
} from "../repository/recording.js";
import { Random } from "../simulated/random.js";

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;
const tables = ["0a000000-0000-4000-8000-000000000001", "0b000000-0000-4000-8000-000000000002"];

interface World {
  repository: Repository;
  store: ObjectStore;
  history: History;
  clock: StillClock;
  /** The first instant at which both tables are exact, and the last. */
  from: Instant;
  to: Instant;
}

/** Two tables over some days: several writers with gaps between them, catalog changes, deletes, a fold in between. */
async function makeWorld(seed: number, days = 3): Promise<World> {
  const random = new Random(seed);
  const clock = new StillClock();
  const repository = await makeRepository();
  const history = new History();
  const begin = clock.instant;
  let from = 0;
  for (let epoch = 1; epoch <= 4; epoch += 1) {
    const recording = await Recording.begin(repository, clock, history);
    for (const table of tables) {
      const state = epoch === 1 ? "copying" : "resyncing";
      recording.coverage(table, { state, since: clock.instant });
      let since = clock.instant;
      if (epoch === 1) {
        const writer = await recording.copy(table, [[1, { id: 1, v: 0 }]]);
        since = await recording.tick(10);
        await writer.finish(since, since - 5);
      }
      recording.coverage(table, { state: "live", since });
    }
    await recording.tick(10);
    from ||= clock.instant;
    const until = begin + (days * dayMs * epoch) / 4;
    while (clock.instant < until) {
      const table = tables[random.below(2)]!;
      for (let i = random.below(6); i >= 0; i -= 1) {
        const key = random.below(12);
        const isThere = typeof history.last(table, json(key)) === "string";
        recording.put(
          table,
          key,
          random.below(4) === 0 && isThere ? null : { id: key, v: clock.instant },
        );
      }
      if (random.below(8) === 0)
        recording.catalog(["db", `d${random.below(3)}`], { id: "d", name: `n${clock.instant}` });
      if (random.below(20) === 0) recording.catalog(["db", `d${random.below(3)}`], null);
      await recording.tick(random.below(2) === 0 ? 1000 : random.below(5_000_000));
    }
    if (epoch === 2) await foldUp(repository, clock.instant);
    clock.instant += 5 * 60_000;
  }
  const to = (await LogView.read(repository.store)).to!;
  return { repository, store: repository.store, history, clock, from, to };
}

const folding = (now: Instant, extra: Partial<FoldLogOptions> = {}): FoldLogOptions => ({
  now,
  settleMs: 60_000,
  partial: true,
  unique: "u1",
  resolutionOf: () => 1,
  spanMaxMs: () => Number.MAX_SAFE_INTEGER,
  pinned: [],
  ...extra,
});

/** What can be read at some instants; the same world must give the same text. */
async function readings(world: World, store: ObjectStore, instants: Instant[]): Promise<string> {
  const repository = { ...world.repository, store };
  const view = await LogView.read(store);
  const coverage = await readCoverage(view);
  const readings: unknown[] = [[...coverage], view.holes()];
  const { segments: _, foldedSegments: __, ...status } = await readStatus(repository);
  readings.push(status);
  for (const at of instants) {
    const records = [...(await catalogAt(store, at)).records];
    readings.push(records.sort(([a], [b]) => (a < b ? -1 : 1)));
    for (const table of tables) {
      readings.push(await countsAt(view, table, at));
      if (!intervalAt(coverage.get(table)!, at)) continue;
      readings.push(await restoredAt(store, table, at));
      const version = await versionAt(view, table, json(3), at);
      readings.push([version?.time, version?.sequence, version?.document?.toString()]);
    }
  }
  return JSON.stringify(readings, undefined, 1);
}

function instantsOf({ history, from, to }: World, count: number, seed: number): Instant[] {
  const random = new Random(seed);
  const all = history.instants().filter((at) => at >= from && at <= to);
  const some = Array.from({ length: count }, () => all[random.below(all.length)]!);
  return [from, ...some, ...some.map((at) => at - 1), to].filter((at) => at >= from);
}

/** The store without what folded segments stand for; only the newest segment stays. */
async function withoutInputs(store: ObjectStore): Promise<ObjectStore> {
  const view = await LogView.read(store);
  const used = new Set(view.pieces.map(({ name }) => name));
  const newest = view.believed.segments.at(-1)!.name;
  const gone: Record<string, undefined> = {};
  for (const name of await namesIn(store)) {
    const segment = parseSegmentName(name);
    if (
      segment &&
      name !== newest &&
      view.pieces.some((p) => p.kind === "folded" && contains(p, segment))
    )
      gone[name] = undefined;
    const folded = parseFoldedName(name);
    if (folded && !used.has(name)) {
      for (const part of await namesIn(store, name.replace("manifest.json", "")))
        gone[part] = undefined;
    }
  }
  return copyOf(store, gone);
}

describe("folded segments", () => {
  test("read as their segments do, before and after those are gone", {
    timeout: 60_000,
  }, async () => {
    for (let seed = 1; seed <= 3; seed += 1) {
      const world = await makeWorld(seed);
      const instants = instantsOf(world, 12, seed);
      const before = await readings(world, world.store, instants);
      const segments = (await namesIn(world.store, "log/")).length;
      const report = await foldLog(world.repository, folding(world.clock.instant + hourMs));
      expect(report.written).toBeGreaterThan(3);
      expect(await readings(world, world.store, instants)).toBe(before);
      const alone = await withoutInputs(world.store);
      expect((await namesIn(alone, "log/")).length).toBe(1);
      expect(segments).toBeGreaterThan(60);
      expect(await readings(world, alone, instants)).toBe(before);
      const manifests = (await namesIn(alone, "folded/")).filter((name) => parseFoldedName(name));
      // Of complete days one each, of the last one at most its hours and the rest.
      expect(manifests.length).toBeLessThan(3 + 24 + 6);
    }
  });

  test("fold step by step to the same readings, with few lines in memory", {
    timeout: 60_000,
  }, async () => {
    const world = await makeWorld(7, 2);
    const instants = instantsOf(world, 12, 7);
    const before = await readings(world, world.store, instants);
    let store = world.store;
    for (let now = world.from; now < world.to + dayMs; now += 7 * hourMs) {
      const options = folding(now, { partial: false, unique: `u${now}`, memoryBytesMax: 2000 });
      await foldLog({ ...world.repository, store }, options);
      store = await withoutInputs(store);
    }
    expect(await readings(world, store, instants)).toBe(before);
  });

  test("that are thinned keep exactly the ends of their spans and what is pinned", {
    timeout: 60_000,
  }, async () => {
    const world = await makeWorld(11);
    const resolutionMs = hourMs;
    const pinned = [instantsOf(world, 1, 3)[1]!];
    const options = { resolutionOf: () => resolutionMs, pinned };
    await foldLog(world.repository, folding(world.clock.instant + dayMs, options));
    const store = await withoutInputs(world.store);
    const coverage = await readCoverage(store);
    const random = new Random(5);
    let kept = 0;
    for (const table of tables) {
      const of = coverage.get(table)!;
      expect(of.intervals.some((interval) => interval.resolutionMs === resolutionMs)).toBe(true);
      const ends: Instant[] = [...pinned];
      for (let at = world.from; at < world.to; at += resolutionMs) {
        ends.push((Math.floor(at / resolutionMs) + 1) * resolutionMs - 1);
      }
      for (const at of ends) {
        if (!isExactAt(intervalAt(of, at), at)) continue;
        kept += 1;
        expect(await restoredAt(store, table, at)).toEqual(world.history.at(table, at));
      }
      for (let i = 0; i < 50; i += 1) {
        const at = world.from + random.below(world.to - world.from);
        const isKept = (at + 1) % resolutionMs === 0 || pinned.includes(at);
        const interval = intervalAt(of, at);
        if (interval?.resolutionMs) expect(isExactAt(interval, at)).toBe(isKept);
      }
    }
    expect(kept).toBeGreaterThan(40);
    expect(await newestBase(store, tables[0]!, world.to)).toBeDefined();
    const versions = async (of: ObjectStore) => {
      const { pieces } = await LogView.read(of);
      return pieces
        .flatMap((p) => (p.kind === "folded" ? p.manifest.tables : []))
        .flatMap((t) => t.parts)
        .reduce((sum, part) => sum + part.rows, 0);
    };
    expect(await versions(store)).toBeLessThan(world.history.instants().length);
  });

  test("keep of the pins what earlier thinning has left, and of the pins that are gone nothing", async () => {
    const world = await makeWorld(19, 2);
    const [table] = tables;
    const thin = (resolutionMs: number, pinned: Instant[], days: number) => {
      const now = world.clock.instant + days * dayMs;
      const options = { resolutionOf: () => resolutionMs, pinned, unique: `u${days}` };
      return foldLog(world.repository, folding(now, options));
    };
    const changes = world.history.instants().filter((at) => at > world.from + hourMs);
    const [early, removed] = [changes[10]!, changes[20]!];
    await thin(60_000, [early, removed], 1);
    /** Not on the grid, and not what the grid shows: it is gone by now. */
    const late = changes.find((at) => {
      const shown = world.history.at(table!, at - ((at + 1) % 60_000));
      return json(world.history.at(table!, at)).compare(json(shown)) !== 0;
    })!;
    expect((late + 1) % 60_000).not.toBe(0);
    await thin(hourMs, [early, late], 2);
    const of = (await readCoverage(world.store)).get(table!)!;
    const isClaimed = (at: Instant) => isExactAt(intervalAt(of, at), at);
    expect([early, removed, late].map(isClaimed)).toEqual([true, false, false]);
    expect(await restoredAt(world.store, table!, early)).toEqual(world.history.at(table!, early));
  });

  test("that overlap are read as if they did not", async () => {
    for (let seed = 31; seed < 34; seed += 1) {
      const world = await makeWorld(seed, 2);
      const instants = instantsOf(world, 12, seed);
      const before = await readings(world, world.store, instants);
      const middle = Math.floor(world.from / dayMs) * dayMs + 1.5 * dayMs;
      const now = world.clock.instant + hourMs;
      const [early, late] = [await copyOf(world.store), await copyOf(world.store)];
      const isEarly = ({ to }: { to: Instant }) => to < middle + 4 * hourMs;
      const isLate = ({ from }: { from: Instant }) => from > middle - 4 * hourMs;
      const within = { early: { within: isEarly }, late: { within: isLate } };
      await foldLog({ ...world.repository, store: early }, folding(now, within.early));
      const second = folding(now, { ...within.late, unique: "u2" });
      await foldLog({ ...world.repository, store: late }, second);
      const folded = await namesIn(late, "folded/");
      const added = folded.map(async (name) => [name, await late.get(name)] as const);
      const both = await copyOf(early, Object.fromEntries(await Promise.all(added)));
      const { pieces } = await LogView.read(both);
      expect(pieces.some((piece, i) => i > 0 && piece.from <= pieces[i - 1]!.to)).toBe(true);
      expect(await readings(world, both, instants)).toBe(before);
      expect(await readings(world, await withoutInputs(both), instants)).toBe(before);
    }
  });

  test("are merged into bases, and their versions counted", async () => {
    const world = await makeWorld(17, 1);
    const unchanged = { skipUnchanged: true };
    const [plain] = await foldUp(
      { ...world.repository, store: await copyOf(world.store) },
      world.to,
      [tables[0]!],
      unchanged,
    );
    expect(plain).toMatchObject({ folded: true, breaks: 0 });
    expect(plain!.versions).toBeGreaterThan(10);
    await foldLog(world.repository, folding(world.clock.instant + hourMs));
    const repository = { ...world.repository, store: await withoutInputs(world.store) };
    const [folded] = await foldUp(repository, world.to, [tables[0]!], unchanged);
    expect(folded).toMatchObject({ folded: true, breaks: 0, versions: plain!.versions });
  });

  test("are passed over when one is damaged, while what they stand for is there; then cost their span", async () => {
    const world = await makeWorld(13, 1);
    const instants = instantsOf(world, 6, 13);
    const before = await readings(world, world.store, instants);
    await foldLog(world.repository, folding(world.clock.instant + hourMs));
    const manifests = (await namesIn(world.store, "folded/")).filter((name) =>
      parseFoldedName(name),
    );
    const used = (await LogView.read(world.store)).pieces.filter(({ kind }) => kind === "folded");
    const victim = used[Math.floor(used.length / 2)]!;
    expect(manifests).toContain(victim.name);
    const truncated = (await world.store.get(victim.name)).subarray(0, 100);
    const routed = await copyOf(world.store, { [victim.name]: truncated });
    expect(await readings(world, routed, instants)).toBe(before);
    expect((await LogView.read(routed)).damaged.map(({ name }) => name.name)).toEqual([
      victim.name,
    ]);
    const alone = await copyOf(await withoutInputs(world.store), { [victim.name]: truncated });
    const coverage = await readCoverage(alone);
    for (const table of tables) {
      const inside = intervalAt(coverage.get(table)!, victim.from + 1);
      expect(inside?.class === "exact").toBe(false);
      const after = coverage
        .get(table)!
        .intervals.filter(({ from, class: of }) => from > victim.to && of === "exact");
      for (const { from } of after) {
        expect(await restoredAt(alone, table, from)).toEqual(world.history.at(table, from));
      }
    }
  });
});
