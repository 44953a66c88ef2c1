/** Documents of any size are restored; what the target refuses is left out by name, and nothing else is. */
import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, expect, test } from "vitest";
import { systemClock } from "../../src/clock.js";
import type { Repository } from "../../src/format/description.js";
import { type RestoredTable, restore } from "../../src/restore/restore.js";
import { piecesOf } from "../../src/rethinkdb/large-document.js";
import { DocumentsRefused, type Target } from "../../src/rethinkdb/target.js";
import { planRestore } from "../repository/looks.js";
import { makeRepository, Recording, StillClock } from "../repository/recording.js";
import { mixedKeys } from "../repository/scenario.js";
import { startServer } from "../server/find-server.js";
import { overriding } from "../simulation/overriding.js";
import { Server } from "./captured.js";

let server: Server;

beforeAll(async () => {
  server = await Server.to(await startServer());
});

afterAll(() => server.stop());

/** A repository of one table of a database of its own. */
async function repositoryOf(
  rows: [key: unknown, document: object][],
  primaryKey = "id",
): Promise<Repository> {
  const repository = await makeRepository();
  const recording = await Recording.begin(repository, new StillClock());
  recording.catalogRead();
  const db = `large_${randomUUID().slice(0, 8)}`;
  recording.catalog(["db", "d1"], { id: "d1", name: db });
  const id = "0a000000-0000-4000-8000-000000000001";
  const shards = [{ primary_replica: "one", replicas: ["one"], nonvoting_replicas: [] }];
  const settings = { durability: "soft", write_acks: "majority", write_hook: null, indexes: [] };
  const config = { id, db, name: "t", primary_key: primaryKey, shards, ...settings };
  recording.catalog(["table", id], config);
  const since = recording.log.stamp().time;
  recording.coverage(id, { state: "copying", since });
  const base = await recording.copy(id, rows);
  const instant = await recording.tick(50);
  await base.finish(instant, since - 1);
  recording.coverage(id, { state: "live", since: instant });
  await recording.tick(50);
  return repository;
}

async function restored(repository: Repository, target: Target): Promise<RestoredTable> {
  const request = { tables: [], databases: [], renames: new Map<string, string>() };
  const rest = { allowInexact: false, nearest: false, withoutAccess: true };
  const plan = await planRestore(repository, { ...request, ...rest });
  const observer = {
    reading: () => undefined,
    writing: () => undefined,
    finishing: () => undefined,
  };
  const [table] = await restore(repository, plan, target, systemClock, observer);
  return table!;
}

const small = (documentBytesMax: number) =>
  overriding<Target>(server.target(), { documentBytesMax });

test("documents that are put together on the server are the same, with keys of every type", async () => {
  for (const primaryKey of ["id", "pieces"]) {
    const rows = mixedKeys.map((key, i): [unknown, object] => [
      key,
      // In the order of the fields, as a server writes them.
      primaryKey === "id"
        ? { a: ['"\\\n', "é".repeat(i), { b: "\u{1F600}" }], id: key, z: i }
        : { a: ['"\\\n', "é".repeat(i), { b: "\u{1F600}" }], pieces: key, z: i },
    ]);
    const table = await restored(await repositoryOf(rows, primaryKey), small(7));
    expect(table).toMatchObject({ matches: true, documents: mixedKeys.length, leftOut: [] });
  }
});

test("a document of 66 MiB of escaped quotes, which as a JSON text in a query are 132", async () => {
  const rows: [string, object][] = [
    ["large", { a: '"'.repeat(33 * 1024 * 1024), id: "large" }],
    ["small", { id: "small" }],
  ];
  const table = await restored(await repositoryOf(rows), server.target());
  expect(table).toMatchObject({ matches: true, documents: 2, leftOut: [] });
}, 300_000);

test("what the target refuses is left out and named, small or large; all others are restored", async () => {
  const rows = Array.from({ length: 700 }, (_, id): [unknown, object] => [id, { id }]);
  const many = Array<number>(100_001).fill(0);
  for (const id of [3, 4, 699]) rows[id] = [id, { a: many, id }];
  for (const target of [server.target(), small(1000)]) {
    const table = await restored(await repositoryOf(rows), target);
    expect(table).toMatchObject({ matches: true, documents: 697 });
    expect(table.leftOut.map(({ key }) => key).sort()).toEqual(["3", "4", "699"]);
    for (const { reason } of table.leftOut) expect(reason).toMatch(/array/i);
  }
}, 120_000);

test("a target that refuses everything is not asked for ever", async () => {
  const rows = Array.from({ length: 2000 }, (_, id): [unknown, object] => [id, { id }]);
  const refuses = overriding<Target>(server.target(), {
    write: () => Promise.reject(new DocumentsRefused("target", "no room in this table")),
  });
  await expect(restored(await repositoryOf(rows), refuses)).rejects.toThrow("no room");
});

test("pieces are cut between characters", () => {
  const document = Buffer.from('{"é":"\u{1F600}\u{1F600}"}');
  for (let bytesMax = 4; bytesMax < 20; bytesMax += 1) {
    const pieces = [...piecesOf(document, bytesMax)];
    expect(Buffer.concat(pieces)).toEqual(document);
    expect(pieces.map((piece) => piece.toString()).join("")).toBe(document.toString());
    expect(Math.max(...pieces.map(({ length }) => length))).toBeLessThanOrEqual(bytesMax);
  }
});
