/** Which instant is taken where none is given, and what becomes of one that is not proven yet. */
import { beforeEach, describe, expect, test } from "vitest";
import type { Clock } from "../../src/clock.js";
import type { Instant } from "../../src/instant.js";
import type { Repository } from "../../src/repository/repository.js";
import type { RestoreRequest } from "../../src/restore/request.js";
import { whenProven } from "../../src/restore/when-proven.js";
import { planRestore } from "../repository/looks.js";
import { makeRepository, Recording, StillClock } from "../repository/recording.js";

const first = "0a000000-0000-4000-8000-000000000001";
const second = "0b000000-0000-4000-8000-000000000002";
const carts = "0c000000-0000-4000-8000-000000000003";

let repository: Repository;
let recording: Recording;
let clock: StillClock;

beforeEach(async () => {
  repository = await makeRepository();
  clock = new StillClock();
  recording = await Recording.begin(repository, clock);
  recording.catalogRead();
  recording.catalog(["db", "d1"], { id: "d1", name: "shop" });
  await copied(first, "orders");
});

async function copied(id: string, name: string): Promise<Instant> {
  const shards = [{ primary_replica: "one", replicas: ["one"], nonvoting_replicas: [] }];
  const settings = { durability: "hard", write_acks: "majority", write_hook: null };
  const config = { id, db: "shop", name, primary_key: "id", indexes: [], shards, ...settings };
  recording.catalog(["table", id], config);
  const since = recording.log.stamp().time;
  recording.coverage(id, { state: "copying", since });
  const base = await recording.copy(id, [["k", { id: "k" }]]);
  const instant = await recording.tick(50);
  await base.finish(instant, since - 1);
  recording.coverage(id, { state: "live", since: instant });
  return recording.tick(50);
}

const plan = (request: Partial<RestoreRequest> = {}) =>
  planRestore(repository, {
    tables: ["shop.orders"],
    databases: [],
    renames: new Map(),
    allowInexact: false,
    nearest: false,
    ...request,
  });

const refused = (message: RegExp) =>
  expect.objectContaining({ code: "instant", message: expect.stringMatching(message) });

describe("a table that has the name of one before it, and no base yet", () => {
  let last: Instant;

  beforeEach(async () => {
    last = clock.instant;
    clock.instant += 1;
    recording.catalog(["table", first], null);
    recording.coverage(first, { state: "dropped", since: last });
    recording.catalog(["table", second], { id: second, db: "shop", name: "orders" });
    recording.coverage(second, { state: "copying", since: clock.instant });
    await recording.tick(50);
  });

  test("the one before it is restored to its last instant", async () => {
    const { instant, tables } = await plan();
    expect([instant, tables[0]?.config.id]).toEqual([last, first]);
  });

  test("when its own copy is complete, it is that one", async () => {
    const complete = await copied(second, "orders");
    const { instant, tables } = await plan();
    expect([instant, tables[0]?.config.id]).toEqual([complete, second]);
  });

  test("where no instant has all that are named, it is said of which", async () => {
    await copied(carts, "carts");
    await expect(plan({ tables: ["shop.orders", "shop.carts"] })).rejects.toEqual(
      refused(/nothing was captured of shop\.orders|shop\.orders cannot be restored/),
    );
  });
});

test("a table without a base and without one before it is named", async () => {
  recording.catalog(["table", carts], { id: carts, db: "shop", name: "carts" });
  recording.coverage(carts, { state: "copying", since: clock.instant });
  await recording.tick(50);
  await expect(plan({ tables: ["shop.carts"] })).rejects.toEqual(
    refused(/nothing of shop\.carts can be restored yet/),
  );
});

test("a table that is not captured any more holds back the others, and is named for it", async () => {
  await copied(carts, "carts");
  const last = clock.instant;
  recording.coverage(first, { state: "stopped", since: last, reason: "it is odd" });
  await recording.tick(20_000);
  const all = { tables: [], withoutAccess: true };
  expect(await plan(all)).toMatchObject({ instant: last });
  expect((await plan(all)).heldBack).toBeUndefined();
  const now = await recording.tick(20_000);
  const { instant, heldBack } = await plan(all);
  expect(instant).toBe(last);
  expect(heldBack).toEqual({ by: "table", table: "shop.orders", knownTo: last, tablesTo: now });
  const others = await plan({ ...all, tables: ["shop.carts"] });
  expect([others.instant, others.heldBack]).toEqual([now, undefined]);
  const { tables } = await plan({ ...all, at: now, gap: "before" });
  expect(tables.map(({ from, instant: as }) => [from.name, as])).toEqual([
    ["carts", now],
    ["orders", last],
  ]);
});

describe("an instant after all that is proven", () => {
  /** Lets the capture write a segment each time that somebody waits. */
  function waiting(segment: () => Promise<unknown>): Clock & { waits: number } {
    let monotonicMs = 0;
    return {
      waits: 0,
      now: () => clock.instant + 100_000,
      monotonicMs: () => monotonicMs,
      async sleep(ms) {
        this.waits += 1;
        monotonicMs += ms;
        await segment();
      },
    };
  }
  const proven = (at: Instant, by: Clock, tables = ["shop.orders"]) =>
    whenProven(
      repository,
      at,
      () => plan({ at, tables }),
      by,
      () => undefined,
    );

  test("is waited for until a segment proves it", async () => {
    const at = clock.instant + 2500;
    const by = waiting(() => recording.tick(1000));
    expect((await proven(at, by)).tables[0]).toMatchObject({ class: "exact", instant: at });
    expect(by.waits).toBe(3);
  });

  test("is called not proven yet, table and catalog alike, and waited for only so long", async () => {
    const at = clock.instant + 500;
    const by = waiting(async () => undefined);
    await expect(proven(at, by, [])).rejects.toEqual(refused(/not proven yet/));
    expect([by.waits, by.monotonicMs()]).toEqual([31, 15_500]);
    const lagging = { [first]: clock.instant };
    const end = await recording.tick(50, { lagging });
    await expect(plan({ at: end })).rejects.toEqual(
      refused(/shop\.orders cannot be restored exactly .* is not proven yet/),
    );
  });

  test("is not waited for where the capture has ended, or is far behind", async () => {
    const by = waiting(() => recording.tick(1000));
    await expect(proven(clock.instant + 60_001, by)).rejects.toEqual(refused(/not proven yet/));
    await recording.tick(50, { closed: true });
    await expect(proven(clock.instant + 500, by)).rejects.toEqual(refused(/not proven yet/));
    expect(by.waits).toBe(0);
  });

  test("is not waited for if it is still to come", async () => {
    const by = waiting(() => recording.tick(1000));
    await expect(proven(by.now() + 1, by)).rejects.toEqual(refused(/is still to come/));
    expect(by.waits).toBe(0);
  });

  test("of a table with an open gap is unwatched, as before", async () => {
    recording.coverage(first, { state: "hole", since: clock.instant, reason: "lost" });
    const end = await recording.tick(50, { lagging: { [first]: clock.instant } });
    await expect(plan({ at: end })).rejects.toEqual(refused(/is (unwatched|gap)/));
  });
});
