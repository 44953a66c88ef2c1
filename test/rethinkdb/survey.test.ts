import { beforeEach, expect, test } from "vitest";
import { Connection } from "../../src/rethinkdb/connection.js";
import { responseTypes } from "../../src/rethinkdb/response.js";
import { Surveyor, type Topology } from "../../src/rethinkdb/survey.js";
import type { TableReference } from "../../src/rethinkdb/table-reference.js";
import { ProcessLife, SimulatedClock, WallClock } from "../simulation/process-life.js";
import { VirtualTime } from "../simulation/virtual-time.js";
import { scriptedChannel } from "./scripted-channel.js";

/** The first two have their replicas on the same servers. */
const tables = ["orders", "returns", "stock"].map(
  (name): TableReference => ({ id: `id-of-${name}`, db: "shop", name, primaryKey: "id" }),
);
const shardsOf = (name: string) => [
  { primary: "one", replicas: ["one", name === "stock" ? "three" : "two"] },
];

let time: VirtualTime;
let surveyor: Surveyor;
let connection: Connection;
/** Names of the tables whose majority does not answer. */
let hanging: Set<string>;
/** What has been asked and not answered, by token; and the names of all tables that were asked. */
let open: Map<number, { name: string; answer: () => void }>;
let asked: string[];

beforeEach(async () => {
  time = new VirtualTime();
  await time.runUntil(1000);
  const clock = new SimulatedClock(new ProcessLife(time), new WallClock(time));
  surveyor = new Surveyor(clock);
  [hanging, open, asked] = [new Set(), new Map(), []];
  connection = new Connection(
    scriptedChannel(({ token, query: [type, term] }, answer) => {
      const text = JSON.stringify(term ?? "");
      const named = tables.find(({ name }) => text.includes(`"${name}"`));
      if (type === 3) open.delete(token);
      else if (!named) {
        const rows = tables.map(({ id }) => [id, "server-1", "one", 7]);
        answer({ t: responseTypes.sequence, r: rows, n: [] });
      } else {
        const { id, name } = named;
        const answers = () => answer({ t: responseTypes.atom, r: [[id, 1]], n: [] });
        asked.push(name);
        if (hanging.has(name)) open.set(token, { name, answer: answers });
        else answers();
      }
    }),
  );
});

/** Surveys the tables; what has been answered for is noted as it comes. */
async function survey(some = tables): Promise<string[]> {
  const topology: Topology = {
    readAtMs: time.nowMs,
    tables: new Map(tables.map(({ id, db, name }) => [id, { db, name, shards: shardsOf(name) }])),
  };
  const answered: string[] = [];
  for (const [id, writes] of await surveyor.survey(connection, some, topology)) {
    void writes.then((is) => is && answered.push(id.slice("id-of-".length)));
  }
  return answered;
}

test("a majority that does not answer holds up no table of other servers, and its query is ended", async () => {
  await survey();
  await time.runUntil(2000);
  hanging.add("orders").add("returns");
  const answered = await survey();
  await time.runUntil(9000);
  expect(answered).toEqual(["stock"]);
  expect(open.size).toBe(1);
  await time.runUntil(20_000);
  expect(answered).toEqual(["stock"]);
  expect(open.size).toBe(0);
});

test("after that each table of its servers is asked itself, and waits for none of them", async () => {
  await survey();
  await time.runUntil(2000);
  hanging.add("orders").add("returns");
  await survey();
  await time.runUntil(12_000);
  hanging.delete("returns");
  asked = [];
  const answered = await survey();
  await time.runUntil(13_000);
  expect(asked.toSorted()).toEqual(["orders", "returns", "stock"]);
  expect(answered.toSorted()).toEqual(["returns", "stock"]);
  expect([...open.values()].map(({ name }) => name)).toEqual(["orders"]);
});

test("a majority that was slow counts for the table that was asked, and not for one that rides with it", async () => {
  await survey();
  await time.runUntil(2000);
  hanging.add("orders").add("returns");
  const answered = await survey();
  await time.runUntil(6000);
  const [slow] = open.values();
  slow!.answer();
  await time.runUntil(20_000);
  expect(answered).toEqual(["stock", slow!.name]);
});

test("counts for tables that are opened are read together, and rest between readings", async () => {
  let readings = 0;
  const counting = new Connection(
    scriptedChannel((_, answer) => {
      readings += 1;
      const rows = tables.map(({ id }) => [id, "server-1", "one", 7]);
      time.after(100, () => answer({ t: responseTypes.sequence, r: rows, n: [] }));
    }),
  );
  const counted: string[] = [];
  const count = (name: string) =>
    void surveyor.counted(counting, `id-of-${name}`).then((is) => is && counted.push(name));
  count("orders");
  await time.runUntil(time.nowMs + 50);
  for (const name of ["returns", "stock", "orders"]) count(name);
  await time.runUntil(time.nowMs + 100);
  expect([readings, counted]).toEqual([1, ["orders"]]);
  await time.runUntil(time.nowMs + 350);
  expect([readings, counted]).toEqual([2, ["orders", "returns", "stock", "orders"]]);
});
