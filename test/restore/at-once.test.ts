/** Several tables are restored at once, and each is read back when it is written. */
import { rm } from "node:fs/promises";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { systemClock } from "../../src/clock.js";
import type { Repository } from "../../src/format/description.js";
import { type RestoredTable, restore } from "../../src/restore/restore.js";
import { type Begun, begunOf } from "../../src/restore/tag.js";
import type { ScanOptions } from "../../src/rethinkdb/scan.js";
import type { TableReference } from "../../src/rethinkdb/table-reference.js";
import type { TableName, Target } from "../../src/rethinkdb/target.js";
import { orders, type Row, revised } from "../bench/data.js";
import { GeneratedRepository, generatedDatabase } from "../bench/generated.js";
import { planRestore } from "../repository/looks.js";
import { r } from "../server/driver.js";
import { startServer } from "../server/find-server.js";
import { overriding } from "../simulation/overriding.js";
import { Server } from "./captured.js";

let server: Server;
const scratch: string[] = [];
const identity = { restore: "this", asked: null };

beforeAll(async () => {
  server = await Server.to(await startServer());
});

afterEach(async () => {
  if ((await server.databases()).includes(generatedDatabase))
    await server.query(r.dbDrop(generatedDatabase));
});

afterAll(async () => {
  await server.stop();
  for (const directory of scratch) await rm(directory, { recursive: true });
});

async function repositoryOf(tables: { [name: string]: Row[] }): Promise<Repository> {
  const generated = await GeneratedRepository.begin(scratch);
  for (const [name, rows] of Object.entries(tables)) await generated.copy(name, rows);
  await generated.tick();
  return generated.repository;
}

/** Restores everything; calls `finishing` as it goes on. */
async function restored(
  repository: Repository,
  target: Target,
  options: { tablesAtOnce?: number; finishing?: (table: TableName, step: string) => void } = {},
): Promise<{ tables: RestoredTable[]; begun: Begun }> {
  const request = { tables: [], databases: [], renames: new Map<string, string>() };
  const rest = { allowInexact: false, nearest: false, withoutAccess: true };
  const plan = await planRestore(repository, { ...request, ...rest });
  const begun = await begunOf(plan, target, identity);
  const { finishing = () => undefined, ...how } = options;
  const observer = { reading: () => undefined, writing: () => undefined, finishing };
  const tables = await restore(repository, plan, target, systemClock, observer, { begun, ...how });
  return { tables, begun };
}

const few = orders(20).rows;
const names = ["a", "b", "c", "d", "e", "f"];
const six = () => repositoryOf(Object.fromEntries(names.map((name) => [name, few])));

test("so many tables are under way, not more; the last loses its tag when all others have", async () => {
  const real = server.target();
  const untagged: string[] = [];
  let [underWay, most] = [0, 0];
  const target = overriding<Target>(real, {
    write: async (table, documents) => {
      underWay += 1;
      most = Math.max(most, underWay);
      // The last is filled long before the first.
      if (table.name === "a") await systemClock.sleep(500, new AbortController().signal);
      await real.write(table, documents);
      underWay -= 1;
    },
    setWriteHook: async (table, hook) => {
      untagged.push(table.name);
      await real.setWriteHook(table, hook);
    },
  });
  const { tables } = await restored(await six(), target, { tablesAtOnce: 3 });
  expect(tables.map(({ to, matches }) => [to, matches])).toEqual(
    names.map((name) => [`${generatedDatabase}.${name}`, true]),
  );
  expect(most).toBeGreaterThan(1);
  expect(most).toBeLessThanOrEqual(3);
  expect([...untagged].sort()).toEqual(names);
  expect(untagged.at(-1)).toBe("f");
});

test("one that fails ends those that are under way, and no other is begun; then nothing is written", async () => {
  const real = server.target();
  const repository = await six();
  let [ended, late] = [false, 0];
  const target = overriding<Target>(real, {
    write: async (table, documents) => {
      if (ended) late += 1;
      if (table.name === "b") throw new Error("the disk is full");
      await real.write(table, documents);
    },
    // A server that builds an index for an hour.
    waitForIndexes: () => new Promise<void>(() => undefined),
  });
  await expect(restored(repository, target, { tablesAtOnce: 2 })).rejects.toThrow(
    "the disk is full",
  );
  ended = true;
  const count = (name: string) => server.query<number>(r.db(generatedDatabase).table(name).count());
  expect([await count("e"), await count("f")]).toEqual([0, 0]);
  expect(late).toBe(0);
  // The rest goes on where it was.
  const { tables } = await restored(repository, real);
  expect(tables.map(({ matches }) => matches)).toEqual(names.map(() => true));
});

const many = orders(25_000).rows;

test("a table is read back when all of it is durable", async () => {
  const real = server.target();
  const durableAtScan: number[] = [];
  let [written, durable] = [0, 0];
  const target = overriding<Target>(real, {
    write: async (table, documents) => {
      await real.write(table, documents);
      written += documents.length;
    },
    sync: async (table) => {
      const before = written;
      await real.sync(table);
      durable = before;
    },
    scan: (table: TableReference, options: Omit<ScanOptions, "stamp">) => {
      durableAtScan.push(durable);
      return real.scan(table, options);
    },
  });
  const { tables } = await restored(await repositoryOf({ large: many }), target);
  expect(tables).toMatchObject([{ matches: true, documents: many.length }]);
  expect(durableAtScan).toEqual([many.length]);
});

test("what is read back is compared, also of documents that are put together on the server", async () => {
  const real = server.target();
  const bound = Math.max(...many.map(({ text }) => text.length));
  const rows = many.map((row, i) => (i % 200 === 100 ? revised(row, 123_456_789) : row));
  const tooLarge = rows.filter(({ text }) => text.length > bound).length;
  const repository = await repositoryOf({ large: rows });
  let large = 0;
  const counting = overriding<Target>(real, {
    documentBytesMax: bound,
    writeLarge: async (table, _key, document) => {
      large += 1;
      await real.write(table, [document]);
    },
  });
  const sound = await restored(repository, counting);
  expect(sound.tables).toMatchObject([{ matches: true }]);
  expect([large, tooLarge > 20]).toEqual([tooLarge, true]);
  await server.query(r.dbDrop(generatedDatabase));
  // A server that loses one document, which it has acknowledged.
  for (const lost of [12_000, many.length - 1]) {
    const losing = overriding<Target>(real, {
      write: async (table, documents) => {
        const kept = documents.filter((document) => !document.equals(rows[lost]!.text));
        await real.write(table, kept);
      },
    });
    expect((await restored(repository, losing)).tables).toMatchObject([{ matches: false }]);
    // It keeps its tag; given again, the restore writes what is missing.
    const { tables } = await restored(repository, real);
    expect(tables).toMatchObject([{ matches: true, already: rows.length - 1 }]);
    await server.query(r.dbDrop(generatedDatabase));
  }
}, 60_000);
