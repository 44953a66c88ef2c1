/** Which instant is taken where none is given, and what becomes of one that is not proven yet. */
import { beforeEach, describe, expect, test } from "vitest";
import type { Clock } from "../../src/clock.js";
import type { Repository } from "../../src/format/description.js";
import { formatInstant, type Instant } from "../../src/instant.js";
import { LogView } from "../../src/repository/log/log-view.js";
import { pinInstant } from "../../src/restore/pin.js";
import type { RestoreRequest } from "../../src/restore/request.js";
import { restore } from "../../src/restore/restore.js";
import { whenProven } from "../../src/restore/when-proven.js";
import {
  catalogAt,
  foldLog,
  planDrill,
  planRestore,
  readStatus,
  versionAt,
} from "../repository/looks.js";
import {
  copyOf,
  makeRepository,
  namesIn,
  Recording,
  restoredAt,
  StillClock,
} from "../repository/recording.js";
import { r } from "../server/driver.js";
import { Server } from "./captured.js";

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

describe("a table that is not there", () => {
  /** The options of the command that the hint names. */
  const commandIn = (hint: string) => {
    const [, table, at] = /thinkback restore --repo \S+ --table (\S+) --at (\S+) --target/.exec(
      hint,
    )!;
    return { tables: [table!], at: Date.parse(at!) };
  };

  for (const folded of [false, true]) {
    test(`but was${folded ? ", in a folded log" : ""}: it is said until when, and what restores it as it was last`, async () => {
      const last = clock.instant;
      clock.instant += 40;
      recording.coverage(first, { state: "dropped", since: last });
      const gone = recording.log.stamp().time;
      recording.catalog(["table", first], null);
      clock.instant += 90_000;
      await recording.tick(1000);
      if (folded) await foldAll();
      for (const request of [{}, { at: clock.instant - 1 }]) {
        const refusal = plan(request);
        await expect(refusal).rejects.toMatchObject({
          code: "unknown",
          message: expect.stringContaining(
            `: it was dropped, and was there last at ${formatInstant(gone - 1)}, 1 min 31 s before`,
          ) as string,
        });
        const { tables } = await plan(commandIn(await hintOf(refusal)));
        expect(tables[0]).toMatchObject({ class: "exact", instant: last });
      }
    });
  }

  test("under that name any more: the new one is named", async () => {
    const last = await recording.tick(50);
    clock.instant += 5000;
    const config = (await catalogAt(repository.store, last)).tables()[0]!;
    recording.catalog(["table", first], { ...config, name: "orders_old" });
    await recording.tick(50);
    const refusal = plan();
    await expect(refusal).rejects.toThrow(
      /: it was renamed to shop\.orders_old, and was there last at /,
    );
    const { tables } = await plan(commandIn(await hintOf(refusal)));
    expect(tables[0]).toMatchObject({ from: { name: "orders" }, class: "exact" });
  });

  test("yet: it is said from when on it is", async () => {
    const early = clock.instant - 1;
    const instant = (await copied(carts, "carts")) - 51;
    await expect(plan({ tables: ["shop.carts"], at: early })).rejects.toThrow(
      `it can be restored from ${formatInstant(instant)} on`,
    );
    expect((await plan({ tables: ["shop.carts"], at: instant })).tables).toHaveLength(1);
  });

  test("and never was: the others are named", async () => {
    await expect(plan({ tables: ["shop.ordres"] })).rejects.toMatchObject({
      message: expect.stringMatching(/^there was no table shop\.ordres at \S+$/) as string,
      hint: "tables known then: shop.orders",
    });
  });
});

/** Folds all of the log into objects that are thinned so far. */
function foldAll(resolutionMs = 1) {
  return foldLog(repository, {
    now: clock.instant + 100_000,
    settleMs: 0,
    partial: true,
    unique: "u1",
    pinned: [],
    resolutionOf: () => resolutionMs,
    spanMaxMs: () => Number.MAX_SAFE_INTEGER,
  });
}

/** What an error's hint, or anything else that is printed, names as instants. */
const instantsIn = (text: string) =>
  [...text.matchAll(/\d{4}-\d\d-\d\dT[\d:.]+\+00:00/g)].map(([said]) => Date.parse(said));

async function hintOf(refusal: Promise<unknown>): Promise<string> {
  return refusal.then(
    () => "",
    (error: unknown) => (error as { hint: string }).hint,
  );
}

