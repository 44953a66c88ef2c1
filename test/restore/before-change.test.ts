/** The instant that is pinned before tables are changed: one to which these tables can be restored. */
import { beforeEach, expect, test } from "vitest";
import type { Repository } from "../../src/format/description.js";
import { listPins } from "../../src/repository/registers/pins.js";
import { RepositoryView } from "../../src/repository/repository-view.js";
import { newestBefore, unknownAt } from "../../src/restore/before-change.js";
import { NotProvenYet } from "../../src/restore/inexact.js";
import { pinInstant } from "../../src/restore/pin.js";
import { makeRepository, Recording, StillClock } from "../repository/recording.js";

const table = (digit: string, name: string) => {
  return { id: `0${digit}000000-0000-4000-8000-000000000001`, db: "shop", name };
};
const [orders, carts, stock] = [table("a", "orders"), table("b", "carts"), table("c", "stock")];
/** Nothing of it was ever captured. */
const unknown = table("d", "unknown");

let repository: Repository;
let clock: StillClock;
let recording: Recording;
/** The last instant at which orders were exact; stock was copied after it. Carts are exact from the begin to the end. */
let before: number;
/** The end of the log: carts and stock are exact, orders are in a gap. */
let last: number;

async function copied({ id, db, name }: typeof orders): Promise<void> {
  const since = recording.log.stamp().time;
  recording.catalog(["table", id], { id, name, db, primary_key: "id" });
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
  await copied(orders);
  await copied(carts);
  before = await recording.tick();
  recording.coverage(orders.id, { state: "gap", since: before, reason: "a fault" });
  await recording.tick();
  await copied(stock);
  last = await recording.tick();
});

const coverage = async () => (await RepositoryView.read(repository)).coverage();

test("nothing is in the way of an instant at which all of the tables are exact, others in a gap or not", async () => {
  expect(unknownAt(await coverage(), [carts, stock], last)).toEqual([]);
  expect(newestBefore(await coverage(), [carts, stock], last)).toBe(last);
});

test("each table of which nothing is known is in the way, by its name", async () => {
  expect(unknownAt(await coverage(), [orders, carts, unknown], last)).toEqual([
    "shop.orders is unwatched (a fault)",
    "shop.unknown is unwatched",
  ]);
});

test("a table that is captured and not proven yet may be waited for; one in a gap is not waited for", async () => {
  const known = await coverage();
  expect(() => unknownAt(known, [carts], last + 1)).toThrow(NotProvenYet);
  expect(unknownAt(known, [carts, orders], last + 1)).toHaveLength(1);
});

test("the newest instant is one to which all of them can be restored", async () => {
  expect(newestBefore(await coverage(), [orders], last)).toBe(before);
  expect(newestBefore(await coverage(), [orders, carts], last)).toBe(before);
  expect(newestBefore(await coverage(), [orders, unknown], last)).toBe(before);
});

test("it is one to which one of them can be, if no instant is known of all", async () => {
  expect(newestBefore(await coverage(), [orders, stock], last)).toBe(last);
});

test("a table that has nothing is told by its name", async () => {
  const known = await coverage();
  expect(() => newestBefore(known, [unknown], last)).toThrow(
    "nothing of shop.unknown can be restored to any instant",
  );
});

test("where no table is live, the catalog is enough", async () => {
  expect(unknownAt(await coverage(), [], last)).toEqual([]);
  expect(newestBefore(await coverage(), [], last)).toBe(last);
});

test("a pin for some tables is made though another is not proven, and promises nothing of that one", async () => {
  recording.coverage(orders.id, { state: "live", since: clock.instant });
  const proven = await recording.tick();
  const at = await recording.tick(undefined, { lagging: { [carts.id]: proven } });
  const request = { name: "p", at, allowInexact: true };
  const pin = (tables?: string[]) =>
    pinInstant(repository, { ...request, ...(tables ? { tables } : {}) }, at, (work) => work());
  await expect(pin()).rejects.toThrow(NotProvenYet);
  await expect(pin([carts.id])).rejects.toThrow(NotProvenYet);
  await pin([orders.id]);
  const [made] = await listPins(repository.store);
  expect(made).toMatchObject({ at, classes: { [orders.id]: "exact", [stock.id]: "exact" } });
  expect(made!.classes).not.toHaveProperty(carts.id);
});
