/** A table for each thing that a backup could lose: every type of value and of key, settings, indexes, a hook. */
import { r, type Term } from "../server/driver.js";
import type { Stage } from "./stage.js";

const bytes = (length: number) => Buffer.from(Array.from({ length }, (_, i) => (i * 89 + 7) % 256));

function nested(depth: number): unknown {
  let value: unknown = "bottom";
  for (let i = 0; i < depth; i += 1) value = i % 2 === 0 ? [value] : { deeper: value };
  return value;
}

/** Values that JavaScript can write as JSON, but that a detour over objects would change or lose. */
const asText = [
  '{"id":"numbers","big":1.7976931348623157e308,"least":5e-324,"third":0.1,"sum":0.30000000000000004,"safe":9007199254740993,"long":12345678901234567890123,"negative":-1.2345678901234569e39,"exponent":1e21,"zero":-0.0}',
  '{"id":"names","":1,"__proto__":2,"constructor":3,"a.b":4,"ключ":5,"\\u0000":6,"\\"":7}',
  '{"id":"text","control":"\\u0000\\u0001\\u001f\\u007f","quotes":"\\"\\\\/","separators":"\\u2028\\u2029","pair":"😀","combining":"e\\u0301é"}',
  `{"id":"deep","nest":${JSON.stringify(nested(60))}}`,
  '{"id":"empty","object":{},"array":[],"string":"","null":null}',
];

const documents = () => [
  { id: "time utc", at: r.ISO8601("2026-03-04T05:06:07.089Z") },
  { id: "time zone", at: r.ISO8601("1969-12-31T23:59:59.999-09:30"), list: [r.epochTime(0)] },
  { id: "binary", data: r.binary(bytes(1000)), none: r.binary(Buffer.alloc(0)) },
  { id: "point", place: r.point(-122.423246, 37.779388) },
  { id: "line", way: r.line([0, 0], [0, 5], [10, 5]) },
  { id: "polygon", area: r.polygon([0, 0], [0, 5], [5, 5], [5, 0]) },
  { id: "megabyte", text: "0123456789abcdef€".repeat(57_000) },
];

const keys = () => [
  "plain",
  'Ünïcode 漢字 😀 "quoted" \\ and / more',
  "~",
  "",
  0,
  -1,
  1.5,
  1e300,
  -9007199254740992,
  true,
  false,
  ["compound", 1],
  ["compound", 1, "more"],
  ["compound", 2],
  [[]],
  [true, ["nested", [0.5]]],
  r.binary(Buffer.from([0, 1, 255])),
  r.binary(Buffer.from("binary")),
  r.ISO8601("2026-01-02T03:04:05.678+05:30"),
  r.epochTime(1_700_000_000),
  [r.epochTime(1), r.binary(Buffer.from([1]))],
];

/** Makes database `types`, which has one of everything, and an empty database `nothing`. */
export async function makeEveryType(stage: Pick<Stage, "query">): Promise<void> {
  const types = r.db("types");
  await stage.query(r.dbCreate("types"));
  await stage.query(r.dbCreate("nothing"));
  await stage.query(types.tableCreate("values"));
  await stage.query(types.tableCreate("keys", { durability: "soft" }));
  await stage.query(types.tableCreate("custom-key_1", { primaryKey: 'the "key" ключ' }));
  await stage.query(types.tableCreate("empty"));
  await stage.query(types.table("empty").config().update({ write_acks: "single" }));
  const values = types.table("values");
  await stage.query(values.insert(documents()));
  for (const text of asText) await stage.query(values.insert(r.json(text)));
  await stage.query(types.table("keys").insert(keys().map((id, i) => ({ id, i }))));
  await stage.query(
    types.table("custom-key_1").insert([{ 'the "key" ключ': 7, id: "not the key" }]),
  );
  await makeIndexes(stage, values);
  const hook = (_: Term, __: Term, after: Term) => after.merge({ hooked: true });
  await stage.query(types.table("keys").setWriteHook(hook));
}

async function makeIndexes(stage: Pick<Stage, "query">, table: Term): Promise<void> {
  await stage.query(table.indexCreate("simple", (row: Term) => row("text")));
  await stage.query(table.indexCreate("compound", (row: Term) => [row("id"), row("text")]));
  await stage.query(table.indexCreate("multi", (row: Term) => row("array"), { multi: true }));
  await stage.query(table.indexCreate("geo", (row: Term) => row("place"), { geo: true }));
  await stage.query(
    table.indexCreate("expression", (row: Term) => row("sum").add(1).mul(row("third"))),
  );
  await stage.query(table.indexWait());
}

export interface TableFacts {
  primaryKey: string;
  durability: string;
  writeAcks: string;
  documents: [string, string][];
  indexes: object[];
  hook: object | null;
}

/** Everything of a table that a restore must bring back, in a form that can be compared. */
export async function factsOf(stage: Stage, db: string, name: string): Promise<TableFacts> {
  const table = r.db(db).table(name);
  const config = await stage.query<Record<string, string>>(table.config());
  const indexes = await stage.query<(Record<string, unknown> & { function: Buffer })[]>(
    table.indexStatus(),
  );
  const hook = await stage.query<{ function: Buffer; query: string } | null>(table.getWriteHook());
  return {
    primaryKey: config["primary_key"]!,
    durability: config["durability"]!,
    writeAcks: config["write_acks"]!,
    documents: [...(await stage.texts(db, name, config["primary_key"]))],
    indexes: indexes
      .map(({ index, multi, geo, query, function: fn }) => {
        return { index, multi, geo, query, function: fn.toString("hex") };
      })
      .sort((a, b) => (String(a.index) < String(b.index) ? -1 : 1)),
    hook: hook && { query: hook.query, function: hook.function.toString("hex") },
  };
}