describe("instants that are named", () => {
  const scopes = [{ tables: ["shop.orders"] }, { tables: [], withoutAccess: true }, { tables: [] }];
  let inGap: Instant;

  /** A gap before which the catalog and access end some ms earlier than the table, and after which they begin later. */
  beforeEach(async () => {
    const last = clock.instant + 300;
    const behind = { catalog: last - 20, access: last - 40 };
    await recording.tick(300, { frontier: last, lagging: behind });
    clock.instant += 5000;
    inGap = clock.instant;
    recording = await Recording.begin(repository, clock, recording.history);
    recording.coverage(first, { state: "live", since: clock.instant + 10 });
    recording.coverage("catalog", { state: "live", since: clock.instant + 30 });
    recording.coverage("access", { state: "live", since: clock.instant + 45 });
    await recording.tick(1000);
  });

  test.each(scopes)("as nearest exact are so for all that %j uses", async (scope) => {
    const named = instantsIn(await hintOf(plan({ ...scope, at: inGap - 100 })));
    expect(named).toHaveLength(2);
    expect(named[0]).toBeLessThan(inGap - 100);
    expect(named[1]).toBeGreaterThan(inGap);
    for (const at of named) {
      const { tables, catalog, accessAsOf } = await plan({ ...scope, at });
      const classes = [...tables, catalog, ...(accessAsOf ? [accessAsOf] : [])].map(
        (of) => of.class,
      );
      expect(new Set(classes)).toEqual(new Set(["exact"]));
      // And none that is nearer is.
      await expect(plan({ ...scope, at: at + (at < inGap ? 1 : -1) })).rejects.toMatchObject({
        code: "instant",
      });
    }
  });

  test("as restorable until are those that are taken without an instant", async () => {
    await recording.tick(100, { lagging: { access: clock.instant + 60 } });
    const { restorableUntil, restorableWithoutAccess } = await readStatus(repository);
    expect(restorableUntil).toBe((await plan({ tables: [] })).instant);
    expect(restorableWithoutAccess).toBe((await plan({ tables: [], withoutAccess: true })).instant);
    expect(restorableWithoutAccess).toBeGreaterThan(restorableUntil!);
    expect((await plan({ tables: [], at: restorableUntil! })).tables).toHaveLength(1);
  });
});

test("the first restorable instant of a table is not before the catalog is known", async () => {
  repository = await makeRepository();
  recording = await Recording.begin(repository, clock);
  await copied(first, "orders");
  recording.coverage("catalog", { state: "live", since: clock.instant + 30 });
  await recording.tick(100);
  const [of] = (await readStatus(repository)).tables;
  for (const at of [of!.firstRestorable!, of!.lastRestorable!]) {
    expect((await plan({ at })).tables[0]).toMatchObject({ class: "exact", instant: at });
  }
});

test("before all that was captured, the first restorable instant is named, and can be restored", async () => {
  await copied(carts, "carts");
  const [at] = instantsIn(await hintOf(plan({ tables: [], at: 1000 })));
  const { tables } = await plan({ tables: [], at: at! });
  expect(tables.map((of) => [of.from.name, of.class])).toEqual([["orders", "exact"]]);
  await expect(plan({ tables: [], at: at! - 1 })).resolves.toMatchObject({ tables: [] });
  const [ofCarts] = instantsIn(await hintOf(plan({ tables: ["shop.carts"], at: 1000 })));
  expect((await plan({ tables: ["shop.carts"], at: ofCarts! })).tables).toHaveLength(1);
});

test("where the history is thinned, --nearest takes an instant that is exact for the catalog and access, too", async () => {
  const last = clock.instant + 6000;
  await recording.tick(6000, { frontier: last, lagging: { access: last - 1500 } });
  await recording.tick(1000, { frontier: last, lagging: { access: last - 1500 } });
  await foldAll(1000);
  const at = Math.floor(last / 1000) * 1000 - 500;
  const all = { tables: [], at };
  const [named] = instantsIn(await hintOf(plan(all)));
  const taken = await plan({ ...all, nearest: true });
  expect([taken.instant, taken.asked]).toEqual([named, at]);
  expect(taken.accessAsOf).toMatchObject({ class: "exact", instant: named });
  expect((await plan({ tables: [], at, nearest: true, withoutAccess: true })).instant).toBe(
    Math.floor(at / 1000) * 1000 - 1,
  );
});

