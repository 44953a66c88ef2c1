/** What is asked of a restore and cannot be done as it is said is refused before anything is made. */
import { beforeAll, expect, test } from "vitest";
import type { Repository } from "../../src/format/description.js";
import type { RestoreRequest } from "../../src/restore/request.js";
import { planDrill, planRestore } from "../repository/looks.js";
import { makeRepository, Recording, StillClock } from "../repository/recording.js";

const tables = [
  { id: "0a000000-0000-4000-8000-000000000001", db: "a", name: "t" },
  { id: "0b000000-0000-4000-8000-000000000002", db: "b", name: "t" },
  { id: "0c000000-0000-4000-8000-000000000003", db: "b", name: "u" },
];
const databases = { a: "da", b: "db", idle: "di" };

let repository: Repository;

beforeAll(async () => {
  repository = await makeRepository();
  const recording = await Recording.begin(repository, new StillClock());
  recording.catalogRead();
  for (const [name, id] of Object.entries(databases)) recording.catalog(["db", id], { id, name });
  recording.catalog(["user", "ann"], { id: "ann", password: true });
  for (const id of ["da", "db"]) {
    const grant = ["ann", id];
    recording.catalog(["permission", ...grant], { id: grant, permissions: { read: id === "da" } });
  }
  const shards = [{ primary_replica: "one", replicas: ["one"], nonvoting_replicas: [] }];
  for (const table of tables) {
    const settings = { durability: "hard", write_acks: "majority", write_hook: null };
    const config = { ...table, primary_key: "id", indexes: [], shards, ...settings };
    recording.catalog(["table", table.id], config);
    const since = recording.log.stamp().time;
    recording.coverage(table.id, { state: "copying", since });
    const base = await recording.copy(table.id, [["k", { id: "k" }]]);
    const instant = await recording.tick(50);
    await base.finish(instant, since - 1);
    recording.coverage(table.id, { state: "live", since: instant });
  }
  await recording.tick(50);
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

const refused = (message: RegExp) =>
  expect.objectContaining({ code: "usage", message: expect.stringMatching(message) });

test("two tables that would be restored under one name", async () => {
  const meeting = [
    { renames: new Map([["a", "b"]]) },
    {
      renames: new Map([
        ["a", "c"],
        ["b", "c"],
      ]),
    },
    { renames: new Map([["a.t", "b.t"]]), tables: ["a.t", "b.t"] },
    { renames: new Map([["b.t", "b.u"]]), databases: ["b"] },
  ];
  for (const request of meeting) {
    await expect(plan({ withoutAccess: true, ...request })).rejects.toEqual(
      refused(/ and b\.[tu] would both be restored as [bc]\.[tu]/),
    );
  }
});

test("tables of two databases may come into one, but not two grants on them", async () => {
  const renames = new Map([
    ["a", "c"],
    ["b", "c"],
    ["b.t", "c.t2"],
  ]);
  const { tables: planned } = await plan({ renames, withoutAccess: true });
  const names = planned.map(({ from, to }) => `${from.db}.${from.name} ${to.db}.${to.name}`);
  expect(names).toEqual(["a.t c.t", "b.t c.t2", "b.u c.u"]);
  await expect(plan({ renames })).rejects.toEqual(
    refused(/two grants to user ann would both be restored as c/),
  );
});

test("a rename that renames nothing of what is restored", async () => {
  const idle = [
    { renames: new Map([["b", "c"]]), tables: ["a.t"] },
    { renames: new Map([["idle", "c"]]), databases: ["a"] },
    { renames: new Map([["a.u", "a.v"]]), databases: ["a"] },
    {
      renames: new Map([
        ["a", "c"],
        ["a.t", "c.t"],
      ]),
      tables: ["a.t"],
    },
  ];
  for (const request of idle) {
    await expect(plan(request)).rejects.toEqual(refused(/renames nothing that is restored/));
  }
  expect((await plan({ renames: new Map([["idle", "c"]]) })).databases).toEqual(["a", "b", "c"]);
});

test("a choice that is said twice, or in two ways", async () => {
  const twice = [{ tables: ["a.t", "a.t"] }, { databases: ["a", "b", "a"] }];
  for (const request of twice) {
    await expect(plan(request)).rejects.toEqual(refused(/a(\.t)? is given twice/));
    const drill = { at: "random" as const, tables: [], databases: [], ...request };
    await expect(planDrill(repository, drill, "0123456789ab", () => 0.5)).rejects.toEqual(
      refused(/a(\.t)? is given twice/),
    );
  }
  await expect(plan({ tables: ["a.t"], databases: ["b"] })).rejects.toEqual(
    refused(/--table and --db are both given/),
  );
});
