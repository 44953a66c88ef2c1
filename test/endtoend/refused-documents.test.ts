/** An import refuses the documents that a real server refuses, and takes those that it takes. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { NotADocument } from "../../src/exchange/pseudo-types.js";
import { rowOf } from "../../src/exchange/server-json.js";
import { r } from "../server/driver.js";
import { realServerKind } from "../server/find-server.js";
import { Stage } from "./stage.js";

/** The simulated server stores what a real one refuses. */
const onReal = (await realServerKind()) ? test : test.skip;

let stage: Stage;
const table = r.db("d").table("t");

beforeAll(async () => {
  stage = await Stage.open();
  await stage.query(r.dbCreate("d"));
  await stage.query(r.db("d").tableCreate("t"));
}, 60_000);

afterAll(() => stage.close());

/** Why the server does not store a document; undefined if it does. */
async function serverRefusal(text: string): Promise<string | undefined> {
  await stage.query(table.delete());
  try {
    const written = await stage.query<{ errors: number; first_error?: string }>(
      table.insert(r.json(text)),
    );
    return written.errors === 0 ? undefined : written.first_error;
  } catch (error) {
    return (error as Error).message;
  }
}

function ownRefusal(text: string): string | undefined {
  try {
    rowOf(text, "id");
    return undefined;
  } catch (error) {
    if (error instanceof NotADocument) return error.message;
    throw error;
  }
}

async function expectTheSame(texts: string[]): Promise<void> {
  const differing: object[] = [];
  for (const text of texts) {
    const [server, own] = [await serverRefusal(text), ownRefusal(text)];
    if ((server === undefined) !== (own === undefined)) {
      differing.push({ text: text.slice(0, 300), server, own });
    }
  }
  expect(differing).toEqual([]);
}

const time = (of: unknown, zone: unknown) =>
  `{"$reql_type$":"TIME","epoch_time":${JSON.stringify(of)},"timezone":${JSON.stringify(zone)}}`;
const binary = (data: unknown) => JSON.stringify({ $reql_type$: "BINARY", data });
const bytes = (count: number, byte: number) => binary(Buffer.alloc(count, byte).toString("base64"));

const pick = <T>(of: readonly T[]) => of[Math.floor(Math.random() * of.length)]!;

/** A random part of a key. */
function randomKey(depth: number): string {
  const number = () =>
    pick([Math.random() * 100, 10 ** Math.round(Math.random() * 60 - 30), -1e-5, 7, 1e21, 0.25]);
  const made: (() => string)[] = [
    () => JSON.stringify(number()),
    () => JSON.stringify(pick(["x", "é", "😀", "\u0001"]).repeat(Math.random() * 60)),
    () => pick(["true", "false", "-0.0", '""', "[]"]),
    () => time(number(), "Z"),
    () => bytes(Math.random() * 40, pick([0, 1, 9])),
  ];
  if (depth === 3 || Math.random() < 0.3) return pick(made)();
  return `[${Array.from({ length: Math.random() * 5 }, () => randomKey(depth + 1)).join(",")}]`;
}

onReal(
  "keys at the bounds, and random ones",
  async () => {
    const around = [125, 126, 127, 128].flatMap((n) => [
      `"${"k".repeat(n)}"`,
      `["${"k".repeat(n)}"]`,
    ]);
    // At the bound, where a sign of zero would count.
    const zeros = ["-0.0", "0", time(-0.00001, "Z"), time(0, "Z")].flatMap((item) =>
      Array.from({ length: 12 }, (_, n) => `["${"k".repeat(96 + n)}",${item}]`),
    );
    const arrays = ["1", "1.1", "true", '""', "-1.5e-300", time(1, "Z")].flatMap((item) =>
      Array.from({ length: 66 }, (_, n) => `[${Array(n).fill(item).join(",")}]`),
    );
    const nested = [62, 63, 64, 65, 66].map((n) => "[".repeat(n) + "]".repeat(n));
    const binaries = [0, 1, 9].flatMap((byte) =>
      [59, 60, 61, 119, 120, 121].map((n) => bytes(n, byte)),
    );
    const strange = [
      "null",
      '{"a":1}',
      "[null]",
      '[{"a":1}]',
      '"a\\u0000b"',
      '["\\u0000"]',
      '"\\udc00"',
    ];
    const types = [
      '{"$reql_type$":"GEOMETRY","type":"Point","coordinates":[1,2]}',
      '{"$reql_type$":"LITERAL","value":1}',
      '[{"$reql_type$":"LITERAL"}]',
    ];
    const random = Array.from({ length: 500 }, () => randomKey(0));
    const keys = [
      ...around,
      ...zeros,
      ...arrays,
      ...nested,
      ...binaries,
      ...strange,
      ...types,
      ...random,
    ];
    await expectTheSame(keys.map((key) => `{"id":${key}}`));
  },
  60_000,
);

