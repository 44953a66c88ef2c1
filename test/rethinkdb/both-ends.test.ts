import fc from "fast-check";
import { expect, test } from "vitest";
import { BothEnds } from "../../src/rethinkdb/both-ends.js";
import { scanTable } from "../../src/rethinkdb/scan.js";
import { rowsOf, ScriptedServer, table } from "./scripted-server.js";

const { signal } = new AbortController();

/** Rows of a table, of a response and of a request, and how long the scans take over their batches in turn. */
const scenario = fc.record({
  count: fc.nat(40),
  perResponse: fc.integer({ min: 1, max: 7 }),
  chunkDocuments: fc.integer({ min: 1, max: 15 }),
  pauses: fc.array(fc.nat(20), { minLength: 1, maxLength: 12 }),
});

test("two scans hand on every row once, wherever they meet", async () => {
  let met = 0;
  let alone = 0;
  await fc.assert(
    fc.asyncProperty(scenario, async ({ count, perResponse, chunkDocuments, pauses }) => {
      const rows = rowsOf(count, (i) => `row ${i}`);
      const ends = new BothEnds();
      const stamp = () => ({ time: 0, sequence: 0 });
      const found = { rising: [] as string[], falling: [] as string[] };
      let read = 0;
      let batches = 0;
      await ends.run(true, signal, async (options) => {
        const { connection } = new ScriptedServer(rows, perResponse);
        const scan = scanTable(connection, table, { ...options, chunkDocuments, stamp });
        for await (const batch of scan) {
          batch.forEach(() => (read += 1));
          const block: string[] = [];
          ends.forEach(options.order, batch, (key, document) => {
            expect(document.toString()).toContain(key.toString());
            block.push(key.toString());
          });
          if (options.order === "rising") found.rising.push(...block);
          else found.falling.unshift(...block);
          const pause = pauses[(batches += 1) % pauses.length]!;
          for (let i = 0; i < pause; i += 1) await Promise.resolve();
        }
      });
      const keys = rows.map(({ id }) => JSON.stringify(id));
      expect([...found.rising, ...found.falling]).toEqual(keys);
      if (read > count) met += 1;
      if (count > 0 && (found.rising.length === 0 || found.falling.length === 0)) alone += 1;
    }),
    { numRuns: 300 },
  );
  // In some of them both had read a row; in some one had nothing to do.
  expect(met).toBeGreaterThan(10);
  expect(alone).toBeGreaterThan(3);
});

test("a table that is not large is scanned from its first key only", async () => {
  const orders: string[] = [];
  await new BothEnds().run(false, signal, async ({ order }) => {
    orders.push(order);
  });
  expect(orders).toEqual(["rising"]);
});

test("a scan that fails ends the other, and is told of when both have ended", async () => {
  const failure = new Error("the connection is lost");
  let ended = false;
  const running = new BothEnds().run(true, signal, async (options) => {
    if (options.order === "falling") throw failure;
    await new Promise<void>((resolve) => options.signal.addEventListener("abort", () => resolve()));
    await Promise.resolve();
    ended = true;
    options.signal.throwIfAborted();
  });
  await expect(running).rejects.toBe(failure);
  expect(ended).toBe(true);
});

test("ends with the reason of its signal", async () => {
  const stop = new AbortController();
  const reason = new Error("stopped");
  const running = new BothEnds().run(true, stop.signal, async (options) => {
    await new Promise<void>((resolve) => options.signal.addEventListener("abort", () => resolve()));
  });
  stop.abort(reason);
  await expect(running).rejects.toBe(reason);
});
