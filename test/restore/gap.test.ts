/** Inside a gap a restore gives the state at its begin or at its end, and never a mixture of the two. */
import { beforeEach, describe, expect, test } from "vitest";
import type { Repository } from "../../src/format/description.js";
import { mergeLatest } from "../../src/format/merge.js";
import { formatInstant, type Instant } from "../../src/instant.js";
import { baseCursor } from "../../src/repository/bases/base-reader.js";
import { LogView } from "../../src/repository/log/log-view.js";
import { nextExpiry, putExpiry } from "../../src/repository/registers/expiry.js";
import { RepositoryView } from "../../src/repository/repository-view.js";
import { planDrill } from "../../src/restore/drill-plan.js";
import { type RestorePlan, wantedOf } from "../../src/restore/plan.js";
import type { RestoreRequest } from "../../src/restore/request.js";
import { restore } from "../../src/restore/restore.js";
import { withGapEnds } from "../../src/upkeep/pinned-gaps.js";
import { collect, foldLog, planRestore, readAllCoverage } from "../repository/looks.js";
import { makeRepository, Recording, StillClock } from "../repository/recording.js";
import { Server } from "./captured.js";

const orders = "0a000000-0000-4000-8000-000000000001";
const carts = "0b000000-0000-4000-8000-000000000002";
const names = new Map([
  [orders, "orders"],
  [carts, "carts"],
]);

let repository: Repository;
let clock: StillClock;
let recording: Recording;
/** The last proven instant before the gap of orders and of carts, and the first after it. */
let before: Instant;
let after: Instant;
/** The end of the log. */
let last: Instant;

const shards = [{ primary_replica: "one", replicas: ["one"], nonvoting_replicas: [] }];
const config = (id: string) => ({
  id,
  name: names.get(id),
  db: "shop",
  primary_key: "id",
  shards,
  indexes: [],
  write_hook: null,
  durability: "hard",
  write_acks: "majority",
});

async function copied(id: string, rows: [string, number][]): Promise<Instant> {
  const since = recording.log.stamp().time;
  recording.coverage(id, { state: "copying", since });
  const base = await recording.copy(
    id,
    rows.map(([key, v]) => [key, { id: key, v }]),
  );
  const instant = await recording.tick(50);
  await base.finish(instant, since - 1);
  recording.coverage(id, { state: "live", since: instant });
  return instant;
}

/**
 * Two tables with one gap. What changed in it comes to orders by a resync, which appends versions inside the gap, and
 * to carts by a new copy. Right before it, changes were captured that nothing proves complete.
 */
beforeEach(async () => {
  repository = await makeRepository();
  clock = new StillClock();
  recording = await Recording.begin(repository, clock);
  recording.catalogRead();
  for (const id of [orders, carts]) recording.catalog(["table", id], config(id));
  recording.catalog(["db", "d1"], { id: "d1", name: "shop" });
  recording.catalog(["user", "ann"], { id: "ann", password: true });
  for (const id of [orders, carts])
    await copied(id, [
      ["a", 1],
      ["b", 1],
    ]);
  for (const id of [orders, carts]) recording.put(id, "a", { id: "a", v: 2 });
  before = await recording.tick(50);
  for (const id of [orders, carts]) recording.put(id, "a", { id: "a", v: 3 });
  await recording.tick(50, { frontier: before });
  for (const id of [orders, carts]) {
    recording.coverage(id, { state: "gap", since: before, reason: "the feed was lost" });
  }
  await recording.tick(50, { lagging: { [orders]: before, [carts]: before } });
  const lagging = { [orders]: before, [carts]: before };
  recording.coverage(orders, { state: "resyncing", since: clock.instant });
  recording.put(orders, "b", { id: "b", v: 2 });
  await recording.tick(50, { lagging });
  recording.put(orders, "c", { id: "c", v: 1 });
  const copy = clock.instant;
  after = await copied(carts, [
    ["a", 3],
    ["b", 2],
    ["d", 1],
  ]);
  expect(copy).toBeGreaterThan(before);
  recording.coverage(orders, { state: "live", since: after });
  await recording.tick(50);
  for (const id of [orders, carts]) recording.put(id, "a", { id: "a", v: 4 });
  last = await recording.tick(50);
});

