/** Gaps through the API: who notes that they are known, and who is told. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { listAudit } from "../../src/repository/records/audit.js";
import type { Role } from "../../src/repository/registers/tokens.js";
import { DirectoryStore } from "../../src/storage/directory-store.js";
import { makeRepository, Recording, StillClock } from "../repository/recording.js";
import { planted, type Served, serveRecorded } from "./served.js";

const orders = "0a000000-0000-4000-8000-000000000001";
const carts = "0a000000-0000-4000-8000-000000000002";

/** Two tables with a gap at the same time, which ends at two instants. One of them is renamed after it. */
async function record(repo: string): Promise<{ before: string; cut: string }> {
  const repository = await makeRepository(new DirectoryStore(repo));
  const recording = await Recording.begin(repository, new StillClock(Date.now() - 60_000));
  recording.catalogRead();
  recording.catalog(["db", "d1"], { id: "d1", name: "shop" });
  const since = recording.log.stamp().time;
  recording.coverage("catalog", { state: "live", since });
  const named = (id: string, name: string) =>
    recording.catalog(["table", id], { id, name, db: "shop" });
  const bases = [];
  for (const [id, name] of [
    [orders, "orders"],
    [carts, "baskets"],
  ] as const) {
    named(id, name);
    recording.coverage(id, { state: "copying", since });
    bases.push(await recording.copy(id, [["a", { id: "a" }]]));
  }
  const before = await recording.tick(50);
  for (const base of bases) await base.finish(before, since - 1);
  for (const id of [orders, carts]) recording.coverage(id, { state: "live", since: before });
  const cut = await recording.tick(50);
  const reason = `refused {"id":"${planted}-1"}`;
  for (const id of [orders, carts]) recording.coverage(id, { state: "gap", since: cut, reason });
  await recording.tick(1000);
  for (const [id, after] of [
    [orders, 100],
    [carts, 300],
  ] as const) {
    recording.coverage(id, { state: "resyncing", since: recording.log.stamp().time });
    const live = await recording.tick(after);
    recording.coverage(id, { state: "live", since: live });
  }
  await recording.tick(50);
  named(carts, "carts");
  await recording.tick(50, { closed: true });
  return { before: new Date(before).toISOString(), cut: new Date(cut + 1).toISOString() };
}

let served: Served;

beforeAll(async () => {
  served = await serveRecorded({ record });
});

afterAll(() => served.close());

async function ask(role: Role, url: string, payload?: object) {
  const headers = { authorization: `Bearer ${served.tokens[role]}` };
  const method = payload ? "POST" : "GET";
  const answered = await served.app.inject({
    method,
    url,
    headers,
    ...(payload ? { payload } : {}),
  });
  return { status: answered.statusCode, text: answered.body, json: answered.json<unknown>() };
}

interface Gap {
  table: string;
  from: string;
  to: string;
  reason: string | null;
  acknowledged?: { note: string };
}

async function gaps(role: Role): Promise<Gap[]> {
  const { json } = await ask(role, "/v1/coverage");
  const { tables } = json as { tables: { name: string; intervals: (Gap & { class: string })[] }[] };
  return tables.flatMap(({ name, intervals }) =>
    intervals.filter((one) => one.class === "gap").map((gap) => ({ ...gap, table: name })),
  );
}

const tables = ["shop.orders", "shop.carts"];
const acknowledge = (role: Role, given: object) =>
  ask(role, "/v1/gaps/acknowledge", { tables, at: served.cut, note: "the switch", ...given });

test.each([
  ["of no table", { tables: [] }, 400],
  ["of more tables than a request has", { tables: Array(201).fill("shop.orders") }, 400],
  ["without a note", { note: "" }, 400],
  ["at an instant without a gap", { at: () => served.before }, 409],
  ["of an unknown table beside one that has it", { tables: ["shop.orders", "shop.none"] }, 404],
])("an acknowledgement %s is refused, and notes nothing", async (_, given, status) => {
  const at = "at" in given ? { at: (given.at as () => string)() } : {};
  expect((await acknowledge("operator", { ...given, ...at })).status).toBe(status);
  expect((await gaps("operator")).map(({ acknowledged }) => acknowledged)).toEqual([
    undefined,
    undefined,
  ]);
});

test("the gap of an outage is acknowledged once for all its tables, and its first note stays", async () => {
  const [ofCarts, ofOrders] = await gaps("operator");
  const from = new Date(Math.max(Date.parse(ofCarts!.from), Date.parse(ofOrders!.from)));
  const at = from.toISOString();
  const first = await acknowledge("operator", { at });
  const told = (gap: Gap | undefined) => ({ table: gap!.table, from: gap!.from, to: gap!.to });
  expect(first.json).toEqual({
    gaps: [
      { ...told(ofOrders), isNew: true },
      { ...told(ofCarts), isNew: true },
    ],
  });
  // The name that it had then.
  const other = { at, tables: ["shop.baskets"], note: "something else" };
  expect((await acknowledge("admin", other)).json).toMatchObject({
    gaps: [{ table: "shop.baskets", from: ofCarts!.from, isNew: false }],
  });
  const notes = async () => (await gaps("operator")).map((gap) => gap.acknowledged?.note);
  expect(await notes()).toEqual(["the switch", "the switch"]);
  const entries = (await listAudit(served.store, "", 1000)).map(({ entry }) => entry);
  expect(entries.at(-1)).toMatchObject({
    actor: { name: "the-admin" },
    what: "gap acknowledge",
    over: { tables: "shop.baskets", note: "something else" },
    outcome: "done",
  });
});

test("a viewer sees that a gap is acknowledged, and no reason; it acknowledges none", async () => {
  expect((await acknowledge("viewer", {})).status).toBe(403);
  expect((await ask("viewer", "/v1/coverage")).text).not.toContain(planted);
  expect((await gaps("viewer"))[0]).toMatchObject({
    reason: null,
    acknowledged: { note: "the switch" },
  });
  expect((await gaps("operator"))[0]!.reason).toContain(planted);
});
