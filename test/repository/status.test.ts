import { beforeEach, describe, expect, test } from "vitest";
import type { Repository } from "../../src/format/description.js";
import { LogView } from "../../src/repository/log/log-view.js";
import { totalsAt } from "../../src/repository/log/totals.js";
import { countsAt, newestBase, readStatus } from "./looks.js";
import { foldUp, makeRepository, Recording, StillClock } from "./recording.js";

const table = "0a000000-0000-4000-8000-000000000001";
const other = "0b000000-0000-4000-8000-000000000002";
const all = Number.MAX_SAFE_INTEGER;

let repository: Repository;
let clock: StillClock;
let recording: Recording;
beforeEach(async () => {
  repository = await makeRepository();
  clock = new StillClock(1_000_000);
  recording = await Recording.begin(repository, clock);
  recording.catalogRead();
});

const view = () => LogView.read(repository.store);
const totals = async (instant = all) => totalsAt(await view(), instant);

/** A table with a complete base; returns the base's instant. */
async function copied(id: string, name: string, keys: string[], during?: () => void) {
  const since = recording.log.stamp().time;
  recording.catalog(["table", id], { id, name, db: "shop", primary_key: "id" });
  recording.coverage(id, { state: "copying", since });
  const base = await recording.copy(
    id,
    keys.map((key) => [key, { id: key }]),
  );
  during?.();
  const instant = await recording.tick();
  await base.finish(instant, since - 1);
  recording.coverage(id, { state: "live", since: instant });
  return instant;
}

describe("totals", () => {
  test("count changes, inserts, deletes and bytes of lines, across ticks, checkpoints and epochs", async () => {
    let bytes = 0;
    const put = (key: string, document: object | null) => {
      recording.put(table, key, document);
      const previous = document === null || key === "again" ? '"0123456789abcdef"' : "null";
      const d = JSON.stringify(document);
      const sequence = recording.log.stamp().sequence - 1;
      bytes +=
        `{"k":"${key}","t":${clock.instant},"n":${sequence},"u":"${table}","p":${previous},"d":${d}}\n`
          .length;
    };
    for (let epoch = 0; epoch < 3; epoch += 1) {
      for (let i = 0; i < 5; i += 1) {
        put(`${epoch}-${i}`, { id: i, text: "é".repeat(0) });
        if (i === 4) put(`${epoch}-${i}`, null);
        // Checkpoints come every minute.
        await recording.tick(i % 2 === 0 ? 1000 : 61_000);
      }
      recording = await Recording.begin(repository, clock, recording.history);
    }
    expect((await totals()).get(table)).toEqual({ changes: 18, inserts: 15, deletes: 3, bytes });
    expect((await totals()).get(other)).toBeUndefined();
  });

  test("at an instant are those up to the end of its segment; countsAt is exact to the millisecond", async () => {
    const times: number[] = [];
    for (let i = 0; i < 12; i += 1) {
      clock.instant += 10;
      recording.put(table, i % 4, i % 5 === 4 ? null : { id: i });
      times.push(clock.instant);
      if (i % 3 === 2) await recording.tick(5);
    }
    for (const [i, at] of times.entries()) {
      expect((await totals(at)).get(table)?.changes).toBe(3 * (Math.floor(i / 3) + 1));
      const counts = (await countsAt(await view(), table, at))!;
      const until = Array.from({ length: i + 1 }, (_, n) => n);
      const deleted = until.filter((n) => n % 5 === 4);
      expect(counts.changes).toBe(i + 1);
      expect(counts.deletes).toBe(deleted.length);
      const before = (await countsAt(await view(), table, at - 1))!;
      expect(before.changes).toBe(i);
      expect(counts.inserts - counts.deletes).toBe(recording.history.at(table, at).length);
    }
  });
});

