/**
 * Names that are another table's only while a query looks them up: whoever asks before or after finds nothing wrong.
 * Without what holds a query to its table that is found.
 */
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { encodeJsonObject } from "../../src/format/json-object.js";
import { repositoryName } from "../../src/format/names.js";
import { Connection } from "../../src/rethinkdb/connection.js";
import { r } from "../../src/rethinkdb/reql.js";
import { RethinkSource } from "../../src/rethinkdb/rethink-source.js";
import * as identity from "../../src/rethinkdb/table-identity.js";
import { TableReplaced } from "../../src/rethinkdb/table-reference.js";
import { readCoverage } from "../repository/looks.js";
import { restoredState } from "./restored-state.js";
import { SmallWorld } from "./small-world.js";
import { dial } from "./writer-process.js";

vi.mock("../../src/rethinkdb/table-identity.js", async (load) => {
  const actual = await load<typeof identity>();
  return { ...actual, orReplaced: vi.fn(actual.orReplaced) };
});

const names = ["orders", "bills"] as const;
let world: SmallWorld;
let ids: Map<string, string>;

beforeEach(async () => {
  world = new SmallWorld();
  await world.store.put(
    repositoryName,
    encodeJsonObject("repository", { id: "small-world", created: 0 }),
  );
  ids = new Map(names.map((name) => [name, world.cluster.createTable("test", name)]));
  write(0, 25);
});

afterEach(() => {
  vi.restoreAllMocks();
  vi.mocked(identity.orReplaced).mockReset();
});

interface Streaming {
  stream: (
    this: Connection,
    ...asked: Parameters<Connection["stream"]>
  ) => ReturnType<Connection["stream"]>;
}

function write(from: number, to: number): void {
  for (const of of names) {
    for (let id = from; id < to; id += 1) world.cluster.write("test", of, { put: { id, of } });
  }
}

/** The tables have each other's names while such queries are looked at, the first few times that they come. */
function swapAround(isMeant: (query: string) => boolean, times: number): void {
  const { stream } = Connection.prototype as unknown as Streaming;
  let left = times;
  const swap = (connection: Connection) => {
    for (const [from, to] of [
      ["orders", "swapping"],
      ["bills", "orders"],
      ["swapping", "bills"],
    ]) {
      const renamed = connection.value(r.db("test").table!(from!).config!().update!({ name: to }));
      renamed.catch(() => undefined);
    }
  };
  vi.spyOn(Connection.prototype, "stream").mockImplementation(function (
    this: Connection,
    term,
    ...more
  ) {
    const isNow = left > 0 && isMeant(JSON.stringify(term.build()));
    if (!isNow) return stream.call(this, term, ...more);
    left -= 1;
    swap(this);
    const answers = stream.call(this, term, ...more);
    swap(this);
    return answers;
  });
}

/** What each table's last exact instant has of others. */
async function strangers(): Promise<string[]> {
  world.startWriter();
  await world.pass(30_000);
  write(25, 30);
  await world.pass(20_000);
  const coverage = await readCoverage(world.store);
  const found: string[] = [];
  for (const [name, id] of ids) {
    const { intervals, frontier } = coverage.get(id)!;
    expect(intervals.at(-1)!.class).toBe("exact");
    const documents = [...(await restoredState(world.store, id, frontier!))!.values()];
    const owners = documents.map((text) => (JSON.parse(text) as { of: string }).of);
    if (owners.length !== 30) found.push(`${name} has ${owners.length} documents`);
    found.push(...new Set(owners.filter((of) => of !== name)));
  }
  return found;
}

const kinds: [string, (query: string) => boolean][] = [
  ["a chunk of a scan", (query) => query.includes('"left_bound"') && query.includes("[71,")],
  ["the opening of a feed", (query) => query.includes('"changefeed_queue_size"')],
];

test.each(kinds)("%s takes nothing of another table", async (_, isMeant) => {
  swapAround(isMeant, 3);
  expect(await strangers()).toEqual([]);
});

test.each(kinds)("%s that is not held to its table is found", async (_, isMeant) => {
  vi.mocked(identity.orReplaced).mockImplementation((_table, value) => r.expr(value));
  swapAround(isMeant, 3);
  expect(await strangers()).not.toEqual([]);
});

/** Lays fences of a table that is written to, one of them while the names are swapped. */
async function laid(): Promise<unknown> {
  const { life, clock } = world.process();
  const source = new RethinkSource("simulated", () => dial(world.cluster, life), clock);
  const table = { id: ids.get("orders")!, db: "test", name: "orders", primaryKey: "id" };
  let passed: unknown = "not done";
  const lay = async () => {
    await source.readCatalog();
    const feed = await source.openFeed(() => table);
    await feed.fences.pass(feed.openedMs);
    await clock.sleep(100);
    swapAround((query) => query.includes('"include_initial"'), 1);
    // The fence that was opened for the one before stands by now, so this one opens another.
    passed = await feed.fences.pass(clock.monotonicMs()).then(
      () => "passed",
      (error: unknown) => error,
    );
  };
  void lay();
  await world.pass(5000);
  source.close();
  return passed;
}

test("no fence is laid over another table", async () => {
  expect(await laid()).toBeInstanceOf(TableReplaced);
});
