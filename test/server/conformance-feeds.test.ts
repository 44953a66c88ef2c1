/** Changefeeds as clients see them, on the simulated and on a real server. */
import { afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { r, type Term } from "./driver.js";
import { anonymous, type Bench, elements, onEachServer } from "./each-server.js";

type Row = (name: string) => Term;

const aborted = '{"t":18,"e":4100000,"r":["Changefeed aborted (unavailable)."],"b":[]}';
const ended = '{"t":2,"r":[],"n":[]}';

/** Elements of a feed, over as many responses as it takes. */
async function take({ client }: Bench, token: bigint, count: number): Promise<unknown[]> {
  const taken: unknown[] = [];
  while (taken.length < count) taken.push(...elements(await client.continue(token)));
  return taken;
}

onEachServer("feeds", (bench) => {
  const table = r.db("feeds").table("t");
  let tokens: bigint[] = [];

  beforeAll(async () => {
    await bench().done(r.dbCreate("feeds"));
  });
  beforeEach(async () => {
    await bench().value(r.db("feeds").tableCreate("t"));
  });
  afterEach(async () => {
    for (const token of tokens) bench().client.sendText(token, "[3]");
    tokens = [];
    await bench().ask(r.db("feeds").tableDrop("t"));
  });

  async function open(term: Term): Promise<{ token: bigint; first: string }> {
    const opened = await bench().open(term);
    tokens.push(opened.token);
    return opened;
  }

  test("the START response comes at once and says what the feed is", async () => {
    expect((await open(table.changes())).first).toBe('{"t":3,"r":[],"n":[1]}');
    expect((await open(table.get(1).changes())).first).toBe('{"t":3,"r":[],"n":[2]}');
    expect((await open(table.changes({ includeStates: true }))).first).toBe(
      '{"t":3,"r":[{"state":"ready"}],"n":[1,5]}',
    );
    expect((await open(table.changes({ includeStates: true, includeTypes: true }))).first).toBe(
      '{"t":3,"r":[{"state":"ready","type":"state"}],"n":[1,5]}',
    );
  });

  test("each write comes with its old and new document, a write of nothing new does not", async () => {
    const { token } = await open(table.changes({ includeTypes: true }));
    await bench().done(table.insert({ id: 1, a: 1 }));
    await bench().done(table.get(1).update({ a: 1 }));
    await bench().done(table.get(1).update({ a: 2 }));
    await bench().done(table.get(1).delete());
    await bench().done(table.get(1).delete());
    await bench().done(table.insert({ id: 1 }));
    expect(await take(bench(), token, 4)).toEqual([
      { new_val: { a: 1, id: 1 }, old_val: null, type: "add" },
      { new_val: { a: 2, id: 1 }, old_val: { a: 1, id: 1 }, type: "change" },
      { new_val: null, old_val: { a: 2, id: 1 }, type: "remove" },
      { new_val: { id: 1 }, old_val: null, type: "add" },
    ]);
  });

  test("every document's changes come in order, none is missing", async () => {
    const { token } = await open(table.changes());
    const writes = 40;
    for (let i = 0; i < writes; i += 1) {
      await bench().done(
        table.insert(
          [0, 1, 2, 3, 4].map((id) => ({ id, i })),
          { conflict: "replace" },
        ),
      );
    }
    const last = new Map<number, number>();
    const changes = (await take(bench(), token, 5 * writes)) as {
      new_val: { id: number; i: number };
      old_val: { i: number } | null;
    }[];
    for (const { new_val, old_val } of changes) {
      expect(old_val?.i).toBe(last.get(new_val.id));
      last.set(new_val.id, new_val.i);
    }
    expect([...last.values()]).toEqual([39, 39, 39, 39, 39]);
  });

  test("two CONTINUEs may wait; each is answered by a change", async () => {
    const { client } = bench();
    const { token } = await open(table.changes());
    const answers = [client.continue(token), client.continue(token)];
    await bench().done(table.insert({ id: 1 }));
    expect(elements(await answers[0]!)).toEqual([{ new_val: { id: 1 }, old_val: null }]);
    await bench().done(table.insert({ id: 2 }));
    expect(elements(await answers[1]!)).toEqual([{ new_val: { id: 2 }, old_val: null }]);
  });

  test("STOP ends the feed and the CONTINUE that waits", async () => {
    const { client } = bench();
    const { token } = await open(table.changes());
    const waiting = client.continue(token);
    expect([await client.stop(token), await waiting]).toEqual([ended, ended]);
    expect(await client.continue(token)).toContain("not in stream cache");
  });

  test("initial rows: initializing, the rows, then ready; a change after that", async () => {
    await bench().done(table.insert([{ id: 1 }, { id: 2 }]));
    const { token, first } = await open(
      table.changes({ includeInitial: true, includeStates: true, includeTypes: true }),
    );
    expect(elements(first)[0]).toEqual({ state: "initializing", type: "state" });
    expect(new Set(elements(first).slice(1))).toEqual(
      new Set([
        { new_val: { id: 1 }, type: "initial" },
        { new_val: { id: 2 }, type: "initial" },
      ]),
    );
    expect(await bench().client.continue(token)).toBe(
      '{"t":3,"r":[{"state":"ready","type":"state"}],"n":[1,5]}',
    );
    await bench().done(table.insert({ id: 3 }));
    expect(await take(bench(), token, 1)).toEqual([
      { new_val: { id: 3 }, old_val: null, type: "add" },
    ]);
  });

  test("initial rows under writes fold to the table", async () => {
    const documents = 600;
    await bench().done(
      table.insert(
        r
          .range(documents)
          .map((id: Term) => ({ id, v: 0 }))
          .coerceTo("array"),
      ),
    );
    const state = new Map<number, number>();
    const token = bench().client.start(
      table.changes({ includeInitial: true, includeStates: true, includeTypes: true }).build(),
      { max_batch_rows: 40 },
    );
    tokens.push(token);
    const writer = (async () => {
      for (let v = 1; v <= 60; v += 1) {
        await bench().done(table.insert({ id: (v * 37) % documents, v }, { conflict: "replace" }));
      }
      await bench().done(table.insert({ id: -1, v: 0 }));
    })();
    let response = await bench().client.next(token);
    while (!state.has(-1)) {
      for (const element of elements(response) as {
        new_val?: { id: number; v: number };
        old_val?: { v: number };
        type: string;
      }[]) {
        if (element.type === "initial") expect(state.has(element.new_val!.id)).toBe(false);
        if (element.type === "change")
          expect(state.get(element.new_val!.id)).toBe(element.old_val!.v);
        if (element.new_val) state.set(element.new_val.id, element.new_val.v);
      }
      if (!state.has(-1)) response = await bench().client.continue(token);
    }
    await writer;
    const rows = (await bench().value(table.coerceTo("array"))) as { id: number; v: number }[];
    expect(Object.fromEntries(state)).toEqual(Object.fromEntries(rows.map(({ id, v }) => [id, v])));
  });

  test("a row's feed", async () => {
    const options = { includeInitial: true, includeStates: true, includeTypes: true };
    const { token, first } = await open(table.get(7).changes(options));
    expect(first).toBe(
      '{"t":3,"r":[{"state":"initializing","type":"state"},{"new_val":null,"type":"initial"},{"state":"ready","type":"state"}],"n":[2,5]}',
    );
    await bench().done(table.insert({ id: 7 }));
    expect(await take(bench(), token, 1)).toEqual([
      { new_val: { id: 7 }, old_val: null, type: "add" },
    ]);
  });

  test("ranges, filters and transformations", async () => {
    const between = await open(table.between(5, 20).changes());
    const filtered = await open(table.filter({ q: 1 }).changes({ includeTypes: true }));
    const plucked = await open(table.pluck("id").changes());
    const mapped = await open(table.changes().map((row: Row) => row("new_val")("id")));
    const limited = await open(table.changes().limit(1));
    await bench().done(table.insert([{ id: 4 }]));
    await bench().done(table.insert([{ id: 5, q: 1 }]));
    await bench().done(table.get(5).update({ q: 2 }));
    expect(await take(bench(), between.token, 2)).toEqual([
      { new_val: { id: 5, q: 1 }, old_val: null },
      { new_val: { id: 5, q: 2 }, old_val: { id: 5, q: 1 } },
    ]);
    expect(await take(bench(), filtered.token, 2)).toEqual([
      { new_val: { id: 5, q: 1 }, old_val: null, type: "add" },
      { new_val: null, old_val: { id: 5, q: 1 }, type: "remove" },
    ]);
    expect(await take(bench(), plucked.token, 2)).toHaveLength(2);
    expect(new Set(await take(bench(), mapped.token, 3))).toEqual(new Set([4, 5]));
    const last = await bench().client.continue(limited.token);
    expect(last).toMatch(/^\{"t":2,"r":\[\{"new_val":\{"id":[45].*\}\],"n":\[1\]\}$/);
  });

  test("a queue that is too small is emptied, and the feed says so and goes on", async () => {
    const { token } = await open(table.changes({ changefeedQueueSize: 3, includeTypes: true }));
    for (let id = 0; id < 10; id += 1) await bench().done(table.insert({ id }));
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(await bench().client.continue(token)).toBe(
      '{"t":3,"r":[{"error":"Changefeed cache over array size limit, skipped 8 elements."}],"n":[1]}',
    );
    expect(await take(bench(), token, 2)).toHaveLength(2);
  });

  test("what cannot be watched, and bad options", async () => {
    const refusals: [Term, string][] = [
      [table.count().changes(), "Cannot convert NUMBER to SEQUENCE"],
      [r.expr([1]).changes(), "Cannot call `changes` on an eager stream."],
      [
        table.concatMap((row: unknown) => [row]).changes(),
        "Cannot call `changes` after `concat_map`.",
      ],
      [
        table.changes({ squash: -1 }),
        "Expected BOOL or a positive NUMBER but found a negative NUMBER.",
      ],
      [
        table.changes({ changefeedQueueSize: 0 }),
        "Illegal changefeed queue size `0`.  (Must be >= 1.)",
      ],
    ];
    for (const [term, message] of refusals)
      expect(elements(await bench().ask(term))).toEqual([message]);
  });

  test("a feed survives a rename and ends when the table or its database is dropped", async () => {
    const { token } = await open(table.changes());
    await bench().done(table.config().update({ name: "renamed" }));
    await bench().done(r.db("feeds").config().update({ name: "moved" }));
    const renamed = r.db("moved").table("renamed");
    await bench().done(renamed.insert({ id: 1 }));
    expect(await take(bench(), token, 1)).toHaveLength(1);
    const other = await open(renamed.changes());
    const waiting = bench().client.continue(token);
    await bench().done(r.dbDrop("moved"));
    expect(await waiting).toBe(aborted);
    expect(await bench().client.continue(other.token)).toBe(aborted);
    expect(await bench().client.continue(token)).toContain("not in stream cache");
    await bench().done(r.dbCreate("feeds"));
  });

  test("resharding ends a feed, reconfiguring to what is there does not", async () => {
    const { token } = await open(table.changes());
    await bench().value(table.reconfigure({ shards: 1, replicas: 1 }));
    await bench().done(table.insert({ id: 1 }));
    expect(await take(bench(), token, 1)).toHaveLength(1);
    const waiting = bench().client.continue(token);
    await bench().value(table.reconfigure({ shards: 2, replicas: 1 }));
    expect(await waiting).toBe(aborted);
    await bench().value(table.wait());
  });

  test("a dropped connection takes its feeds along, others stay", async () => {
    const other = await bench().connect();
    other.start(table.changes().build());
    const { token } = await open(table.changes());
    other.close();
    await bench().done(table.insert({ id: 1 }));
    expect(await take(bench(), token, 1)).toHaveLength(1);
  });
});

onEachServer("feeds of system tables", (bench) => {
  const system = (name: string) => r.db("rethinkdb").table(name).changes({ includeTypes: true });
  const types = (changes: unknown[]) => changes.map((change) => (change as { type: string }).type);

  test("db_config and table_config follow create, change, rename and drop", async () => {
    const databases = (await bench().open(system("db_config"))).token;
    const tables = (await bench().open(system("table_config"))).token;
    await bench().done(r.dbCreate("sys"));
    expect(anonymous(JSON.stringify(await take(bench(), databases, 1)))).toBe(
      '[{"new_val":{"id":"UUID","name":"sys"},"old_val":null,"type":"add"}]',
    );
    await bench().done(r.db("sys").tableCreate("t"));
    expect(types(await take(bench(), tables, 1))).toEqual(["add"]);
    await bench().done(r.db("sys").table("t").indexCreate("i"));
    expect(await take(bench(), tables, 1)).toMatchObject([
      { new_val: { indexes: ["i"] }, old_val: { indexes: [] } },
    ]);
    await bench().done(r.db("sys").config().update({ name: "sys2" }));
    expect(types(await take(bench(), databases, 1))).toEqual(["change"]);
    expect(await take(bench(), tables, 1)).toMatchObject([
      { new_val: { db: "sys2" }, old_val: { db: "sys" } },
    ]);
    await bench().done(r.dbDrop("sys2"));
    expect(types(await take(bench(), databases, 1))).toEqual(["remove"]);
    expect(types(await take(bench(), tables, 1))).toEqual(["remove"]);
  });

  test("users and permissions", async () => {
    const users = (await bench().open(system("users"))).token;
    const permissions = (await bench().open(system("permissions"))).token;
    await bench().done(r.db("rethinkdb").table("users").insert({ id: "carl", password: "x" }));
    expect(await take(bench(), users, 1)).toEqual([
      { new_val: { id: "carl", password: true }, old_val: null, type: "add" },
    ]);
    await bench().done(r.grant("carl", { read: true }));
    expect(await take(bench(), permissions, 1)).toEqual([
      {
        new_val: { id: ["carl"], permissions: { read: true }, user: "carl" },
        old_val: null,
        type: "add",
      },
    ]);
  });
});
