/** Databases, tables, indexes, write hooks, users and permissions, on the simulated and on a real server. */
import { beforeAll, expect, test } from "vitest";
import { r, type Term } from "./driver.js";
import { anonymous, elements, onEachServer } from "./each-server.js";
import type { RawClient } from "./raw-client.js";

type Row = (name: string) => Term;

const config = (name: string, more = "") =>
  `{"db":"adm","durability":"hard","id":"UUID","indexes":[${more}],"name":"${name}","primary_key":"id","shards":[{"nonvoting_replicas":[],"primary_replica":"SERVER","replicas":["SERVER"]}],"write_acks":"majority","write_hook":null}`;

onEachServer("administration", (bench) => {
  const ask = async (term: Term) => anonymous(await bench().ask(term));
  const failure = (message: string) => `{"t":18,"e":4100000,"r":["${message}"],"b":[]}`;
  const database = r.db("adm");
  const table = database.table("t");

  test("creating, listing, describing, dropping", async () => {
    expect(await ask(r.dbCreate("adm"))).toBe(
      '{"t":1,"r":[{"config_changes":[{"new_val":{"id":"UUID","name":"adm"},"old_val":null}],"dbs_created":1}]}',
    );
    expect(await ask(r.dbCreate("adm"))).toBe(failure("Database `adm` already exists."));
    expect(await ask(database.tableCreate("t"))).toBe(
      `{"t":1,"r":[{"config_changes":[{"new_val":${config("t")},"old_val":null}],"tables_created":1}]}`,
    );
    expect(await ask(database.tableCreate("t"))).toBe(failure("Table `adm.t` already exists."));
    expect(await ask(r.dbList())).toContain('"adm"');
    expect(await ask(database.tableList())).toBe('{"t":1,"r":[["t"]]}');
    expect(await ask(table.config())).toBe(`{"t":1,"r":[${config("t")}]}`);
    expect(await ask(table.info())).toMatch(
      /^\{"t":1,"r":\[\{"db":\{"id":"UUID","name":"adm","type":"DB"\},"doc_count_estimates":\[\d+\],"id":"UUID","indexes":\[\],"name":"t","primary_key":"id","type":"TABLE"\}\]\}$/,
    );
    expect(await ask(table.wait())).toBe('{"t":1,"r":[{"ready":1}]}');
    expect(await ask(table.sync())).toBe('{"t":1,"r":[{"synced":1}]}');
    expect(await ask(table.status())).toBe(
      '{"t":1,"r":[{"db":"adm","id":"UUID","name":"t","raft_leader":"SERVER","shards":[{"primary_replicas":["SERVER"],"replicas":[{"server":"SERVER","state":"ready"}]}],"status":{"all_replicas_ready":true,"ready_for_outdated_reads":true,"ready_for_reads":true,"ready_for_writes":true}}]}',
    );
    expect(
      await ask(database.tableCreate("p", { primaryKey: "key", durability: "soft" })),
    ).toContain('"durability":"soft","id":"UUID","indexes":[],"name":"p","primary_key":"key"');
    expect(await ask(database.tableDrop("p"))).toContain('"tables_dropped":1');
    expect(await ask(database.tableDrop("p"))).toBe(failure("Table `adm.p` does not exist."));
  });

  test("changing a table's configuration", async () => {
    const changed = await bench().value(
      table.config().update({ durability: "soft" }, { returnChanges: true }),
    );
    expect(changed).toMatchObject({ replaced: 1, changes: [{ new_val: { durability: "soft" } }] });
    expect(await bench().value(table.config().update({ write_acks: "single" }))).toMatchObject({
      replaced: 1,
    });
    const refusals: [object, string][] = [
      [{ durability: "x" }, 'In `durability`: Expected "soft" or "hard", got: "x"'],
      [{ foo: 1 }, "Unexpected key(s): foo"],
      [
        { indexes: ["i"] },
        "The `indexes` field is read-only and can't be used to create or drop indexes.",
      ],
    ];
    for (const [change, why] of refusals) {
      expect(await bench().value(table.config().update(change))).toMatchObject({
        errors: 1,
        first_error: `The change you're trying to make to \`rethinkdb.table_config\` has the wrong format. ${why}`,
      });
    }
    await bench().done(table.config().update({ durability: "hard", write_acks: "majority" }));
  });

  test("an emergency repair of a table that needs none", async () => {
    const repair = (emergencyRepair: string | null, more: object = {}) =>
      ask(table.reconfigure({ emergencyRepair, ...more }));
    const refusal = (code: number, message: string, option = "") =>
      `{"t":18,"e":${code},"r":[${JSON.stringify(message)}],"b":[${option}]}`;
    expect(await repair("other")).toBe(
      refusal(
        3_000_000,
        '`emergency_repair` should be "unsafe_rollback" or "unsafe_rollback_or_erase"',
        '"emergency_repair"',
      ),
    );
    expect(await repair("unsafe_rollback", { shards: 1 })).toBe(
      refusal(3_000_000, "In emergency repair mode, you can't specify shards, replicas, etc."),
    );
    expect(await repair("unsafe_rollback")).toBe(
      failure("This table doesn't need to be repaired."),
    );
    expect(await repair(null)).toBe(refusal(3_000_000, "Missing required argument `shards`."));
  });

  test("an index's binary makes the same index elsewhere", async () => {
    await bench().done(database.tableCreate("copy"));
    await bench().done(
      table.insert([
        { id: 1, a: ["x", "y"] },
        { id: 2, a: ["y"] },
      ]),
    );
    const factor = 2;
    await bench().done(table.indexCreate("twice", (row: Row) => row("id").mul(factor)));
    await bench().done(table.indexCreate("a", { multi: true }));
    await bench().done(table.indexCreate("where", { geo: true }));
    await bench().done(table.indexWait());
    const statuses = (await bench().value(table.indexStatus())) as {
      index: string;
      function: { data: string };
    }[];
    expect(statuses).toMatchObject([
      { geo: false, index: "a", multi: true, outdated: false, ready: true },
      { geo: false, index: "twice", multi: false, outdated: false, ready: true },
      { geo: true, index: "where", multi: false, outdated: false, ready: true },
    ]);
    const copy = database.table("copy");
    for (const { index, function: fn } of statuses) {
      expect(Buffer.from(fn.data, "base64").toString("latin1")).toMatch(/^\$reql_index_function\$/);
      expect(await bench().ask([75, [copy.build(), index, fn]])).toBe(
        '{"t":1,"r":[{"created":1}]}',
      );
    }
    await bench().done(copy.indexWait());
    const copies = (await bench().value(copy.indexStatus())) as typeof statuses;
    expect(copies.map(({ function: fn }) => fn)).toEqual(statuses.map(({ function: fn }) => fn));
    expect(await bench().value(table.getAll("y", { index: "a" }).count())).toBe(2);
    expect(await bench().value(table.getAll(4, { index: "twice" }).nth(0)("id"))).toBe(2);
    expect(await ask(table.indexCreate("a"))).toBe(
      failure("Index `a` already exists on table `adm.t`."),
    );
    expect(await ask(table.indexDrop("b"))).toBe(
      failure("Index `b` does not exist on table `adm.t`."),
    );
    expect(await ask(table.indexStatus("b"))).toBe(
      failure("Index `b` was not found on table `adm.t`."),
    );
    expect(await ask(table.indexRename("a", "twice"))).toBe(
      failure("Index `a` does not exist or index `twice` already exists on table `adm.t`."),
    );
    expect(await ask(table.indexRename("a", "twice", { overwrite: true }))).toBe(
      '{"t":1,"r":[{"renamed":1}]}',
    );
    expect(await ask(table.indexList())).toBe('{"t":1,"r":[["twice","where"]]}');
  });

  test("write hooks: seen by writes unless ignored, copied by their binary, dropped by reconfigure", async () => {
    const hook = (context: Row, _old: unknown, next: Term) =>
      r.branch(next.eq(null), next, next.merge({ hooked: context("primary_key") }));
    expect(await ask(table.setWriteHook(hook))).toBe('{"t":1,"r":[{"created":1}]}');
    expect(await ask(table.setWriteHook(hook))).toBe('{"t":1,"r":[{"replaced":1}]}');
    await bench().done(table.insert({ id: "h" }));
    await bench().done(table.insert({ id: "i" }, { ignoreWriteHook: true }));
    expect(await bench().value(table.get("h"))).toEqual({ hooked: "h", id: "h" });
    expect(await bench().value(table.get("i"))).toEqual({ id: "i" });
    const stored = (await bench().value(table.getWriteHook())) as { function: { data: string } };
    expect(Buffer.from(stored.function.data, "base64").toString("latin1")).toMatch(
      /^\$reql_write_hook_function\$/,
    );
    const copy = database.table("copy");
    expect(await bench().ask([189, [copy.build(), stored.function]])).toBe(
      '{"t":1,"r":[{"created":1}]}',
    );
    await bench().done(copy.insert({ id: "c" }));
    expect(await bench().value(copy.get("c"))).toEqual({ hooked: "c", id: "c" });
    expect(await bench().value(copy.config()("write_hook"))).toMatchObject({
      function: stored.function,
    });
    await bench().value(copy.reconfigure({ shards: 1, replicas: 1 }));
    expect(await bench().value(copy.getWriteHook())).toBeNull();
    expect(await ask(table.setWriteHook(null))).toBe('{"t":1,"r":[{"deleted":1}]}');
    expect(await ask(table.getWriteHook())).toBe('{"t":1,"r":[null]}');
    expect(await bench().ask(table.setWriteHook((row: unknown) => row))).toContain(
      "must expect 3 arguments",
    );
  });

  test("tables and databases made and dropped through their rows", async () => {
    const rows = r.db("rethinkdb").table("table_config");
    expect(await bench().value(rows.insert({ name: "q", db: "adm" }))).toMatchObject({
      inserted: 1,
    });
    expect(
      await bench().value(
        rows.insert({ id: "00000000-0000-0000-0000-000000000000", name: "q2", db: "adm" }),
      ),
    ).toMatchObject({
      errors: 1,
    });
    expect(await bench().value(rows.filter({ name: "q" }).delete())).toMatchObject({ deleted: 1 });
    expect(await ask(r.db("rethinkdb").tableCreate("x"))).toBe(
      failure("Database `rethinkdb` is special; you can't create new tables in it."),
    );
    expect(await ask(r.dbDrop("rethinkdb"))).toBe(
      failure("Database `rethinkdb` is special; you can't delete it."),
    );
  });
});