const plan = (request: Partial<RestoreRequest> = {}, of = repository) =>
  planRestore(of, {
    tables: [],
    databases: [],
    renames: new Map(),
    allowInexact: false,
    nearest: false,
    ...request,
  });

const drillAt = async (at: Instant) => {
  const choice = { at, tables: [], databases: [] };
  return planDrill(await RepositoryView.read(repository), choice, "0123456789ab", () => 0.5);
};

/** The documents that a plan gives of a table. */
async function documentsOf(of: RestorePlan, id: string): Promise<string[]> {
  const { base } = of.tables.find(({ config }) => config.id === id)!;
  const log = await collect(
    new LogView(repository.store, of.logs.get(0)!),
    wantedOf(of, 0),
    of.instant,
  );
  const documents: string[] = [];
  const cursors = [baseCursor(repository.store, base), ...log.cursors(id)];
  for await (const winners of mergeLatest(cursors)) {
    for (const { version } of winners) {
      if (version.document !== null) documents.push(version.document.toString());
    }
  }
  await log.dispose();
  return documents;
}

const classesOf = ({ tables }: RestorePlan) =>
  tables.map(({ from, class: of, instant }) => [from.name, of, instant]);

describe("inside a gap", () => {
  test("every instant gives the state at the begin, or that at the end, as asked", async () => {
    const states = { before: ['{"id":"a","v":2}', '{"id":"b","v":1}'] };
    for (let at = before + 1; at < after; at += 1) {
      const begin = await plan({ at, gap: "before" });
      expect(classesOf(begin)).toEqual([
        ["carts", "gap", before],
        ["orders", "gap", before],
      ]);
      const end = await plan({ at, gap: "after" });
      expect(classesOf(end)).toEqual([
        ["carts", "gap", after],
        ["orders", "gap", after],
      ]);
      for (const id of [orders, carts]) {
        expect(await documentsOf(begin, id)).toEqual(states.before);
        expect(await documentsOf(end, id)).toEqual(
          await documentsOf(await plan({ at: after }), id),
        );
      }
    }
  });

  test("the end of a gap that a copy ended is what was copied", async () => {
    const end = await plan({ at: before + 20, gap: "after", tables: ["shop.carts"] });
    expect(end.tables[0]).toMatchObject({ instant: after, base: { instant: after } });
    const documents = ['{"id":"a","v":3}', '{"id":"b","v":2}', '{"id":"d","v":1}'];
    expect(await documentsOf(end, carts)).toEqual(documents);
  });

  test("nothing is restored without a flag, and the error names both ends' flags", async () => {
    await expect(plan({ at: before + 5 })).rejects.toMatchObject({
      code: "instant",
      message: expect.stringContaining("that instant is in a gap (the feed was lost)") as string,
      hint: expect.stringContaining("--gap before or --gap after") as string,
    });
  });

  test("of a drill, the error names no flag, because a drill has none", async () => {
    const hint = `nearest exact: ${formatInstant(before)} and ${formatInstant(after)}`;
    await expect(drillAt(before + 5)).rejects.toMatchObject({ code: "instant", hint });
  });

  test("--allow-inexact alone means the begin", async () => {
    const of = await plan({ at: before + 5, allowInexact: true });
    expect(classesOf(of)[0]).toEqual(["carts", "gap", before]);
  });

  test("each table has an end of its own: one that is exact is restored as of the instant itself", async () => {
    recording.coverage(orders, { state: "gap", since: last, reason: "a fault" });
    recording.put(carts, "e", { id: "e", v: 1 });
    const at = await recording.tick(50, { lagging: { [orders]: last } });
    const live = clock.instant;
    recording.coverage(orders, { state: "live", since: live });
    recording.put(carts, "f", { id: "f", v: 1 });
    await recording.tick(50);
    const of = await plan({ at, gap: "after" });
    expect(classesOf(of)).toEqual([
      ["carts", "exact", at],
      ["orders", "gap", live],
    ]);
    expect((await documentsOf(of, carts)).join()).toContain('"e"');
    expect((await documentsOf(of, carts)).join()).not.toContain('"f"');
  });

  test("a server is given just that", async () => {
    const server = await Server.start();
    try {
      const of = await plan({ at: before + 20, gap: "before" });
      const silent = { reading: () => {}, writing: () => {}, finishing: () => {} };
      const restored = await restore(repository, of, server.target(), clock, silent);
      expect(restored).toMatchObject([
        { from: "shop.carts", class: "gap", documents: 2, matches: true },
        { from: "shop.orders", class: "gap", documents: 2, matches: true },
      ]);
    } finally {
      await server.stop();
    }
  });
});