describe("status", () => {
  test("of an empty repository", async () => {
    const empty = await readStatus(await makeRepository());
    expect(empty).toMatchObject({ tables: [], restorableUntil: undefined, segments: 0 });
    expect(empty.lastSegment).toBeUndefined();
  });

  test("counts documents from the base and the log", async () => {
    const first = await copied(table, "orders", ["a", "b", "c"]);
    await copied(other, "carts", []);
    recording.put(table, "d", { id: "d" });
    recording.put(table, "a", null);
    recording.put(table, "b", { id: "b", n: 2 });
    recording.put(other, "x", { id: "x" });
    const last = await recording.tick(1000, {
      frontier: first + 3000,
      lagging: { [other]: first + 2000 },
    });
    const status = await readStatus(repository);
    expect(status.tables.map(({ name }) => name)).toEqual(["shop.carts", "shop.orders"]);
    expect(status.tables[1]).toMatchObject({
      id: table,
      state: "live",
      documents: 3,
      documentsExact: true,
      changes: 3,
      firstRestorable: first,
      lastRestorable: first + 3000,
    });
    expect(status.tables[0]).toMatchObject({ documents: 1, changes: 1 });
    expect(status).toMatchObject({ restorableUntil: first + 2000, lastSegment: last, segments: 3 });
  });

  test("does not claim a count where changes came while the base was copied; after a fold it does", async () => {
    await copied(table, "orders", ["a", "b"], () => {
      recording.put(table, "b", null);
      recording.put(table, "c", { id: "c" });
    });
    recording.put(table, "d", { id: "d" });
    const at = await recording.tick();
    expect((await readStatus(repository)).tables[0]).toMatchObject({
      documentsExact: false,
      documentsBetween: [2, 4],
    });
    await foldUp(repository, at);
    const [folded] = (await readStatus(repository)).tables;
    expect(folded).toMatchObject({ documents: 3, documentsExact: true });
    expect(folded).not.toHaveProperty("documentsBetween");
  });

  test("counts exactly from a base that was folded within a tick", async () => {
    await copied(table, "orders", ["a", "b"]);
    await recording.tick();
    clock.instant += 100;
    recording.put(table, "c", { id: "c" });
    const within = clock.instant + 50;
    clock.instant += 100;
    recording.put(table, "d", { id: "d" });
    recording.put(table, "a", null);
    await recording.tick();
    await foldUp(repository, within);
    expect((await newestBase(repository.store, table, all))?.rows).toBe(3);
    expect((await readStatus(repository)).tables[0]).toMatchObject({
      documents: 3,
      documentsExact: true,
    });
  });

  test("does not claim a count after a gap; after a fold it does", async () => {
    await copied(table, "orders", ["a", "b"]);
    await recording.tick();
    recording = await Recording.begin(repository, clock, recording.history);
    recording.coverage(table, { state: "resyncing", since: clock.instant });
    const live = await recording.tick();
    expect((await readStatus(repository)).tables[0]).toMatchObject({ documentsExact: false });
    recording.coverage(table, { state: "live", since: live });
    const at = await recording.tick();
    expect((await readStatus(repository)).tables[0]).toMatchObject({ documentsExact: false });
    await foldUp(repository, at);
    expect((await readStatus(repository)).tables[0]).toMatchObject({
      documents: 2,
      documentsExact: true,
    });
  });

  test("nothing can be restored in all while one table has no base yet; a table not captured does not count", async () => {
    await copied(table, "orders", ["a"]);
    recording.catalog(["table", "t9"], { id: "t9", name: "excluded", db: "shop" });
    const at = await recording.tick();
    expect(await readStatus(repository)).toMatchObject({ restorableUntil: at });
    recording.catalog(["table", other], { id: other, name: "carts", db: "shop" });
    recording.coverage(other, { state: "copying", since: at });
    await recording.tick();
    const status = await readStatus(repository);
    expect(status.restorableUntil).toBeUndefined();
    expect(status.tables.map(({ name, state, documents }) => [name, state, documents])).toEqual([
      ["shop.carts", "copying", undefined],
      ["shop.excluded", "not captured", undefined],
      ["shop.orders", "live", 1],
    ]);
  });

  test("a dropped table keeps its last name, and does not hold back the others", async () => {
    await copied(table, "orders", ["a"]);
    await copied(other, "carts", ["x"]);
    const dropped = await recording.tick();
    recording.catalog(["table", other], null);
    recording.coverage(other, { state: "dropped", since: dropped });
    const at = await recording.tick();
    const status = await readStatus(repository);
    expect(status.restorableUntil).toBe(at);
    expect(status.tables[0]).toMatchObject({
      name: "shop.carts",
      state: "dropped",
      lastRestorable: dropped,
    });
  });

  test("is restorable no farther than the catalog is known, and with users and grants no farther than these", async () => {
    const first = await copied(table, "orders", ["a"]);
    await recording.tick(60_000, { lagging: { catalog: first + 40, access: first + 25 } });
    const to = clock.instant - 1;
    expect(await readStatus(repository)).toMatchObject({
      restorableUntil: first + 25,
      restorableWithoutAccess: first + 40,
      proofBoundMs: 2000,
      catalog: { state: "live", frontier: first + 40, behindMs: to - first - 40 },
      access: { frontier: first + 25, behindMs: to - first - 25 },
    });
    await recording.tick();
    expect(await readStatus(repository)).toMatchObject({
      restorableUntil: clock.instant - 1,
      restorableWithoutAccess: clock.instant - 1,
      catalog: { behindMs: 0 },
    });
  });

  test("is not restorable by itself where the catalog was never read", async () => {
    repository = await makeRepository();
    recording = await Recording.begin(repository, clock);
    await copied(table, "orders", ["a"]);
    await recording.tick();
    const status = await readStatus(repository);
    expect(status).toMatchObject({ catalog: undefined, access: undefined });
    expect(status.restorableUntil).toBeUndefined();
  });

  test("sums up what is late, and is restorable up to before it", async () => {
    const from = await copied(table, "orders", ["a"]);
    const until = from + 20_000;
    for (let i = 0; i < 3; i += 1) {
      const since = from + 1000 + i * 5000;
      recording.coverage(table, { state: "late", since, to: since + 2999, lateMs: 3000 + i });
    }
    await recording.tick(20_000, { frontier: until });
    const late = { spans: 3, worstMs: 3002, last: from + 13_999 };
    expect((await readStatus(repository)).tables[0]).toMatchObject({ late, documentsExact: true });
    expect(await readStatus(repository)).toMatchObject({ restorableUntil: until });
    recording.coverage(table, { state: "late", since: until - 1000, to: until, lateMs: 2500 });
    await recording.tick(1000, { frontier: until });
    expect(await readStatus(repository)).toMatchObject({ restorableUntil: until - 1001 });
  });
});