onEachServer("permissions", (bench) => {
  const table = r.db("perm").table("t");
  let client: RawClient;
  const refused = (permission: string) =>
    `{"t":18,"e":6000000,"r":["User \`dora\` does not have the required \`${permission}\` permission."],"b":[]}`;
  const asDora = (term: Term) => client.query(term.build());

  beforeAll(async () => {
    await bench().done(r.dbCreate("perm"));
    await bench().done(r.db("perm").tableCreate("t"));
    await bench().done(r.db("rethinkdb").table("users").insert({ id: "dora", password: "d" }));
    client = await bench().connect("dora", "d");
  });

  test("a new user may do nothing", async () => {
    for (const term of [table, table.count(), table.get(1)]) {
      expect(await asDora(term)).toBe(refused("read"));
    }
    expect(await asDora(table.insert({ id: 1 }))).toBe(refused("write"));
    for (const [term, permission] of [
      [table.changes(), "read"],
      [table.insert({ id: 1 }, { ignoreWriteHook: true }), "config"],
    ] as const) {
      expect(await asDora(term)).toBe(
        refused(permission)
          .replace("6000000", "1000000")
          .replace("User", "Unexpected exception: User"),
      );
    }
    for (const term of [
      table.config(),
      table.indexCreate("i"),
      table.getWriteHook(),
      r.dbCreate("x"),
      r.db("perm").tableDrop("t"),
    ]) {
      expect(await asDora(term)).toBe(refused("config"));
    }
    expect(await asDora(table.indexStatus())).toBe('{"t":1,"r":[[]]}');
  });

  test("the global word does not reach into the system database", async () => {
    // A grant is answered before every thread of the server knows it.
    await bench().done(r.grant("dora", { read: true }));
    await expect.poll(() => asDora(table.count())).toBe('{"t":1,"r":[0]}');
    expect(await asDora(r.db("rethinkdb").table("db_config"))).toBe(refused("read"));
    await bench().done(r.db("rethinkdb").grant("dora", { read: true }));
    await expect
      .poll(() => asDora(r.db("rethinkdb").table("db_config").count()))
      .toMatch(/^\{"t":1,"r":\[\d\]\}$/);
    expect(await asDora(table.insert({ id: 1 }))).toBe(refused("write"));
  });

  test("the table's word goes before the database's, and that before the global one", async () => {
    await bench().done(r.db("perm").grant("dora", { read: false }));
    await expect.poll(() => asDora(table.count())).toBe(refused("read"));
    await bench().done(table.grant("dora", { read: true, write: true }));
    await expect
      .poll(async () => elements(await asDora(table.insert({ id: 1 }))))
      .toMatchObject([{ inserted: 1 }]);
    expect(await bench().ask(r.grant("dora", { read: null }))).toBe(
      '{"t":1,"r":[{"granted":1,"permissions_changes":[{"new_val":null,"old_val":{"read":true}}]}]}',
    );
    const rows = await bench().ask(
      r
        .db("rethinkdb")
        .table("permissions")
        .filter({ user: "dora" })
        .pluck("permissions", "database", "table"),
    );
    expect(new Set(elements(rows))).toEqual(
      new Set([
        { database: "rethinkdb", permissions: { read: true } },
        { database: "perm", permissions: { read: false } },
        { database: "perm", table: "t", permissions: { read: true, write: true } },
      ]),
    );
  });

  test("a feed ends with the batch after the permission is gone", async () => {
    const token = client.start(table.changes().build());
    expect(await client.next(token)).toBe('{"t":3,"r":[],"n":[1]}');
    await bench().done(table.grant("dora", { read: false }));
    const waiting = client.continue(token);
    await bench().done(table.insert({ id: 2 }));
    expect(elements(await waiting)).toHaveLength(1);
    expect(await client.continue(token)).toBe(refused("read"));
  });

  test("grants that are refused", async () => {
    const refusals: [Term, string][] = [
      [r.grant("nobody", { read: true }), "User `nobody` not found."],
      [r.grant("admin", { read: true }), "The permissions of the user `admin` can't be modified."],
      [r.grant("dora", { foo: true }), "Unexpected key(s) `foo`."],
      [r.grant("dora", { read: 5 }), "Expected a boolean or null for `read`, got 5."],
      [
        table.grant("dora", { connect: true }),
        "The `connect` permission is only valid at the global scope.",
      ],
    ];
    for (const [term, message] of refusals)
      expect(elements(await bench().ask(term))).toEqual([message]);
  });
});
