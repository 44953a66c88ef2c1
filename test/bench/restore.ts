/**
 * A restore beside a bare inserter with the same settings: the same batches, serialised before the clock starts, as many
 * connections, soft durability, then a sync. What a restore does besides (making the table, comparing digests with the
 * server) is told apart from its writing.
 */
import { systemClock } from "../../src/clock.js";
import type { Repository } from "../../src/format/description.js";
import { restore } from "../../src/restore/restore.js";
import { parseAddress } from "../../src/rethinkdb/address.js";
import { dialer } from "../../src/rethinkdb/channel.js";
import { Connection } from "../../src/rethinkdb/connection.js";
import { RethinkTarget } from "../../src/rethinkdb/rethink-target.js";
import type { TableSpec } from "../../src/rethinkdb/target.js";
import type { ObjectStore } from "../../src/storage/object-store.js";
import { planRestore } from "../repository/looks.js";
import { r } from "../server/driver.js";
import type { TestServer } from "../server/find-server.js";
import type { Bench } from "./bench.js";
import { type DataSet, orders, packages, type Row } from "./data.js";
import { GeneratedRepository, generatedDatabase } from "./generated.js";
import { inTurn, report } from "./report.js";

const batchDocuments = 500;
const batchBytes = 1024 * 1024;
const connections = 4;

/** Where the bare inserter writes: into a database of its own, which it makes and drops. */
const bare = { db: "inserted", name: "bare" };

export async function benchRestore(bench: Bench): Promise<void> {
  const { documents, rounds, scratch } = bench;
  const server = await bench.server();
  for (const set of [orders(documents), await packages(documents)]) {
    if (set) await compare(server, set, rounds, scratch);
  }
}

async function compare(
  server: TestServer,
  { name, rows }: DataSet,
  rounds: number,
  scratch: string[],
): Promise<void> {
  const { repository } = await repositoryOf(rows, scratch);
  const inserts = insertsOf(bare.db, bare.name, rows);
  const count = rows.length;
  const [inserted, ours] = await inTurn(rounds, [
    async () => ({ writing: await bareInsert(server, inserts), whole: 0 }),
    () => timedRestore(server, repository),
  ]);
  const rate = (runs: { writing: number; whole: number }[], of: "writing" | "whole") =>
    runs.map((run) => count / run[of]);
  report(`restore of ${name}, documents/s`, [
    ["bare inserter, serialised before, with its sync", rate(inserted!, "writing")],
    ["thinkback, reading, merging, writing and sync", rate(ours!, "writing")],
    ["thinkback, the whole restore with its comparison", rate(ours!, "whole")],
  ]);
}

/** A repository of one table, generated.restored, in which every tenth row has changed since its base. */
export async function repositoryOf(
  rows: Row[],
  scratch: string[],
  within?: (store: ObjectStore) => ObjectStore,
): Promise<GeneratedRepository> {
  const generated = await GeneratedRepository.begin(scratch, undefined, within);
  const { table } = await generated.copy("restored", rows);
  for (let at = 0; at < rows.length; at += 10) {
    generated.change(table, rows, at, 1, 1);
    if (at % 10_000 === 0) await generated.tick();
  }
  await generated.tick();
  await generated.tick();
  return generated;
}

/** Restores everything; seconds until it was synced, and of the whole. The tables are dropped afterwards. */
export async function timedRestore(
  server: TestServer,
  repository: Repository,
): Promise<{ writing: number; whole: number }> {
  const target = targetOf(server);
  const began = performance.now();
  let synced = began;
  try {
    const request = {
      tables: [],
      databases: [],
      renames: new Map<string, string>(),
      allowInexact: false,
      nearest: false,
      withoutAccess: true,
    };
    const plan = await planRestore(repository, request);
    const made = await restore(repository, plan, target, systemClock, {
      reading: () => undefined,
      writing: () => undefined,
      finishing: (_, step) => {
        if (step === "comparing") synced = performance.now();
      },
    });
    const ended = performance.now();
    if (!made.every(({ matches }) => matches)) throw new Error("what was restored differs");
    return { writing: (synced - began) / 1000, whole: (ended - began) / 1000 };
  } finally {
    // Where the restore failed before it made anything, that is the error to see.
    const present = await target.databases();
    if (present.includes(generatedDatabase)) await target.dropDatabase(generatedDatabase);
    target.close();
  }
}

export function targetOf({ host, port }: TestServer): RethinkTarget {
  const address = parseAddress(`rethinkdb://${host}:${port}`);
  return new RethinkTarget("the benchmark's server", dialer(address, "target"));
}

/** The terms of inserts, in batches as a restore makes them. */
function insertsOf(db: string, table: string, rows: Row[]): Buffer[] {
  const inserts: Buffer[] = [];
  let batch: string[] = [];
  let bytes = 0;
  const close = () => {
    const documents = r.json(`[${batch.join(",")}]`);
    const options = { durability: "soft", conflict: "replace", ignoreWriteHook: true };
    const term = r.db(db).table(table).insert(documents, options) as unknown as {
      build(): unknown;
    };
    inserts.push(Buffer.from(JSON.stringify(term.build())));
    batch = [];
    bytes = 0;
  };
  for (const { text } of rows) {
    batch.push(text.toString());
    bytes += text.length;
    if (batch.length >= batchDocuments || bytes >= batchBytes) close();
  }
  if (batch.length > 0) close();
  return inserts;
}

async function bareInsert(server: TestServer, inserts: Buffer[]): Promise<number> {
  const target = targetOf(server);
  const dial = dialer(parseAddress(`rethinkdb://${server.host}:${server.port}`), "target");
  const spec: TableSpec = {
    ...bare,
    primaryKey: "id",
    durability: "hard",
    writeAcks: "majority",
    shards: 1,
    replicas: 1,
  };
  const open = await Promise.all(
    Array.from({ length: connections }, async () => new Connection(await dial())),
  );
  const began = performance.now();
  await target.createDatabase(bare.db);
  const id = await target.createTable(spec);
  let next = 0;
  await Promise.all(
    open.map(async (connection) => {
      while (next < inserts.length) {
        const insert = inserts[next]!;
        next += 1;
        await connection.answer(insert);
      }
    }),
  );
  await target.sync({ ...bare, id, primaryKey: "id" });
  const seconds = (performance.now() - began) / 1000;
  for (const connection of open) connection.close();
  await target.dropDatabase(bare.db);
  target.close();
  return seconds;
}
