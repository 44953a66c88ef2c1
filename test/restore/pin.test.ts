import { beforeEach, describe, expect, test } from "vitest";
import type { Repository } from "../../src/format/description.js";
import { listPins } from "../../src/repository/registers/pins.js";
import { NotProvenYet } from "../../src/restore/inexact.js";
import { pinInstant } from "../../src/restore/pin.js";
import { readStatus } from "../repository/looks.js";
import { makeRepository, namesIn, Recording, StillClock } from "../repository/recording.js";
import { overriding } from "../simulation/overriding.js";

const unguarded = <T>(work: () => Promise<T>) => work();

const orders = "0a000000-0000-4000-8000-000000000001";
const carts = "0b000000-0000-4000-8000-000000000002";

let repository: Repository;
let clock: StillClock;
let recording: Recording;
/** When both tables were exact, in the gap of orders, and after it. */
let before: number;
let gap: number;
let after: number;

async function copied(id: string, name: string) {
  const since = recording.log.stamp().time;
  recording.catalog(["table", id], { id, name, db: "shop", primary_key: "id" });
  recording.coverage(id, { state: "copying", since });
  const base = await recording.copy(id, [["a", { id: "a" }]]);
  const instant = await recording.tick();
  await base.finish(instant, since - 1);
  recording.coverage(id, { state: "live", since: instant });
}

beforeEach(async () => {
  repository = await makeRepository();
  clock = new StillClock();
  recording = await Recording.begin(repository, clock);
  recording.catalogRead();
  await copied(orders, "orders");
  await copied(carts, "carts");
  before = await recording.tick();
  recording.coverage(orders, { state: "gap", since: before, reason: "a fault" });
  gap = await recording.tick();
  await recording.tick();
  const live = clock.instant;
  recording.coverage(orders, { state: "live", since: live });
  after = await recording.tick();
});

const later = () => clock.instant + 1000;
const pin = (at?: number, allowInexact = false, of = repository) =>
  pinInstant(
    of,
    { name: "p", ...(at === undefined ? {} : { at }), allowInexact },
    later(),
    unguarded,
  );
const pinned = async () => (await listPins(repository.store)).map(({ at }) => at);
const exact = [
  { name: "shop.carts", class: "exact" },
  { name: "shop.orders", class: "exact" },
];

describe("an instant is pinned", () => {
  test("where every table is exact; status lists it", async () => {
    const made = await pinInstant(
      repository,
      { name: "release", at: before, note: "1.2", allowInexact: false },
      later(),
      unguarded,
    );
    const expected = { name: "release", at: before, made: later(), note: "1.2" };
    expect(made.pin).toMatchObject(expected);
    expect(made.pin.classes).toMatchObject({
      [orders]: "exact",
      [carts]: "exact",
      catalog: "exact",
    });
    expect(made.classes.tables).toMatchObject(exact);
    const [found] = (await readStatus(repository)).pins;
    expect(found).toEqual({ ...made.pin, ended: false, losses: [] });
  });

  test("that is the newest restorable one, if none is given", async () => {
    await recording.tick(1000, { lagging: { [carts]: after } });
    await pin();
    expect(await pinned()).toEqual([after]);
  });

  test("in a gap, if that is allowed", async () => {
    const { classes } = await pin(gap, true);
    expect(classes.tables[1]).toMatchObject({
      name: "shop.orders",
      class: "gap",
      reason: "a fault",
    });
    expect(await pinned()).toEqual([gap]);
  });

  test("with the tables of then, whether or not others are still copied now", async () => {
    const since = recording.log.stamp().time;
    recording.catalog(["table", "t3"], { id: "t3", name: "new", db: "shop", primary_key: "id" });
    recording.coverage("t3", { state: "copying", since });
    await recording.tick();
    expect((await pin()).classes.tables).toHaveLength(2);
  });
});

describe("an instant is not pinned", () => {
  test("in a gap; every table that is not exact is named", async () => {
    await expect(pin(gap)).rejects.toMatchObject({
      code: "instant",
      message: expect.stringMatching(/exactly to .*: shop\.orders is in a gap$/),
      hint: expect.stringContaining("--allow-inexact"),
    });
    recording.coverage(carts, { state: "gap", since: after, reason: "a fault" });
    recording.coverage(orders, { state: "gap", since: after, reason: "a fault" });
    const unwatched = await recording.tick();
    await expect(pin(unwatched)).rejects.toThrow(
      /(shop\.orders is unwatched, shop\.carts|shop\.carts is unwatched, shop\.orders) is unwatched$/,
    );
    expect(await pinned()).toEqual([]);
  });

  test("that is not proven yet, whatever is allowed: it would promise nothing", async () => {
    await expect(pin(after + 1)).rejects.toBeInstanceOf(NotProvenYet);
    await expect(pin(after + 1, true)).rejects.toThrow(/not proven yet/);
    // No flag of `pin` would help, and it does not have those of `restore`.
    await expect(pin(after + 1)).rejects.toMatchObject({
      hint: expect.not.stringContaining("--") as string,
    });
    await recording.tick(1000, { lagging: { [carts]: after } });
    await expect(pin(after + 1, true)).rejects.toThrow(/shop\.carts .* not proven yet/);
    expect(await pinned()).toEqual([]);
  });

  test("that is still to come, or lies before everything", async () => {
    await expect(pin(later() + 1, true)).rejects.toThrow(/is still to come/);
    await expect(pin(5, true)).rejects.toThrow(/no table was captured at 1970/);
    expect(await pinned()).toEqual([]);
  });

  test("under a name that is none, or is taken", async () => {
    await expect(
      pinInstant(repository, { name: "A", at: before, allowInexact: false }, later(), unguarded),
    ).rejects.toMatchObject({ code: "usage" });
    await pin(before);
    await expect(pin(after)).rejects.toThrow(/there is a pin p already/);
    expect(await pinned()).toEqual([before]);
  });

  test("if what it needs is deleted while it is being pinned", async () => {
    const { store } = repository;
    const deleting = overriding(store, {
      put: async (name, bytes) => {
        await store.put(name, bytes);
        for (const base of await namesIn(store, `bases/${carts}/`)) await store.delete(base);
      },
    });
    const expired = pin(before, false, { ...repository, store: deleting });
    await expect(expired).rejects.toThrow(/shop\.carts is damaged/);
    expect(await pinned()).toEqual([]);
  });
});