describe("an open gap", () => {
  beforeEach(async () => {
    recording.coverage(orders, { state: "gap", since: last, reason: "a fault" });
    recording.put(orders, "z", { id: "z" });
    await recording.tick(50, { lagging: { [orders]: last } });
  });

  test("has a begin", async () => {
    const at = last + 20;
    await expect(plan({ at })).rejects.toMatchObject({
      hint: expect.stringContaining("--gap before for the last state that is known") as string,
    });
    await expect(drillAt(at)).rejects.toMatchObject({
      hint: `nearest exact: ${formatInstant(last)}`,
    });
    for (const flag of [{ gap: "before" }, { allowInexact: true }] as const) {
      const of = await plan({ at, ...flag });
      expect(classesOf(of)).toContainEqual(["orders", "unwatched", last]);
      expect(await documentsOf(of, orders)).not.toContain('{"id":"z"}');
    }
  });

  test("has no end yet", async () => {
    await expect(plan({ at: last + 20, gap: "after" })).rejects.toThrow(
      /the state at that end of the gap is not known, because the gap has not ended yet$/,
    );
  });
});

describe("what is not kept of a gap's ends", () => {
  const at = () => before + 20;

  async function thinnedTo(resolutionMs: number, pinned: Instant[] = []) {
    await foldLog(repository, {
      now: clock.instant + 1000,
      settleMs: 0,
      partial: true,
      unique: "u1",
      pinned,
      resolutionOf: () => resolutionMs,
      spanMaxMs: () => Number.MAX_SAFE_INTEGER,
    });
  }

  test("is named where it is thinned, and --nearest takes what is next", async () => {
    await thinnedTo(7);
    for (const gap of ["before", "after"] as const) {
      await expect(plan({ at: at(), gap, tables: ["shop.orders"] })).rejects.toMatchObject({
        message: expect.stringMatching(/not known, because the history is thinned at /) as string,
        hint: expect.stringMatching(
          /^--nearest takes the nearest kept instant outside the gap; /,
        ) as string,
      });
    }
    await expect(drillAt(at())).rejects.toMatchObject({
      message: expect.stringMatching(/not known, because the history is thinned at /) as string,
      hint: expect.stringMatching(/^nearest exact: /) as string,
    });
    const begin = await plan({ at: at(), gap: "before", tables: ["shop.orders"], nearest: true });
    const end = await plan({ at: at(), gap: "after", tables: ["shop.orders"], nearest: true });
    expect(begin.tables[0]!.instant).toBe(Math.floor((before + 1) / 7) * 7 - 1);
    expect(end.tables[0]!.instant).toBe(Math.ceil((after + 1) / 7) * 7 - 1);
  });

  test("stays where the instant is pinned", async () => {
    const pin = { name: "p", at: at(), made: clock.instant };
    const pins = withGapEnds([pin], await readAllCoverage(repository.store));
    expect(pins.map((one) => one.at)).toEqual([at(), before, after]);
    await thinnedTo(
      7,
      pins.map((one) => one.at),
    );
    const of = await plan({ at: at(), gap: "before" });
    expect(await documentsOf(of, orders)).toEqual(['{"id":"a","v":2}', '{"id":"b","v":1}']);
  });

  test("stays where the catalog's is what is pinned", async () => {
    const begin = await recording.tick();
    recording.coverage("catalog", { state: "gap", since: begin, reason: "a fault" });
    const inside = await recording.tick();
    recording.coverage("catalog", { state: "live", since: clock.instant });
    await recording.tick();
    const pin = { name: "p", at: inside, made: clock.instant };
    const pins = withGapEnds([pin], await readAllCoverage(repository.store));
    expect(pins.map((one) => one.at)).toContain(begin);
  });

  test("is named where it has expired", async () => {
    const horizons = { [orders]: { from: at() - 5, base: 0 } };
    await putExpiry(repository.store, { ...nextExpiry(undefined, clock.instant), horizons });
    await expect(plan({ at: at(), gap: "before", tables: ["shop.orders"] })).rejects.toThrow(
      /because the history from before the gap has expired$/,
    );
  });
});

