/** What proofs of capture lean on: fences, counters, majority reads; on the simulated and on a real server. */
import { beforeAll, expect, test } from "vitest";
import { r, type Term } from "./driver.js";
import { type Bench, elements, onEachServer } from "./each-server.js";

type Row = (name: string) => Term;
interface Element {
  readonly state?: string;
  readonly new_val?: { readonly id: number };
}

const initials = { includeInitial: true, includeStates: true, includeTypes: true, squash: false };
const HASH_SHARDS = 8;

/** Only states and initials, of these only keys: what a probe of the copied keys is answered with. */
const fence = (selection: Term) =>
  selection
    .changes(initials)
    .filter((row: Row) => r.expr(["initial", "state"]).contains(row("type")))
    .pluck("state", { new_val: "id" });
const numbers = (count: number) => Array.from({ length: count }, (_, i) => i);
const rows = (count: number) => numbers(count).map((id) => ({ id, v: 0 }));
const whole = (table: Term) => table.between(r.minval, r.maxval);
const keyed = (table: Term, count: number) => table.getAll(r.args(numbers(count)));
const oneRow = { max_batch_rows: 1 };

/** The responses of a feed from its START to the one that says that it is ready. */
async function untilReady(bench: Bench, token: bigint, first: string): Promise<Element[][]> {
  const responses = [elements(first) as Element[]];
  while (responses.at(-1)!.at(-1)?.state !== "ready") {
    responses.push(elements(await bench.client.continue(token)) as Element[]);
  }
  bench.client.sendText(token, "[3]");
  return responses;
}

async function answers(bench: Bench, term: Term, optargs = {}): Promise<Element[][]> {
  const { token, first } = await bench.open(term, optargs);
  return untilReady(bench, token, first);
}

const keysOf = (response: Element[]) => response.flatMap(({ new_val }) => new_val?.id ?? []);

