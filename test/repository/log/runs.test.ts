import { readdir } from "node:fs/promises";
import { tmpdir } from "node:os";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { mergeLatest } from "../../../src/format/merge.js";
import { orderCode } from "../../../src/key-order.js";
import { textOfJson } from "../../../src/server-text.js";
import { collect } from "../looks.js";
import { json, makeRepository, Recording, StillClock } from "../recording.js";
import { mixedKeys } from "../scenario.js";

const tables = ["0a000000-0000-4000-8000-000000000001", "0b000000-0000-4000-8000-000000000002"];

const scratchDirectories = async () =>
  (await readdir(tmpdir())).filter((name) => /^thinkback-[^-]+$/.test(name));

const changes = fc.array(
  fc.record({
    table: fc.constantFrom(...tables),
    key: fc.constantFrom(...mixedKeys),
    kind: fc.constantFrom("put", "put", "delete", "tick"),
    fill: fc.integer({ min: 0, max: 300 }),
  }),
  { minLength: 1, maxLength: 60 },
);

describe("LogCollection", () => {
  test("gives of each table the last versions of the stretch, whether they fit into memory or not", async () => {
    await fc.assert(
      fc.asyncProperty(
        changes,
        fc.constantFrom(0, 500, 5000, undefined),
        fc.nat(),
        fc.nat(),
        async (all, memoryBytesMax, from, length) => {
          const repository = await makeRepository();
          const recording = await Recording.begin(repository, new StillClock(1000));
          const expected: { table: string; key: unknown; time: number; document: unknown }[] = [];
          for (const [i, { table, key, kind, fill }] of all.entries()) {
            if (kind === "tick") {
              await recording.tick(3);
              continue;
            }
            const document = kind === "delete" ? null : { id: key, i, fill: "x".repeat(fill) };
            recording.put(table, key, document);
            expected.push({ table, key, time: recording.clock.instant, document });
          }
          await recording.tick(3);
          const after = 1000 + (from % (2 * all.length));
          const until = after + (length % (4 * all.length));
          const wanted = [
            { table: tables[0]!, after },
            { table: tables[1]!, after: after + 5 },
          ];
          const log = await collect(
            repository.store,
            wanted,
            until,
            memoryBytesMax === undefined ? {} : { memoryBytesMax },
          );
          try {
            let versions = 0;
            for (const { table, after: begin } of wanted) {
              const last = new Map<string, unknown>();
              for (const one of expected) {
                if (one.table !== table || one.time <= begin || one.time > until) continue;
                versions += 1;
                last.set(orderCode(json(one.key)), one.document);
              }
              const found: [string, unknown][] = [];
              for await (const batch of mergeLatest(log.cursors(table))) {
                for (const { code, version } of batch) {
                  const text = version.document ? textOfJson(version.document) : "null";
                  found.push([code, JSON.parse(text)]);
                }
              }
              expect(found).toEqual([...last].sort(([a], [b]) => (a < b ? -1 : 1)));
            }
            expect(log.versions).toBe(versions);
          } finally {
            await log.dispose();
          }
        },
      ),
      { numRuns: 60 },
    );
  });

  test("spills to a directory of its own, and removes it", async () => {
    const repository = await makeRepository();
    const recording = await Recording.begin(repository, new StillClock(1000));
    for (let i = 0; i < 50; i += 1) {
      recording.put(tables[0]!, i, { id: i, text: "x".repeat(1000) });
      if (i % 5 === 0) await recording.tick(1);
    }
    const end = await recording.tick();
    const before = await scratchDirectories();
    const wanted = [{ table: tables[0]!, after: 0 }];
    const log = await collect(repository.store, wanted, end, {
      memoryBytesMax: 4000,
    });
    const during = (await scratchDirectories()).filter((name) => !before.includes(name));
    expect(during.length).toBeGreaterThan(0);
    expect(log.cursors(tables[0]!).length).toBeGreaterThan(3);
    await log.dispose();
    const after = await scratchDirectories();
    expect(during.filter((name) => after.includes(name))).toEqual([]);
  });

  test("leaves no directory behind when the log cannot be read to the end", async () => {
    const repository = await makeRepository();
    const recording = await Recording.begin(repository, new StillClock(1000));
    for (let i = 0; i < 20; i += 1) {
      recording.put(tables[0]!, i, { id: i, text: "x".repeat(1000) });
      await recording.tick(1);
    }
    const names: string[] = [];
    for await (const { name } of repository.store.list("log/")) names.push(name);
    await repository.store.delete(names.at(-2)!);
    const before = await scratchDirectories();
    const read = collect(
      repository.store,
      [{ table: tables[0]!, after: 0 }],
      Number.MAX_SAFE_INTEGER,
      { memoryBytesMax: 2000 },
    );
    await expect(read).rejects.toMatchObject({ code: "damaged" });
    const spilled = (await scratchDirectories()).filter((name) => !before.includes(name));
    expect(spilled).toEqual([]);
  });

  test("tells of each segment it reads", async () => {
    const repository = await makeRepository();
    const recording = await Recording.begin(repository, new StillClock(1000));
    for (let i = 0; i < 4; i += 1) await recording.tick(10);
    const sizes: number[] = [];
    const wanted = [{ table: tables[0]!, after: 0 }];
    await collect(repository.store, wanted, 9e15, {
      onSegment: (bytes) => sizes.push(bytes),
    });
    const stored: number[] = [];
    for await (const { size } of repository.store.list("log/")) stored.push(size);
    expect(sizes).toEqual(stored);
  });
});