describe("a segment that is gone", () => {
  let before: Instant;
  let without: Repository;

  beforeEach(async () => {
    await copied(carts, "carts");
    before = await recording.tick(1000);
    recording.put(first, "k", { id: "k", v: 2 });
    const lost = await recording.tick(1000);
    recording.put(first, "k", { id: "k", v: 3 });
    await recording.tick(1000);
    const { store } = repository;
    const name = (await namesIn(store, "log/")).find((one) => one.includes(String(lost)))!;
    without = { ...repository, store: await copyOf(store, { [name]: undefined }) };
  });

  const newest = (request: Partial<RestoreRequest>) =>
    planRestore(without, {
      tables: [],
      databases: [],
      renames: new Map(),
      allowInexact: false,
      nearest: false,
      ...request,
    });

  test("does not keep a restore without an instant from the last one before it, which says why", async () => {
    for (const scope of [{}, { tables: ["shop.orders"] }, { databases: ["shop"] }]) {
      const { instant, tables, heldBack } = await newest(scope);
      expect(instant).toBe(before);
      expect(new Set(tables.map((of) => of.class))).toEqual(new Set(["exact"]));
      const damage = expect.stringMatching(/^object log\/.* is missing$/) as string;
      expect(heldBack).toMatchObject({ by: "table", knownTo: before, damage });
      expect(new Set([heldBack!.table, ...(heldBack!.others ?? [])])).toEqual(
        new Set(scope.tables ?? ["shop.carts", "shop.orders"]),
      );
      expect(heldBack!.tablesTo).toBeGreaterThan(before);
    }
  });

  test("is named by the refusal of an instant behind it, with the nearest that works", async () => {
    const at = clock.instant - 1;
    for (const scope of [{}, { tables: ["shop.orders"] }]) {
      const refusal = newest({ at, ...scope });
      await expect(refusal).rejects.toMatchObject({
        code: "damaged",
        hint: expect.stringMatching(
          /thinkback repair.* nearest exact: .*; or give --allow-inexact/,
        ),
      });
      expect(instantsIn(await hintOf(refusal))).toEqual([before]);
    }
  });

  test("is done without, if that is allowed, and named", async () => {
    const at = clock.instant - 1;
    const of = await newest({ at, allowInexact: true });
    const missing = [{ from: before + 1, reason: expect.stringMatching(/is missing$/) as string }];
    expect(of.tables).toMatchObject([
      { from: { name: "carts" }, class: "damaged", instant: at, missing },
      { from: { name: "orders" }, class: "damaged", instant: at, missing },
    ]);
    const server = await Server.start();
    try {
      const silent = { reading: () => {}, writing: () => {}, finishing: () => {} };
      const restored = await restore(without, of, server.target(), clock, silent);
      expect(restored).toMatchObject([{ matches: true }, { matches: true }]);
      const table = r.db("shop").table("orders");
      expect(await server.query(table.get("k"))).toEqual({ id: "k", v: 3 });
    } finally {
      await server.stop();
    }
    const key = Buffer.from('"k"');
    expect(
      (
        await versionAt(new LogView(without.store, of.logs.get(0)!), first, key, at)
      )?.document?.toString(),
    ).toContain('"v":3');
    // In the missing time itself the catalog is not known either: no flag helps.
    const inside = newest({ at: before + 500, allowInexact: true });
    await expect(inside).rejects.toMatchObject({
      code: "damaged",
      hint: expect.not.stringContaining("--allow-inexact") as string,
    });
    expect(instantsIn(await hintOf(inside))).toEqual([before]);
  });

  test("that is folded into one of many tables is done without for its table alone", async () => {
    await foldAll();
    const names = await namesIn(repository.store);
    const part = names.find((name) => name.startsWith("folded/") && name.includes(first))!;
    const gone = names.filter((name) => name.startsWith("log/") || name === part);
    const changes = Object.fromEntries(gone.map((name) => [name, undefined]));
    without = { ...repository, store: await copyOf(repository.store, changes) };
    const at = clock.instant - 1;
    const { tables, logs } = await newest({ at, allowInexact: true });
    const log = logs.get(0)!;
    expect(tables).toMatchObject([
      { from: { name: "carts" }, class: "exact", missing: [] },
      { from: { name: "orders" }, class: "damaged", missing: [{ missing: part }] },
    ]);
    expect(await restoredAt(new LogView(without.store, log), first, at)).toEqual(['{"id":"k"}']);
  });

  test("does not keep a drill of the newest instant, nor a pin, from that one", async () => {
    const drill = { at: "latest" as const, tables: [], databases: [] };
    const planned = await planDrill(without, drill, "0123456789ab", () => 0.5);
    expect(planned).toMatchObject({ instant: before, heldBack: { knownTo: before } });
    const request = { name: "p", allowInexact: false };
    const { pin } = await pinInstant(without, request, clock.instant, (work) => work());
    expect(pin.at).toBe(before);
    expect((await readStatus(without)).restorableUntil).toBe(before);
  });

  test("with the base: what cannot be restored with any flag is refused by the plan, which names none", async () => {
    const name = (await namesIn(without.store, `bases/${first}`)).find((one) =>
      one.endsWith("manifest.json"),
    )!;
    without = { ...without, store: await copyOf(without.store, { [name]: undefined }) };
    const refusal = newest({ at: clock.instant - 1, allowInexact: true });
    await expect(refusal).rejects.toMatchObject({
      code: "damaged",
      hint: expect.not.stringContaining("--allow-inexact") as string,
    });
  });

  test("does not make a restore go back to when a table was not there yet", async () => {
    const name = (await namesIn(without.store, `bases/${carts}`)).find((one) =>
      one.endsWith("manifest.json"),
    )!;
    without = { ...without, store: await copyOf(without.store, { [name]: undefined }) };
    await expect(newest({})).rejects.toMatchObject({
      code: "damaged",
      message: expect.stringMatching(/^shop\.carts cannot be restored/) as string,
    });
    expect((await newest({ tables: ["shop.orders"] })).instant).toBe(before);
  });
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
    recording.coverage(first, { state: "gap", since: clock.instant, reason: "lost" });
    const end = await recording.tick(50, { lagging: { [first]: clock.instant } });
    await expect(plan({ at: end })).rejects.toEqual(refused(/is (unwatched|in a gap)/));
  });
});