onEachServer("fences", (bench) => {
  const database = r.db("fences");
  const table = (name: string) => database.table(name);

  beforeAll(async () => {
    await bench().done(r.dbCreate("fences"));
    for (const [name, count] of [
      ["empty", 0],
      ["single", 1],
      ["small", 20],
      ["large", 400],
    ] as const) {
      await bench().value(database.tableCreate(name));
      await bench().value(table(name).insert(rows(count)));
    }
  });

  test("an empty table, an empty range and absent keys are ready at once", async () => {
    const atOnce = [[{ state: "initializing" }], [{ state: "ready" }]];
    for (const selection of [
      whole(table("empty")),
      table("small").between(5, 5),
      table("small").getAll(r.args([77, 78])),
      table("small").getAll(r.args([])),
    ]) {
      expect(await answers(bench(), fence(selection), oneRow)).toEqual(atOnce);
    }
  });

  test("one document is read by START; then the feed is ready", async () => {
    const expected = [[{ state: "initializing" }, { new_val: { id: 0 } }], [{ state: "ready" }]];
    for (const selection of [whole(table("single")), keyed(table("single"), 1)]) {
      expect(await answers(bench(), fence(selection), oneRow)).toEqual(expected);
    }
  });

  test.each([
    ["between", whole],
    ["getAll", (large: Term) => keyed(large, 400)],
  ])(
    "%s: each response has one further row of each hash shard, then comes ready alone",
    async (_, select) => {
      const responses = await answers(bench(), fence(select(table("large"))), oneRow);
      expect(responses[0]![0]).toEqual({ state: "initializing" });
      expect(responses.at(-1)).toEqual([{ state: "ready" }]);
      const keys = responses.map(keysOf);
      expect(keys[0]).toHaveLength(HASH_SHARDS);
      const sizes = keys.slice(0, -1).map(({ length }) => length);
      expect(sizes).toEqual([...sizes].sort((a, b) => b - a));
      expect(keys.flat().sort((a, b) => a - b)).toEqual(numbers(400));
    },
  );

  test("a shard's rows come in the order of their keys, and the shards in one order", async () => {
    const responses = await answers(bench(), fence(whole(table("large"))), oneRow);
    const full = responses.map(keysOf).filter(({ length }) => length === HASH_SHARDS);
    expect(full.length).toBeGreaterThan(20);
    for (const place of numbers(HASH_SHARDS)) {
      const column = full.map((keys) => keys[place]!);
      expect(column).toEqual([...column].sort((a, b) => a - b));
    }
  });

  test("range shards have eight hash shards each; a range reaches those that it meets", async () => {
    await bench().value(database.tableCreate("sharded"));
    await bench().value(table("sharded").insert(rows(400)));
    await bench().value(table("sharded").reconfigure({ shards: 4, replicas: 1 }));
    await bench().value(table("sharded").wait());
    for (const select of [whole, (sharded: Term) => keyed(sharded, 400)]) {
      const [first] = await answers(bench(), fence(select(table("sharded"))), oneRow);
      expect(keysOf(first!)).toHaveLength(4 * HASH_SHARDS);
    }
    const low = await answers(bench(), fence(table("sharded").between(0, 60)), oneRow);
    expect(keysOf(low[0]!)).toHaveLength(HASH_SHARDS);
  });

  test("larger batches: a share of the limit for each hash shard, and somewhat more", async () => {
    const few = await answers(bench(), fence(whole(table("large"))), { max_batch_rows: 8 });
    expect(
      few
        .map(keysOf)
        .map(({ length }) => length)
        .slice(0, 2),
    ).toEqual([16, 64]);
    const unlimited = await answers(bench(), fence(whole(table("large"))));
    expect(unlimited.map(keysOf).map(({ length }) => length)).toEqual([400, 0]);
  });

  test("other forms of the query: only states, a branch and a merge", async () => {
    const states = await answers(
      bench(),
      keyed(table("large"), 400)
        .changes(initials)
        .filter((row: Term) => row.hasFields("state")),
      oneRow,
    );
    expect(states).toEqual([
      [{ state: "initializing", type: "state" }],
      [{ state: "ready", type: "state" }],
    ]);
    const mapped = await answers(
      bench(),
      keyed(table("small"), 20)
        .changes(initials)
        .map((row: Term) =>
          r.branch(
            row.hasFields("state"),
            row.without("type"),
            row.merge({ new_val: r.literal(row("new_val").pluck("id")) }).pluck("new_val"),
          ),
        ),
      oneRow,
    );
    expect(mapped).toEqual(await answers(bench(), fence(keyed(table("small"), 20)), oneRow));
  });

  test("changes of the rows that are read come between, unless the filter drops them", async () => {
    const selection = keyed(table("small"), 20);
    const change = (v: number) => bench().done(table("small").update({ v }));
    const plain = await bench().open(selection.changes(initials), oneRow);
    const filtered = await bench().open(fence(selection), oneRow);
    const read = keysOf(elements(filtered.first) as Element[]);
    await change(1);
    await change(2);
    const [seen, left] = [
      await untilReady(bench(), plain.token, plain.first),
      await untilReady(bench(), filtered.token, filtered.first),
    ];
    expect(
      left
        .map(keysOf)
        .flat()
        .sort((a, b) => a - b),
    ).toEqual(numbers(20));
    const changes = seen.filter(([element]) => element && "old_val" in element);
    expect(changes).toHaveLength(2 * read.length);
  });

  /** A fence whose reads are held back: its feed follows a row in a union that keeps its order. */
  const held = (selection: Term) =>
    r
      .expr([{ state: "opened" }])
      .union(selection.changes({ ...initials, includeTypes: false }), { interleave: false });
  const opened = [{ state: "opened" }];

  test("a feed that follows a row in a union reads nothing before more than that row is asked for", async () => {
    await bench().value(database.tableCreate("held"));
    await bench().value(table("held").insert(rows(3)));
    const { token, first } = await bench().open(held(whole(table("held"))), oneRow);
    expect(elements(first)).toEqual(opened);
    await bench().value(table("held").insert({ id: 7 }));
    const [, ...later] = await untilReady(bench(), token, first);
    // It is subscribed since START, and drops what its reads hold.
    expect(later.map(({ length }) => length)).toEqual(later.map(() => 1));
    expect(later[0]).toEqual([{ state: "initializing" }]);
    expect(later.slice(1, -1)).toEqual(
      later.slice(1, -1).map(([row]) => [{ new_val: row!.new_val }]),
    );
    expect(
      later
        .map(keysOf)
        .flat()
        .sort((a, b) => a - b),
    ).toEqual([0, 1, 2, 7]);
  });

  test("of a union of ranges, with a filter that keeps nothing, only the states come", async () => {
    const large = table("large");
    const ranges = r.union(large.between(r.minval, 10), large.between(390, r.maxval));
    for (const over of [ranges, r.union(whole(large)), r.union(whole(table("empty")))]) {
      const responses = await answers(bench(), held(over.filter(false)), oneRow);
      const ready = [{ state: "ready" }];
      expect(responses).toEqual([opened, [{ state: "initializing" }], ready]);
    }
  });

  test("of some keys, unsorted, each response has the next of each hash shard", async () => {
    const { token, first } = await bench().open(keyed(table("large"), 60), oneRow);
    const columns = [elements(first) as { id: number }[]];
    for (let count = HASH_SHARDS; count < 60; count += columns.at(-1)!.length) {
      columns.push(elements(await bench().client.continue(token)) as { id: number }[]);
    }
    const keys = columns.map((response) => response.map(({ id }) => id));
    expect(keys[0]).toHaveLength(HASH_SHARDS);
    const sizes = keys.map(({ length }) => length);
    expect(sizes).toEqual([...sizes].sort((a, b) => b - a));
    expect(keys.flat().sort((a, b) => a - b)).toEqual(numbers(60));
    expect(Math.max(...keys[0]!)).toBeLessThan(60 - HASH_SHARDS);
  });

  const behindBy = 20_000;
  const many = r
    .range(behindBy)
    .map((id: Term) => ({ id, v: 0 }))
    .coerceTo("array");
  const soft = { durability: "soft" };

  /** How many changes a feed has delivered when a fence that was opened before they were made is ready. */
  async function deliveredAtReady(name: string, probe: Term, write: () => Promise<unknown>) {
    const { cluster } = bench().server;
    cluster?.lagFeeds(cluster.tableId("fences", name), behindBy);
    const feed = await bench().connect();
    const token = feed.start(table(name).changes().build());
    await feed.next(token);
    let delivered = 0;
    const reading = (async () => {
      while (delivered < behindBy) delivered += elements(await feed.continue(token)).length;
    })();
    const { token: fenceToken, first } = await bench().open(probe, oneRow);
    await write();
    await untilReady(bench(), fenceToken, first);
    await feed.serverInfo();
    const then = delivered;
    await reading;
    feed.close();
    return then;
  }

  test("a feed that is behind: the fence is ready when everything before its reads has been handed on", async () => {
    await bench().value(database.tableCreate("behind"));
    await bench().value(table("behind").insert(many, soft));
    // Any range that meets the shard does, be there a document in it or not.
    const probe = held(table("behind").between(-2, -1).filter(false));
    const write = () => bench().value(table("behind").update({ v: 1 }, soft));
    expect(await deliveredAtReady("behind", probe, write)).toBe(behindBy);
  });

  test("so it is over a table that has no document when the fence is opened", async () => {
    await bench().value(database.tableCreate("filled", { shards: 4 }));
    const probe = held(whole(table("filled")).filter(false));
    const write = () => bench().value(table("filled").insert(many, soft));
    expect(await deliveredAtReady("filled", probe, write)).toBe(behindBy);
  });
});

