import { expect, test } from "vitest";
import { resumingScan } from "../../src/capture/resuming-scan.js";
import { ConnectionLost } from "../../src/rethinkdb/response.js";
import type { ScanBatch, ScanOptions } from "../../src/rethinkdb/scan.js";
import type { Source } from "../../src/rethinkdb/source.js";
import type { TableReference } from "../../src/rethinkdb/table-reference.js";
import { ProcessLife, SimulatedClock, WallClock } from "../simulation/process-life.js";
import { VirtualTime } from "../simulation/virtual-time.js";

const table: TableReference = { id: "table-1", db: "shop", name: "orders", primaryKey: "id" };

/** A source of keys 1 to `last`, whose connection is lost after each `rows` rows. */
function losing(last: number, rows: number): Pick<Source, "scan"> {
  return {
    async *scan(_: TableReference, { after, stamp }: ScanOptions): AsyncGenerator<ScanBatch> {
      const first = after === undefined ? 1 : Number(after.toString()) + 1;
      for (let key = first; key <= last; key += 1) {
        await Promise.resolve();
        if (key >= first + rows) throw new ConnectionLost("reset by a proxy");
        const lastKey = Buffer.from(String(key));
        yield { stamp: stamp(), lastKey, forEach: (visit) => visit(lastKey, lastKey) };
      }
    },
  };
}

/** The keys that a scan comes to before it ends, and why it ends. */
async function scanned(source: Pick<Source, "scan">) {
  const time = new VirtualTime();
  const clock = new SimulatedClock(new ProcessLife(time), new WallClock(time));
  const options = { stamp: () => ({ time: 0, sequence: 0 }), signal: new AbortController().signal };
  const keys: number[] = [];
  let ended: unknown;
  const read = async () => {
    for await (const { lastKey } of resumingScan(source as Source, table, options, clock)) {
      keys.push(Number(lastKey));
    }
  };
  void read().then(
    () => (ended = "complete"),
    (error: unknown) => (ended = error),
  );
  await time.runUntil(60_000);
  return { keys, ended };
}

test("a scan whose connection is lost again and again goes on as long as it comes further", async () => {
  const { keys, ended } = await scanned(losing(40, 2));
  expect(ended).toBe("complete");
  expect(keys).toEqual(Array.from({ length: 40 }, (_, i) => i + 1));
});

test("a scan that comes no further is given up after a few losses", async () => {
  const { keys, ended } = await scanned(losing(40, 0));
  expect(ended).toBeInstanceOf(ConnectionLost);
  expect(keys).toEqual([]);
});