describe("what is late", () => {
  beforeEach(async () => {
    recording.coverage(orders, { state: "late", since: last + 1, to: last + 4000, lateMs: 3999 });
    await recording.tick(5000);
  });

  test("wants the flag, and is restored as of the instant itself", async () => {
    await expect(plan({ at: last + 20 })).rejects.toMatchObject({
      message: expect.stringContaining("late by up to 4.0 s (proofs were 4.0 s apart)") as string,
      hint: expect.stringContaining("or give --allow-inexact") as string,
    });
    await expect(plan({ at: last + 20, gap: "before" })).rejects.toThrow(/is late/);
    const { tables } = await plan({ at: last + 20, allowInexact: true });
    expect(tables[1]).toMatchObject({ class: "late", lateMs: 3999, instant: last + 20 });
  });

  test("is not what is taken where no instant is given", async () => {
    recording.coverage(orders, {
      state: "late",
      since: last + 4001,
      to: clock.instant + 5e3,
      lateMs: 2500,
    });
    await recording.tick(1000);
    expect((await plan()).instant).toBe(last);
    expect((await plan({ tables: ["shop.carts"] })).instant).toBe(clock.instant - 1);
  });
});

describe("the catalog and access", () => {
  /** Another writer, after a while in which nobody captured. */
  async function second(reads: ("catalog" | "access")[]): Promise<Instant> {
    clock.instant += 1000;
    recording = await Recording.begin(repository, clock, recording.history);
    const since = clock.instant;
    for (const id of reads) recording.coverage(id, { state: "live", since });
    for (const id of [orders, carts]) recording.coverage(id, { state: "live", since });
    await recording.tick(50);
    return since;
  }

  test("are as of the end of the gap that is asked for", async () => {
    recording.catalog(["db", "d2"], { id: "d2", name: "old" });
    const stopped = await recording.tick(50);
    const since = await second(["catalog", "access"]);
    recording.catalog(["db", "d2"], { id: "d2", name: "new" });
    await recording.tick(50);
    await expect(plan({ at: stopped + 5 })).rejects.toThrow(
      /^shop\.carts .* that instant is in a gap /,
    );
    const begin = await plan({ at: stopped + 5, gap: "before" });
    expect(begin).toMatchObject({
      catalog: {
        class: "gap",
        instant: stopped,
      },
      accessAsOf: { instant: stopped },
      databases: ["old", "shop"],
    });
    const end = await plan({ at: stopped + 5, gap: "after" });
    expect(end).toMatchObject({ catalog: { class: "gap", instant: since } });
    expect((await plan({ at: since + 52 })).databases).toEqual(["new", "shop"]);
  });

  test("that are behind are taken as far as they were read, if somebody insists", async () => {
    const lagging = { catalog: last + 5, access: last + 5 };
    await recording.tick(20, { lagging });
    recording.catalog(["db", "d2"], { id: "d2", name: "made" });
    recording.catalog(["user", "bob"], { id: "bob", password: true });
    const end = await recording.tick(100, { lagging });
    expect(await plan({ at: end, gap: "before" })).toMatchObject({
      databases: ["shop"],
      access: { users: ["ann"] },
    });
    expect(await plan({ at: end, allowInexact: true })).toMatchObject({
      databases: ["made", "shop"],
      access: { users: ["bob", "ann"] },
    });
  });

  test("that are behind bound the newest instant, each only where it is used", async () => {
    const lagging = { catalog: last + 20, access: last + 10 };
    const end = await recording.tick(100, { lagging });
    expect(await plan()).toMatchObject({ instant: last + 10, withoutAccess: last + 20 });
    expect((await plan({ withoutAccess: true })).instant).toBe(last + 20);
    await expect(plan({ at: end, withoutAccess: true })).rejects.toThrow(
      /catalog is not proven yet/,
    );
    // It may have been made since.
    await expect(plan({ at: end, tables: ["shop.new"] })).rejects.toThrow(
      /catalog is not proven yet/,
    );
    const before = await plan({ at: end, gap: "before" });
    expect(before).toMatchObject({
      catalog: { class: "unwatched", instant: last + 20 },
      accessAsOf: { class: "unwatched", instant: last + 10 },
    });
    const of = await plan({ at: end, allowInexact: true });
    expect(of).toMatchObject({
      catalog: { class: "unwatched", instant: end, reason: expect.stringContaining("only up to") },
      accessAsOf: { class: "unwatched", instant: end },
    });
    expect(classesOf(of)).toEqual([
      ["carts", "exact", end],
      ["orders", "exact", end],
    ]);
  });

  test("access that is not exact is not asked of who restores a table or a database", async () => {
    const end = await recording.tick(100, { lagging: { access: last } });
    await expect(plan({ at: end })).rejects.toMatchObject({
      message: expect.stringContaining("users and grants are known only up to") as string,
      hint: expect.stringContaining("--without-access") as string,
    });
    for (const request of [{ tables: ["shop.orders"] }, { databases: ["shop"] }]) {
      expect((await plan({ at: end, ...request })).accessAsOf).toBeUndefined();
    }
    expect((await plan({ at: end, withoutAccess: true })).access.users).toEqual([]);
    expect((await plan()).access.users).toEqual(["ann"]);
  });

  test("access that was never known is refused, unless it is left out on purpose", async () => {
    repository = await makeRepository();
    clock = new StillClock();
    recording = await Recording.begin(repository, clock);
    recording.coverage("catalog", { state: "live", since: clock.instant });
    recording.catalog(["table", orders], config(orders));
    await copied(orders, [["a", 1]]);
    const end = await recording.tick(50);
    for (const request of [{}, { allowInexact: true }, { at: end }]) {
      await expect(plan(request)).rejects.toMatchObject({
        code: "instant",
        message: expect.stringMatching(/^users and grants were not known at /) as string,
        hint: expect.stringContaining("--without-access") as string,
      });
    }
    expect(await plan({ withoutAccess: true })).toMatchObject({
      instant: end,
      accessAsOf: undefined,
    });
  });

  test("a catalog that was never read wants the flag", async () => {
    repository = await makeRepository();
    recording = await Recording.begin(repository, clock);
    recording.catalog(["table", orders], config(orders));
    const at = await copied(orders, [["a", 1]]);
    await recording.tick(50);
    await expect(plan({ at, tables: ["shop.orders"] })).rejects.toThrow(
      /catalog is not known exactly at .* unwatched/,
    );
    const of = await plan({ at, tables: ["shop.orders"], allowInexact: true });
    expect(of).toMatchObject({ catalog: { class: "unwatched" }, tables: [{ class: "exact" }] });
  });
});
