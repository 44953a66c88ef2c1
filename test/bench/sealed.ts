/**
 * A sealed repository beside one that is not: a first copy, the log's ticks, and a restore; and what the keys that
 * segments repeat for writers take.
 */
import { generateX25519Identity } from "age-encryption";
import { type Identity, identityOf } from "../../src/sealing/identity.js";
import { makeKeySet } from "../../src/sealing/key-set.js";
import { sealedWith } from "../../src/sealing/keyring.js";
import type { ObjectStore } from "../../src/storage/object-store.js";
import type { Bench } from "./bench.js";
import { orders, type Row } from "./data.js";
import { firstCopy } from "./first-copy.js";
import { GeneratedRepository } from "./generated.js";
import { loadOrders } from "./orders.js";
import { alternate, inTurn, report, reportRuns, timed } from "./report.js";
import { repositoryOf, timedRestore } from "./restore.js";

export async function benchSealed(bench: Bench): Promise<void> {
  const { documents, rounds, scratch } = bench;
  const server = await bench.server();
  const identities = await Promise.all(
    [1, 2, 3].map(async () => identityOf(await generateX25519Identity())),
  );
  const seal = sealing(identities);

  await loadOrders(server, "bench", "large", documents);
  const place = { host: server.host, port: server.port, db: "bench", table: "large" };
  const copies = await alternate(rounds, [
    () => firstCopy(place, scratch),
    () => firstCopy(place, scratch, undefined, seal),
  ]);
  reportRuns(
    "first copy",
    documents,
    ["not sealed", "sealed for two readers and a writer"],
    copies,
  );

  const { rows } = orders(documents);
  const ticks = await inTurn(rounds, [
    () => changes(rows, scratch),
    () => changes(rows, scratch, seal),
  ]);
  const rates = ticks.map((runs) => runs.map(({ cpuSeconds }) => rows.length / cpuSeconds));
  report("changes appended and stored, changes per second of CPU", [
    ["not sealed", rates[0]!],
    ["sealed", rates[1]!],
  ]);
  const bytes = ticks.map((runs) => runs.map((run) => run.bytes / rows.length));
  report("the same, stored bytes for each change", [
    ["not sealed", bytes[0]!],
    ["sealed, with its key and digest for writers", bytes[1]!],
  ]);

  const plain = await repositoryOf(rows, scratch);
  const sealed = await repositoryOf(rows, scratch, seal);
  const restores = await inTurn(rounds, [
    () => timedRestore(server, plain.repository),
    () => timedRestore(server, sealed.repository),
  ]);
  const speeds = restores.map((runs) => runs.map(({ writing }) => rows.length / writing));
  report("restore, documents/s", [
    ["not sealed", speeds[0]!],
    ["sealed", speeds[1]!],
  ]);
}

function sealing(identities: Identity[]): (store: ObjectStore) => ObjectStore {
  const keys = identities.map((identity, i) => {
    const role = i < 2 ? ("reader" as const) : ("writer" as const);
    return { name: `${role}-${i}`, role, offline: false, ...identity.public };
  });
  const set = makeKeySet({ repository: "bench", number: 1, at: 1, keys, former: [] }, identities);
  return (store) => sealedWith(store, set, [identities[0]!]);
}

/** Every row changes once, in ticks of a thousand. */
async function changes(rows: Row[], scratch: string[], seal?: (store: ObjectStore) => ObjectStore) {
  const generated = await GeneratedRepository.begin(scratch, undefined, seal);
  const { table } = await generated.copy("changed", rows.slice(0, 1));
  const before = await storedBytes(generated);
  const took = await timed(async () => {
    for (const at of rows.keys()) {
      generated.change(table, rows, at, 1, 1);
      if (at % 1000 === 999) await generated.tick();
    }
  });
  return { ...took, bytes: (await storedBytes(generated)) - before };
}

async function storedBytes({ repository }: GeneratedRepository): Promise<number> {
  let bytes = 0;
  for await (const { size } of repository.store.list("log/")) bytes += size;
  return bytes;
}
