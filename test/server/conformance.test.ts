/**
 * What clients can observe of a RethinkDB server, asked of the simulated one and of a real one. Where they disagree the
 * real one is right.
 */
import { createHash } from "node:crypto";
import { beforeAll, expect, test } from "vitest";
import { r } from "./driver.js";
import { anonymous, elements, onEachServer } from "./each-server.js";
import { HandshakeError } from "./raw-client.js";

const done = '{"deleted":0,"errors":0,"inserted":1,"replaced":0,"skipped":0,"unchanged":0}';

onEachServer("the protocol", (bench) => {
  test("a user comes in with the password, not with another, and unknown users do not", async () => {
    await bench().done(r.db("rethinkdb").table("users").insert({ id: "ann", password: "sécret" }));
    const client = await bench().connect("ann", "sécret");
    expect(await client.serverInfo()).toMatch(
      /^\{"t":5,"r":\[\{"id":"[-0-9a-f]{36}","name":"\w+","proxy":false\}\]\}$/,
    );
    client.close();
    await expect(bench().connect("ann", "secret")).rejects.toEqual(
      new HandshakeError("Wrong password", 12),
    );
    await expect(bench().connect("bob", "")).rejects.toEqual(
      new HandshakeError("Unknown user", 17),
    );
  });

  const answers: [name: string, term: unknown, response: string][] = [
    ["a number", r.expr(1).build(), '{"t":1,"r":[1]}'],
    ["null", r.expr(null).build(), '{"t":1,"r":[null]}'],
    ["an array", r.expr([1, [2], {}]).build(), '{"t":1,"r":[[1,[2],{}]]}'],
    [
      "keys in byte order",
      { "\u{1f600}": 1, "\uffff": 2, é: 3, b: 4, B: 5, "": 6 },
      '{"t":1,"r":[{"":6,"B":5,"b":4,"é":3,"\uffff":2,"\u{1f600}":1}]}',
    ],
    ["a stream", r.range(3).build(), '{"t":2,"r":[0,1,2],"n":[]}'],
    ["an empty stream", r.range(0).build(), '{"t":2,"r":[],"n":[]}'],
    [
      "a compile error",
      [24, []],
      '{"t":17,"r":["Expected 1 or more arguments but found 0."],"b":[]}',
    ],
    ["an unknown term", [9999, []], '{"t":17,"r":["Unrecognized TermType: 9999."],"b":[]}'],
    [
      "an unknown option",
      [16, [[15, ["t"]], 1], { foo: 1 }],
      '{"t":17,"r":["Unrecognized optional argument `foo`."],"b":["foo"]}',
    ],
    ["a variable out of scope", [10, [5]], '{"t":17,"r":["Variable name not found."],"b":[]}'],
    [
      "a logic error",
      r.expr(1).add("a").build(),
      '{"t":18,"e":3000000,"r":["Expected type NUMBER but found STRING."],"b":[]}',
    ],
    ["a user's error", r.error("boo").build(), '{"t":18,"e":5000000,"r":["boo"],"b":[]}'],
    [
      "no such database",
      r.db("nope").table("t").build(),
      '{"t":18,"e":4100000,"r":["Database `nope` does not exist."],"b":[0]}',
    ],
    [
      "no such table",
      r.db("test").table("nope").build(),
      '{"t":18,"e":4100000,"r":["Table `test.nope` does not exist."],"b":[]}',
    ],
    [
      "no such field",
      r.expr({ a: 1 })("b").build(),
      '{"t":18,"e":3100000,"r":["No attribute `b` in object:\\n{\\n\\t\\"a\\":\\t1\\n}"],"b":[]}',
    ],
    ["a default", r.expr({ a: 1 })("b").default(2).build(), '{"t":1,"r":[2]}'],
    [
      "a default for a user's error",
      r.error("boo").default(2).build(),
      '{"t":18,"e":5000000,"r":["boo"],"b":[0]}',
    ],
    [
      "a function",
      r.expr((x: unknown) => x).build(),
      '{"t":18,"e":3000000,"r":["Query result must be of type DATUM, GROUPED_DATA, or STREAM (got FUNCTION)."],"b":[]}',
    ],
    [
      "minval",
      r.minval.build(),
      '{"t":18,"e":3000000,"r":["Cannot convert `r.minval` to JSON."],"b":[]}',
    ],
    ["a sum", r.expr([1, 2, 3]).sum().build(), '{"t":1,"r":[6]}'],
    [
      "groups",
      r
        .expr([{ a: 1 }, { a: 2 }, { a: 1 }])
        .group("a")
        .count()
        .build(),
      '{"t":1,"r":[{"$reql_type$":"GROUPED_DATA","data":[[1,2],[2,1]]}]}',
    ],
    ["a hash", r.uuid("abc").build(), '{"t":1,"r":["6418110d-d4cb-5b7e-bd4c-a4ae2b37fb98"]}'],
    [
      "hexadecimal text",
      r.expr("0xffffffffffff").coerceTo("number").build(),
      '{"t":1,"r":[281474976710655]}',
    ],
    [
      "control characters",
      '\u0000\u0007\b\t\n\f\r\u001f\u007f\u2028/"\\',
      '{"t":1,"r":["\\u0000\\u0007\\b\\t\\n\\f\\r\\u001F\u007f\u2028/\\"\\\\"]}',
    ],
  ];

  test.each(answers)("answers %s", async (_name, term, response) => {
    expect(await bench().ask(term)).toBe(response);
  });

  const frames: [sent: string, response: string][] = [
    ["[2]", '{"t":16,"r":["Token 777 not in stream cache."],"b":[]}'],
    ["[3]", '{"t":16,"r":["Token 777 not in stream cache."],"b":[]}'],
    ["[4]", '{"t":4,"r":[]}'],
    ["[9]", '{"t":16,"r":["Server could not parse query: Unrecognized QueryType: 9."],"b":[]}'],
    [
      "{}",
      '{"t":16,"r":["Server could not parse query: Expected a query to be an array, but found OBJECT."],"b":[]}',
    ],
    ["[1,", '{"t":16,"r":["Client is buggy (failed to deserialize query)."],"b":[]}'],
    ['[1,"\\ud800"]', '{"t":16,"r":["Client is buggy (failed to deserialize query)."],"b":[]}'],
    ["[1,1e999]", '{"t":16,"r":["Client is buggy (failed to deserialize query)."],"b":[]}'],
    ["[1,[2,[-0,-0.0,0.0,1.0,1e2,-1.5]]]", '{"t":1,"r":[[0,-0.0,0,1,100,-1.5]]}'],
    ['[1,[98,["[-0,-0.0]"]]]', '{"t":1,"r":[[0,-0.0]]}'],
  ];

  test.each(frames)("the frame %s", async (sent, response) => {
    const { client } = bench();
    client.sendText(777n, sent);
    expect(await client.next(777n)).toBe(response);
  });

  test("batches: the first is smaller, CONTINUE gives the next, the last ends the stream", async () => {
    const { client } = bench();
    const { token, first } = await bench().open(r.range(50), { max_batch_rows: 20 });
    expect(first).toBe('{"t":3,"r":[0,1,2,3,4],"n":[]}');
    expect(elements(await client.continue(token))).toHaveLength(20);
    expect(elements(await client.continue(token))).toHaveLength(20);
    expect(await client.continue(token)).toBe('{"t":2,"r":[45,46,47,48,49],"n":[]}');
    expect(await client.continue(token)).toBe(
      `{"t":16,"r":["Token ${token} not in stream cache."],"b":[]}`,
    );
  });

  test("a token in use cannot start another query", async () => {
    const { client } = bench();
    const { token } = await bench().open(r.range(50), { max_batch_rows: 1 });
    client.sendText(token, "[1,1]");
    expect(await client.next(token)).toBe(
      `{"t":16,"r":["ERROR: duplicate token ${token}"],"b":[]}`,
    );
    expect(await client.stop(token)).toBe('{"t":2,"r":[],"n":[]}');
  });

  test("a query that wants no reply gets none", async () => {
    const { client } = bench();
    const token = client.start(1, { noreply: true });
    expect(await client.noreplyWait()).toBe('{"t":4,"r":[]}');
    client.sendText(token, "[1,2]");
    expect(await client.next(token)).toBe('{"t":1,"r":[2]}');
  });
});

