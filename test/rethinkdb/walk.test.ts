import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Connection } from "../../src/rethinkdb/connection.js";
import { responseTypes } from "../../src/rethinkdb/response.js";
import { TableReplaced } from "../../src/rethinkdb/source.js";
import { walkTable } from "../../src/rethinkdb/walk.js";
import { scriptedChannel } from "./scripted-channel.js";

const table = { id: "table-1", db: "shop", name: "orders", primaryKey: "id" };
const { signal } = new AbortController();

interface Row {
  id: string;
  text: string;
}

/** `[limit, [[orderBy, [[between, [table, low, high]]]], limit]]`, as walkTable asks. */
type LimitTerm = [71, [[41, [[182, [unknown, unknown, unknown]]]], number]];

/** A server that holds `rows`, sorted by id, and sends so many in a response. */
class ScriptedServer {
  /** What it was asked and what was handed on, in order. */
  readonly happened: string[] = [];
  tableId = table.id;
  private readonly streams = new Map<number, Row[][]>();
  readonly connection: Connection;

  constructor(
    private readonly rows: Row[],
    private readonly rowsPerResponse: number,
  ) {
    this.connection = new Connection(
      scriptedChannel(({ token, query: [type, term] }, answer) => {
        const isStart = type === 1;
        if (isStart && (term as LimitTerm)[0] !== 71) {
          answer({ t: responseTypes.atom, r: [this.tableId], n: [] });
          return;
        }
        if (isStart) this.streams.set(token, this.responsesTo(term as LimitTerm));
        const left = this.streams.get(token)!;
        const r = left.shift() ?? [];
        answer({ t: left.length > 0 ? responseTypes.partial : responseTypes.sequence, r, n: [] });
      }),
    );
  }

  private responsesTo([, [[, [[, [, low]]]], limit]]: LimitTerm): Row[][] {
    this.happened.push(`asked after ${typeof low === "string" ? low : "nothing"}`);
    const found = this.rows.filter(({ id }) => typeof low !== "string" || id > low).slice(0, limit);
    const responses: Row[][] = [];
    for (let at = 0; at < found.length; at += this.rowsPerResponse) {
      responses.push(found.slice(at, at + this.rowsPerResponse));
    }
    return responses;
  }

  async walk(chunkDocuments: number): Promise<{ text: string; time: number }[]> {
    let stamps = 0;
    const stamp = () => ({ time: (stamps += 1), sequence: 0 });
    const walked: { text: string; time: number }[] = [];
    for await (const batch of walkTable(this.connection, table, {
      chunkDocuments,
      stamp,
      signal,
    })) {
      batch.forEach((key, document) => {
        const text = document.toString();
        expect(key.toString()).toBe(JSON.stringify((JSON.parse(text) as Row).id));
        walked.push({ text, time: batch.stamp.time });
        this.happened.push(key.toString());
      });
    }
    return walked;
  }
}

const rowsOf = (count: number, text: (i: number) => string) =>
  Array.from({ length: count }, (_, i) => ({ id: String(i).padStart(3, "0"), text: text(i) }));

describe("walkTable", () => {
  test("hands on every row once, in order, with the stamp of its request", async () => {
    const small = fc.integer({ min: 1, max: 6 });
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.string({ maxLength: 3000 }), { maxLength: 14 }),
        small,
        small,
        async (texts, rowsPerResponse, chunkDocuments) => {
          const rows = rowsOf(texts.length, (i) => texts[i]!);
          const walked = await new ScriptedServer(rows, rowsPerResponse).walk(chunkDocuments);
          expect(walked).toEqual(
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
    await server.walk(2);
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
    server.tableId = "table-2";
    await expect(server.walk(2)).rejects.toThrow(TableReplaced);
    expect(server.happened.filter((what) => what.startsWith('"'))).toEqual(['"000"', '"001"']);
  });

  test("of an empty table is checked too", async () => {
    const server = new ScriptedServer([], 1);
    expect(await server.walk(2)).toEqual([]);
    server.tableId = "table-2";
    await expect(server.walk(2)).rejects.toThrow(TableReplaced);
  });
});
