/** A change that a reading of the catalog has found was made at some instant since the reading before. */
import { beforeEach, describe, expect, test } from "vitest";
import type { Repository } from "../../src/format/description.js";
import { formatInstant, type Instant } from "../../src/instant.js";
import { catalogPoints } from "../../src/recovery/points.js";
import { RepositoryView } from "../../src/repository/repository-view.js";
import type { RestoreRequest } from "../../src/restore/request.js";
import { foldLog, planRestore } from "../repository/looks.js";
import { makeRepository, Recording, StillClock } from "../repository/recording.js";

const orders = "0a000000-0000-4000-8000-000000000001";
const carts = "0c000000-0000-4000-8000-000000000003";

let repository: Repository;
let recording: Recording;
let clock: StillClock;

const configs = new Map(
  [orders, carts].map((id) => {
    const settings = { primary_key: "id", indexes: [], shards: [], write_hook: null };
    return [id, { id, db: "shop", name: id === orders ? "orders" : "carts", ...settings }];
  }),
);

beforeEach(async () => {
  repository = await makeRepository();
  clock = new StillClock();
  recording = await Recording.begin(repository, clock);
  recording.catalogRead();
  recording.catalog(["db", "d1"], { id: "d1", name: "shop" });
  for (const [id, config] of configs) {
    recording.catalog(["table", id], config);
    const since = recording.log.stamp().time;
    recording.coverage(id, { state: "copying", since });
    const base = await recording.copy(id, [["k", { id: "k" }]]);
    const instant = await recording.tick(50);
    await base.finish(instant, since - 1);
    recording.coverage(id, { state: "live", since: instant });
    await recording.tick(50);
  }
  await recording.tick(2000);
});

const plan = (request: Partial<RestoreRequest>) =>
  planRestore(repository, {
    tables: [],
    databases: [],
    renames: new Map(),
    allowInexact: false,
    nearest: false,
    ...request,
  });

const view = () => RepositoryView.read(repository);

/** The readings began at these instants; the second one has found what `change` records. */
async function between(change: () => void, more: { of: string[]; gone?: string[] }) {
  const last = clock.instant;
  clock.instant += 1000;
  change();
  const at = recording.log.stamp().time;
  recording.coverage("catalog", {
    state: "late",
    since: last + 1,
    to: at - 1,
    lateMs: at - last,
    ...more,
  });
  await recording.tick(50);
  await recording.tick(2000);
  return { last, at };
}

const renamed = () =>
  recording.catalog(["table", orders], { ...configs.get(orders)!, name: "orders_old" });

function fold() {
  return foldLog(repository, {
    now: clock.instant + 100_000,
    settleMs: 0,
    partial: true,
    unique: "u1",
    pinned: [],
    resolutionOf: () => 1,
    spanMaxMs: () => Number.MAX_SAFE_INTEGER,
  });
}

describe.each([false, true])(
  "a table that was renamed between two readings (folded: %s)",
  (folded) => {
    let last: Instant;
    let at: Instant;
    let middle: Instant;

    beforeEach(async () => {
      ({ last, at } = await between(renamed, { of: [orders] }));
      middle = last + 500;
      if (folded) await fold();
    });

    test.each([
      ["by its old name", { tables: ["shop.orders"] }, [0]],
      ["by its new name", { tables: ["shop.orders_old"] }, [1]],
      ["with its database", { databases: ["shop"] }, [0, 1]],
      ["with everything", { withoutAccess: true }, [0, 1]],
    ])("is not restored to an instant between them %s", async (_, asked, ends) => {
      const hint = `nearest exact: ${ends.map((i) => formatInstant([last, at][i]!)).join(" and ")};`;
      await expect(plan({ ...asked, at: middle })).rejects.toMatchObject({
        code: "instant",
        message: expect.stringContaining("late by up to 1.0 s") as string,
        hint: expect.stringContaining(hint) as string,
      });
      for (const i of ends) {
        expect((await plan({ ...asked, at: [last, at][i]! })).catalog.class).toBe("exact");
      }
    });

    test("is restored with the flag, and called late", async () => {
      const { catalog, tables } = await plan({
        tables: ["shop.orders"],
        at: middle,
        allowInexact: true,
      });
      expect(catalog).toMatchObject({ class: "late", lateMs: at - last, instant: middle });
      expect(tables[0]).toMatchObject({ class: "exact" });
    });

    test("holds back no other one", async () => {
      expect(await plan({ tables: ["shop.carts"], at: middle })).toMatchObject({
        catalog: { class: "exact", instant: middle },
      });
    });

    test("is a point, and what is before it can be restored", async () => {
      const point = (await catalogPoints(await view())).points.find(
        ({ kind }) => kind === "rename",
      );
      expect(point).toMatchObject({ before: last });
      expect((await plan({ tables: ["shop.orders"], at: point!.before })).catalog.class).toBe(
        "exact",
      );
    });
  },
);

test("a name that two tables had is refused in between, whichever had it", async () => {
  const { last, at } = await between(
    () => {
      renamed();
      recording.catalog(["table", carts], { ...configs.get(carts)!, name: "orders" });
    },
    { of: [orders, carts] },
  );
  for (const name of ["shop.orders", "shop.carts", "shop.orders_old"]) {
    const refusal = plan({ tables: [name], at: last + 500 });
    await expect(refusal, name).rejects.toMatchObject({ code: "instant" });
  }
  const [before, after] = await Promise.all(
    [last, at].map((instant) => plan({ tables: ["shop.orders"], at: instant })),
  );
  expect([before!.tables[0]!.config.id, after!.tables[0]!.config.id]).toEqual([orders, carts]);
});

test("a table that was dropped is exact up to its last proof, and so is its name", async () => {
  const proven = clock.instant + 300;
  const { last } = await between(
    () => {
      recording.coverage(orders, { state: "dropped", since: proven });
      recording.catalog(["table", orders], null);
    },
    { of: [], gone: [orders] },
  );
  for (const at of [last, proven]) {
    expect((await plan({ tables: ["shop.orders"], at })).catalog.class).toBe("exact");
  }
  await expect(plan({ tables: ["shop.orders"], at: proven + 1 })).rejects.toMatchObject({
    code: "instant",
    hint: expect.stringContaining(`nearest exact: ${formatInstant(proven)}`) as string,
  });
  const point = (await catalogPoints(await view())).points.find(({ kind }) => kind === "drop");
  expect(point).toMatchObject({ before: proven });
  await expect(plan({ tables: ["shop.orders"], at: clock.instant - 1 })).rejects.toThrow(
    `it was dropped, and was there last at ${formatInstant(proven)}`,
  );
});