onEachServer("documents", (bench) => {
  const table = r.db("data").table("t");
  const insertText = (text: string, options = {}) =>
    bench().ask(table.insert(r.json(text), options));

  beforeAll(async () => {
    await bench().done(r.dbCreate("data"));
    await bench().done(r.db("data").tableCreate("t"));
  });

  const documents: [name: string, given: string, stored: string][] = [
    [
      "key order",
      '{"z":1,"id":"order","a":{"c":1,"b":2}}',
      '{"a":{"b":2,"c":1},"id":"order","z":1}',
    ],
    [
      "numbers",
      '{"id":"numbers","n":[1e0,2.50,1e21,1e22,9007199254740993,123456789012345680000,1e-7,0.000001,5e-324,1.7976931348623157e308,-0.0,-0,-1]}',
      '{"id":"numbers","n":[1,2.5,1e21,1e22,9007199254740992,123456789012345680000.0,1e-7,0.000001,5e-324,1.7976931348623157e308,-0.0,0,-1]}',
    ],
    [
      "names",
      '{"id":"names","__proto__":1,"constructor":2,"":3,"\\u0000":4,"10":5,"9":6}',
      '{"":3,"\\u0000":4,"10":5,"9":6,"__proto__":1,"constructor":2,"id":"names"}',
    ],
    [
      "strings",
      '{"id":"strings","s":"\\u0001\\u001f\\/\\u007f\\u2028\\u00e9\\ud83d\\ude00"}',
      '{"id":"strings","s":"\\u0001\\u001F/\u007f\u2028é😀"}',
    ],
    [
      "a time",
      '{"id":"time","t":{"$reql_type$":"TIME","epoch_time":1.23456,"timezone":"Z"}}',
      '{"id":"time","t":{"$reql_type$":"TIME","epoch_time":1.235,"timezone":"+00:00"}}',
    ],
    [
      "a time zone",
      '{"id":"zone","t":{"timezone":"-0730","epoch_time":1,"$reql_type$":"TIME"}}',
      '{"id":"zone","t":{"$reql_type$":"TIME","epoch_time":1,"timezone":"-07:30"}}',
    ],
    [
      "binary",
      `{"id":"binary","b":{"$reql_type$":"BINARY","data":"${"YWFh".repeat(25)}YQ=="}}`,
      `{"b":{"$reql_type$":"BINARY","data":"${"YWFh".repeat(19)}\\r\\n${"YWFh".repeat(6)}YQ=="},"id":"binary"}`,
    ],
    [
      "a point",
      '{"id":"point","p":{"$reql_type$":"GEOMETRY","type":"Point","coordinates":[1,2.5]}}',
      '{"id":"point","p":{"$reql_type$":"GEOMETRY","coordinates":[1,2.5],"type":"Point"}}',
    ],
    [
      "nesting",
      `{"id":"deep","d":${"[".repeat(100)}${"]".repeat(100)}}`,
      `{"d":${"[".repeat(100)}${"]".repeat(100)},"id":"deep"}`,
    ],
  ];

  test.each(documents)("%s come back as the server writes them", async (_name, given, stored) => {
    expect(await insertText(given)).toBe(`{"t":1,"r":[${done}]}`);
    const { id } = JSON.parse(given) as { id: string };
    expect(await bench().ask(table.get(id))).toBe(`{"t":1,"r":[${stored}]}`);
    expect(await bench().value(table.get(id).toJsonString())).toBe(stored);
    const bytes = createHash("sha1")
      .update(Buffer.from("91461c99f89d49d2af96d8e2e14e9b58", "hex"))
      .update(stored)
      .digest();
    bytes[6] = (bytes.readUInt8(6) & 0x0f) | 0x50;
    bytes[8] = (bytes.readUInt8(8) & 0x3f) | 0x80;
    const hash = (await bench().value(r.uuid(table.get(id).toJsonString()))) as string;
    expect(hash.replaceAll("-", "")).toBe(bytes.toString("hex", 0, 16));
  });

  const refusals: [text: string, error: string][] = [
    [
      '{"id":null}',
      "Primary keys must be either a number, string, bool, pseudotype or array (got type NULL):\nnull",
    ],
    [
      '{"id":{"a":1}}',
      'Primary keys must be either a number, string, bool, pseudotype or array (got type OBJECT):\n{\n\t"a":\t1\n}',
    ],
    [
      `{"id":"${"x".repeat(128)}"}`,
      `Primary key too long (max 127 characters): "${"x".repeat(128)}"`,
    ],
    [
      '{"id":"a\\u0000b"}',
      'String "a\\x00b" (truncated) contains NULL byte at offset 1 in index key.',
    ],
    [
      '{"id":"order"}',
      'Duplicate primary key `id`:\n{\n\t"a":\t{\n\t\t"b":\t2,\n\t\t"c":\t1\n\t},\n\t"id":\t"order",\n\t"z":\t1\n}\n{\n\t"id":\t"order"\n}',
    ],
    [
      '{"id":[1,null]}',
      "Array keys can only contain numbers, strings, bools,  pseudotypes, or arrays (got null of type NULL).",
    ],
  ];

  test.each(refusals)("%s is refused", async (text, error) => {
    expect(elements(await insertText(text))).toEqual([
      {
        deleted: 0,
        errors: 1,
        first_error: error,
        inserted: 0,
        replaced: 0,
        skipped: 0,
        unchanged: 0,
      },
    ]);
  });

  test("a primary key of 127 characters is taken", async () => {
    expect(await insertText(`{"id":"${"y".repeat(127)}"}`)).toBe(`{"t":1,"r":[${done}]}`);
  });

  test("unknown pseudo types and stray literals are refused", async () => {
    expect(await insertText('{"id":1,"x":{"$reql_type$":"FOO"}}')).toContain(
      "Unknown $reql_type$ `PTYPE<FOO>`.",
    );
    expect(await bench().ask(table.insert({ id: 1, x: r.literal(1) }))).toContain(
      "Stray literal keyword found",
    );
  });

  test("a missing key is made", async () => {
    const [answer] = elements(await insertText('[{"a":1},{"a":2}]')) as [
      { generated_keys: string[]; inserted: number },
    ];
    expect(answer.inserted).toBe(2);
    expect(answer.generated_keys).toHaveLength(2);
    expect(anonymous(answer.generated_keys.join())).toBe("UUID,UUID");
  });

  test("conflicts: error, replace, update, a function; counts and changes", async () => {
    await insertText('{"id":"c","a":1}');
    const insert = async (document: object, options: object) =>
      (
        elements(
          await bench().ask(table.insert(document, { returnChanges: true, ...options })),
        ) as [{ changes: unknown[]; replaced: number; unchanged: number; errors: number }]
      )[0];
    expect(await insert({ id: "c" }, {})).toMatchObject({ errors: 1, changes: [] });
    expect(await insert({ id: "c", b: 2 }, { conflict: "update" })).toMatchObject({
      replaced: 1,
      changes: [{ new_val: { a: 1, b: 2, id: "c" }, old_val: { a: 1, id: "c" } }],
    });
    expect(await insert({ id: "c", b: 2 }, { conflict: "update" })).toMatchObject({
      unchanged: 1,
      changes: [],
    });
    expect(await insert({ id: "c" }, { conflict: "replace" })).toMatchObject({ replaced: 1 });
    const third = (_key: unknown, old: { merge(o: object): unknown }, _new: unknown) =>
      old.merge({ d: 4 });
    expect(await insert({ id: "c" }, { conflict: third })).toMatchObject({
      replaced: 1,
      changes: [{ new_val: { d: 4, id: "c" }, old_val: { id: "c" } }],
    });
    expect(await bench().ask(table.insert({ id: "c" }, { conflict: "foo" }))).toBe(
      '{"t":18,"e":3000000,"r":["Conflict option `foo` unrecognized (options are \\"error\\", \\"replace\\" and \\"update\\")."],"b":["conflict"]}',
    );
  });

  test("update, replace and delete: counts and errors", async () => {
    await insertText('{"id":"u","a":1}');
    const row = table.get("u");
    expect(await bench().value(row.update({ a: 1 }))).toMatchObject({ unchanged: 1 });
    expect(await bench().value(row.update({ a: -0.5, b: { c: 1 } }))).toMatchObject({
      replaced: 1,
    });
    expect(await bench().value(row.update({ b: r.literal({ d: 1 }) }))).toMatchObject({
      replaced: 1,
    });
    expect(await bench().value(row)).toEqual({ a: -0.5, b: { d: 1 }, id: "u" });
    expect(await bench().value(row.update({ id: "v" }))).toMatchObject({ errors: 1 });
    expect(await bench().value(row.replace({}))).toMatchObject({
      errors: 1,
      first_error: "Inserted object must have primary key `id`:\n{}",
    });
    expect(await bench().value(row.delete({ returnChanges: true }))).toMatchObject({
      deleted: 1,
      changes: [{ new_val: null, old_val: { a: -0.5, b: { d: 1 }, id: "u" } }],
    });
    expect(await bench().value(row.delete())).toMatchObject({ skipped: 1 });
    expect(await bench().value(row.update({ a: 1 }))).toMatchObject({ skipped: 1 });
    expect(await bench().ask(row.update({ z: r.random() }))).toContain(
      "Could not prove argument deterministic.",
    );
  });
});