onReal(
  "times, binary data, geometries, arrays and numbers",
  async () => {
    const zones = [
      "Z",
      "z",
      "",
      "+1",
      "+01",
      "+0100",
      "+01:",
      "+01:0",
      "+01:00",
      "-00",
      "-0000",
      "-00:00",
    ].concat("+24:59", "+25:00", "+00:60", "-00:01", "Europe/Paris", "+1:00", "-23:59");
    const times = [
      ...zones.map((zone) => time(1, zone)),
      time("1", "Z"),
      time(null, "Z"),
      time(1, 1),
    ]
      .concat(time(1.79e305, "Z"), time(1.8e305, "Z"), time(-1e300, "Z"))
      .concat(
        '{"$reql_type$":"TIME","epoch_time":1,"timezone":"Z","x":1}',
        '{"$reql_type$":"TIME"}',
      );
    const base64 = ["", "A", "AA", "AAA", "AAAA", "AAAAA", "AAAAAA", "AA==", "AB==", "A===", "===="]
      .concat("AA==AAAA", "-_-_", "AA\r\nAA", "AA AA", "AA\tAA", "AA\fAA", "AA\vAA", "AA\u00a0AA")
      .concat("AAAA\0", "AAAA=", "AAAAA===", "A=A=", "?");
    const others = [
      binary(null),
      '{"$reql_type$":"BINARY"}',
      '{"$reql_type$":"BINARY","data":"","x":1}',
    ];
    const geometries = [
      { type: "Point", coordinates: [999, 999] },
      { type: "Point", coordinates: [] },
      {
        type: "Polygon",
        coordinates: [
          [
            [0, 0],
            [1, 1],
            [0, 1],
            [1, 0],
          ],
        ],
      },
      { type: "Nothing", coordinates: [null] },
      { type: "Point", coordinates: [1, 2], crs: 5 },
      { type: "Point", coordinates: [1, 2], bbox: [1] },
      { type: "GeometryCollection", geometries: [] },
      { type: 1, coordinates: [] },
      { type: "Point", coordinates: 1 },
      { type: "Point" },
      {},
    ].map((one) => JSON.stringify({ $reql_type$: "GEOMETRY", ...one }));
    const array = (count: number) => `[${Array(count).fill(1).join(",")}]`;
    const values = [...times, ...base64.map(binary), ...others, ...geometries].concat(
      ['{"$reql_type$":"LITERAL"}', '{"$reql_type$":"LITERAL","value":{"a":1}}'],
      ['{"$reql_type$":"LITERAL","x":1}', '{"$reql_type$":"time"}', '{"$reql_type$":1}'],
      [
        '{"$reql_type$":"GROUPED_DATA","data":[]}',
        '{"$reql_type$":null}',
        '{"$reql_type$":"MAXVAL"}',
      ],
      [array(100_000), array(100_001), `{"a":[${array(100_001)}]}`, "1e999", "1.8e308", "-1e309"],
      ["1.7976931348623157e308", "1e-400", '"a\\u0000"', '{"\\u0000":1}', '{"a":1,"a":2}'],
      ['{"a":{"b":1,"c":[{"b":1,"b":1}]}}', "[".repeat(2000) + "]".repeat(2000)],
    );
    await expectTheSame(values.map((value) => `{"id":1,"v":${value}}`));
  },
  60_000,
);
