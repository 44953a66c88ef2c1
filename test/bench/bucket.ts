/**
 * A restore from an S3 server on the same machine beside one from a directory, with the same objects; and the same with
 * 20 ms more for each request. Writing is what a target needs anyway; planning is told apart, with its requests.
 */
import { openRepository } from "../../src/repository/repository.js";
import { patienceDefault } from "../../src/storage/retrying-store.js";
import { storeAt } from "../../src/storage/store-at.js";
import { noUse, useSince } from "../../src/storage/store-use.js";
import { useTestCredentials } from "../storage/s3-servers.js";
import type { Bench } from "./bench.js";
import { startBucketServer } from "./bucket-server.js";
import { orders } from "./data.js";
import { inTurn, report } from "./report.js";
import { repositoryOf, timedRestore } from "./restore.js";

const slowerMs = 20;

export async function benchBucket(bench: Bench): Promise<void> {
  const { documents, rounds, scratch } = bench;
  useTestCredentials();
  const target = await bench.server();
  const { rows } = orders(documents);
  const { repository } = await repositoryOf(rows, scratch);
  const bucket = await startBucketServer();
  try {
    const use = { ...noUse };
    const store = storeAt(bucket.location, patienceDefault, { use });
    for await (const { name } of repository.store.list("")) {
      await store.put(name, await repository.store.get(name));
    }
    const inBucket = await openRepository(store);
    const before = { ...use };
    await timedRestore(target, inBucket);
    const { gets, heads, lists, bytesDown } = useSince(use, before);
    process.stdout.write(
      `a restore of ${rows.length} documents: ${gets} gets, ${heads} heads, ${lists} lists, ${bytesDown} bytes\n\n`,
    );
    const runs = await inTurn(rounds, [
      () => timedRestore(target, repository),
      async () => {
        await bucket.delay(0);
        return timedRestore(target, inBucket);
      },
      async () => {
        await bucket.delay(slowerMs);
        return timedRestore(target, inBucket);
      },
    ]);
    const names = ["from a directory", "from a bucket", `the same, ${slowerMs} ms a request more`];
    const series = (of: (run: (typeof runs)[0][0]) => number) =>
      names.map((name, i): [string, number[]] => [name, runs[i]!.map(of)]);
    report(
      "restore, documents/s, planning included",
      series(({ writing }) => rows.length / writing),
    );
    report(
      "the whole restore, s",
      series(({ whole }) => whole),
    );
  } finally {
    bucket.stop();
  }
}
