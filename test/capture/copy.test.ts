import fc from "fast-check";
import { expect, test } from "vitest";
import { Copy } from "../../src/capture/copy.js";
import { baseCursor } from "../../src/repository/base-reader.js";
import { BaseWriter } from "../../src/repository/base-writer.js";
import { mergeLatest } from "../../src/repository/merge.js";
import { type WalkOrder, walkTable } from "../../src/rethinkdb/walk.js";
import { makeRepository } from "../repository/recording.js";
import { rowsOf, ScriptedServer, table } from "../rethinkdb/scripted-server.js";

const { signal } = new AbortController();

/** Rows of a table, rows of a response and of a request, and how many batches each walk has in turn. */
const scenario = fc.record({
  rows: fc.nat(40),
  perResponse: fc.integer({ min: 1, max: 7 }),
  chunkDocuments: fc.integer({ min: 1, max: 15 }),
  turns: fc.array(fc.integer({ min: 0, max: 4 }), { minLength: 2, maxLength: 12 }),
});

test("two walks write every row once, wherever they meet", async () => {
  let met = 0;
  await fc.assert(
    fc.asyncProperty(scenario, async ({ rows: count, perResponse, chunkDocuments, turns }) => {
      const rows = rowsOf(count, (i) => `row ${i}`);
      const repository = await makeRepository();
      const identity = { table: table.id, primaryKey: "id", epoch: 1, begun: 1, unique: "1" };
      const writer = new BaseWriter(repository, identity);
      const copy = new Copy(writer);
      let stamps = 0;
      const begin = (order: WalkOrder) => {
        const server = new ScriptedServer(rows, perResponse);
        const walk = walkTable(server.connection, table, {
          order,
          until: () => copy.until(order),
          chunkDocuments,
          stamp: () => ({ time: (stamps += 1), sequence: 0 }),
          signal,
        });
        return { order, walk, isDone: false, handedOn: 0 };
      };
      const walks = [begin("rising"), begin("falling")];
      for (let turn = 0; walks.some(({ isDone }) => !isDone); turn += 1) {
        const one = walks[turn % 2]!;
        const batches = turn < turns.length ? turns[turn]! : 1;
        for (let i = 0; i < batches && !one.isDone; i += 1) {
          const { value: batch, done } = await one.walk.next();
          one.isDone = done === true;
          if (batch) await copy.add(one.order, batch);
          batch?.forEach(() => (one.handedOn += 1));
        }
      }
      const handedOn = walks.reduce((sum, one) => sum + one.handedOn, 0);
      if (handedOn > count) met += 1;
      const base = await writer.finish(2, 1);
      const found: string[] = [];
      for await (const batch of mergeLatest([baseCursor(repository.store, base)])) {
        for (const { version } of batch) found.push(version.document!.toString());
      }
      expect(found).toEqual(rows.map((row) => JSON.stringify(row)));
      expect(copy.documents).toBe(count);
      expect(copy.bytes).toBe(found.join("").length);
    }),
    { numRuns: 300 },
  );
  // In some of them both had a row, and one left it out.
  expect(met).toBeGreaterThan(10);
});