onEachServer("counters and servers", (bench) => {
  const table = r.db("counted").table("t");
  const stats = r.db("rethinkdb").table("stats");
  let tableId: string;
  let server: { id: string; name: string; proxy: boolean };

  beforeAll(async () => {
    await bench().done(r.dbCreate("counted"));
    await bench().value(r.db("counted").tableCreate("t"));
    tableId = (await bench().value(table.info()("id"))) as string;
    [server] = elements(await bench().client.serverInfo()) as [typeof server];
  });

  const key = () => ["table_server", tableId, server.id];
  const written = () => bench().value(stats.get(key())("query_engine")("written_docs_total"));

  test("each write of a document counts, at once, also one that changes nothing", async () => {
    expect(await written()).toBe(0);
    const counted: [Term, number][] = [
      [table.insert({ id: 1 }), 1],
      [table.insert({ id: 1 }), 2],
      [table.get(1).update({}), 3],
      [table.get(2).delete(), 4],
      [table.insert(rows(10), { conflict: "replace" }), 14],
      [table.filter({ v: 7 }).update({ v: 8 }), 14],
      [table.update({ v: 1 }), 24],
      [table.delete(), 34],
    ];
    for (const [write, total] of counted) {
      await bench().value(write);
      expect(await written()).toBe(total);
    }
  });

  test("building an index counts each document", async () => {
    await bench().value(table.insert(rows(10)));
    const before = (await written()) as number;
    await bench().value(table.indexCreate("v"));
    await bench().value(table.indexWait());
    expect(await written()).toBe(before + 10);
  });

  test("resharding keeps the count", async () => {
    const before = (await written()) as number;
    await bench().value(table.reconfigure({ shards: 2, replicas: 1 }));
    await bench().value(table.wait());
    await bench().value(table.insert({ id: 100 }));
    expect(await written()).toBe(before + 1);
  });

  test("rows of the cluster, of servers, of tables, and of tables on servers", async () => {
    const queryEngine = expect.objectContaining({ written_docs_per_sec: expect.any(Number) });
    const row = {
      id: key(),
      db: "counted",
      table: "t",
      server: server.name,
      query_engine: queryEngine,
      storage_engine: expect.objectContaining({ cache: { in_use_bytes: expect.any(Number) } }),
    };
    expect(await bench().value(stats.get(key()))).toEqual(row);
    expect(await bench().value(stats.getAll(key(), ["x"]).coerceTo("array"))).toEqual([row]);
    const ofTable = stats.filter((found: Row) => found("id").nth(1).eq(tableId).default(false));
    expect(await bench().value(ofTable("id").coerceTo("array"))).toEqual(
      expect.arrayContaining([["table", tableId], key()]),
    );
    expect(await bench().value(stats.get(["cluster"]))).toMatchObject({ id: ["cluster"] });
    expect(await bench().value(stats.get(["server", server.id]))).toMatchObject({
      server: server.name,
      query_engine: { written_docs_total: expect.any(Number), queries_total: expect.any(Number) },
    });
    for (const missing of ["x", ["table_server"], ["table_server", tableId, tableId]]) {
      expect(await bench().value(stats.get(missing))).toBeNull();
    }
  });

  test("SERVER_INFO and server_config name the server alike", async () => {
    expect(server).toEqual({ id: server.id, name: server.name, proxy: false });
    const configs = r.db("rethinkdb").table("server_config").coerceTo("array");
    expect(await bench().value(configs)).toEqual([
      { id: server.id, name: server.name, cache_size_mb: "auto", tags: ["default"] },
    ]);
  });

  test("majority reads: one row, one constant, and several tables in one query", async () => {
    const majority = r.db("counted").table("t", { readMode: "majority" });
    const constant = majority.map(() => 1).limit(1);
    expect(elements(await bench().ask(majority.limit(1)))).toHaveLength(1);
    expect(await bench().ask(constant)).toBe('{"t":2,"r":[1],"n":[]}');
    expect(await bench().ask(majority.map(1).limit(1))).toContain(
      "Expected type FUNCTION but found DATUM:",
    );
    const several = r.expr([constant.coerceTo("array"), constant.coerceTo("array")]);
    expect(await bench().value(several)).toEqual([[1], [1]]);
  });
});
