import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type ScanOptions, scanTable } from "../../src/rethinkdb/scan.js";
import { TableReplaced } from "../../src/rethinkdb/table-reference.js";
import { type Row, rowsOf, ScriptedServer, table } from "./scripted-server.js";

const { signal } = new AbortController();

async function scan(
  { connection, happened }: ScriptedServer,
  chunkDocuments: number,
  options: Pick<ScanOptions, "order" | "until" | "after"> = {},
): Promise<{ text: string; time: number }[]> {
  let stamps = 0;
  const stamp = () => ({ time: (stamps += 1), sequence: 0 });
  const scanned: { text: string; time: number }[] = [];
  const scanning = scanTable(connection, table, { ...options, chunkDocuments, stamp, signal });
  for await (const batch of scanning) {
    batch.forEach((key, document) => {
      const text = document.toString();
      expect(key.toString()).toBe(JSON.stringify((JSON.parse(text) as Row).id));
      scanned.push({ text, time: batch.stamp.time });
      happened.push(key.toString());
    });
  }
  return scanned;
}

describe("scanTable", () => {
  test("hands on every row once, in order, with the stamp of its request", async () => {
    const small = fc.integer({ min: 1, max: 6 });
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.string({ maxLength: 3000 }), { maxLength: 14 }),
        small,
        small,
        async (texts, rowsPerResponse, chunkDocuments) => {
          const rows = rowsOf(texts.length, (i) => texts[i]!);
          const scanned = await scan(new ScriptedServer(rows, rowsPerResponse), chunkDocuments);
          expect(scanned).toEqual(
            rows.map((row, i) => ({
              text: JSON.stringify(row),
              time: Math.floor(i / chunkDocuments) + 1,
            })),
          );
        },
      ),
      { numRuns: 200 },
    );
  });

  test("asks for the next rows before it hands on the last ones of a request", async () => {
    const server = new ScriptedServer(
      rowsOf(3, () => "x"),
      1,
    );
    await scan(server, 2);
    expect(server.happened).toEqual([
      "asked after nothing",
      '"000"',
      "asked after 001",
      '"001"',
      '"002"',
    ]);
  });

  test("hands on no row of a request that was sent while the name stood for another table", async () => {
    const server = new ScriptedServer(
      rowsOf(6, () => "x"),
      1,
    );
    // For one request only: whoever asks later finds the table again.
    let asked = 0;
    server.tableId = () => ((asked += 1) === 2 ? "table-2" : table.id);
    await expect(scan(server, 2)).rejects.toThrow(TableReplaced);
    expect(server.happened.filter((what) => what.startsWith('"'))).toEqual(['"000"', '"001"']);
  });

  test("of an empty table is checked too", async () => {
    const server = new ScriptedServer([], 1);
    expect(await scan(server, 2)).toEqual([]);
    server.tableId = () => "table-2";
    await expect(scan(server, 2)).rejects.toThrow(TableReplaced);
  });

  test("from the last key to the first gives the same rows, those of a batch rising", async () => {
    const rows = rowsOf(8, () => "x");
    const server = new ScriptedServer(rows, 3);
    const scanned = await scan(server, 4, { order: "falling" });
    const ids = scanned.map(({ text, time }) => `${time} ${(JSON.parse(text) as Row).id}`);
    const expected = ["1 005", "1 006", "1 007", "1 004", "2 001", "2 002", "2 003", "2 000"];
    expect(ids).toEqual(expected);
    const after = Buffer.from('"004"');
    expect(await scan(server, 9, { order: "falling", after })).toHaveLength(4);
  });

  test.each([
    ["rising", "005", 6],
    ["falling", "005", 3],
  ] as const)("%s ends where it may", async (order, end, count) => {
    const server = new ScriptedServer(
      rowsOf(8, () => "x"),
      1,
    );
    let until: Buffer | undefined;
    let times = 0;
    // Known only after the first request has been sent.
    const options = { order, until: () => ((times += 1) > 1 ? until : undefined) };
    until = Buffer.from(`"${end}"`);
    expect(await scan(server, 100, options)).toHaveLength(count);
  });

  test("asks for nothing beyond where it may end", async () => {
    const rows = rowsOf(8, () => "x");
    for (const order of ["rising", "falling"] as const) {
      const server = new ScriptedServer(rows, 1);
      const until = () => Buffer.from('"005"');
      const scanned = await scan(server, 2, { order, until });
      expect(scanned).toHaveLength(order === "rising" ? 5 : 2);
      expect(server.happened[0]).toBe("asked after nothing until 005");
    }
  });
});
