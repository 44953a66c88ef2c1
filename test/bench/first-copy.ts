import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Capture } from "../../src/capture/capture.js";
import { recorderDefaults } from "../../src/capture/recorder.js";
import { systemClock } from "../../src/clock.js";
import { fieldName, fieldOf } from "../../src/json-bytes.js";
import { openOrCreateRepository } from "../../src/repository/repository.js";
import { parseAddress } from "../../src/rethinkdb/address.js";
import { dialer } from "../../src/rethinkdb/channel.js";
import { Connection } from "../../src/rethinkdb/connection.js";
import { r, tableTerm } from "../../src/rethinkdb/reql.js";
import { RethinkSource } from "../../src/rethinkdb/rethink-source.js";
import { DirectoryStore } from "../../src/storage/directory-store.js";

interface Server {
  host: string;
  port: number;
}

const chunkDocuments = 20_000;

/** The limit: the same walk, raw frames thrown away; only the last key of a chunk is cut out. Returns seconds. */
export async function bareWalk(server: Server, db: string, name: string): Promise<number> {
  const dial = dialer(parseAddress(`rethinkdb://${server.host}:${server.port}`), "source");
  const connection = new Connection(await dial());
  const key = fieldName("id");
  const began = performance.now();
  let low: unknown = r.minval;
  for (;;) {
    const chunk = tableTerm({ db, name }).between!(low, r.maxval, { leftBound: "open" }).orderBy!({
      index: "id",
    }).limit!(chunkDocuments);
    let last: Buffer | undefined;
    for await (const { bytes } of connection.stream(chunk)) {
      const row = bytes.lastIndexOf('{"customer":{"name"');
      if (row === -1) continue;
      const { start, end } = fieldOf(bytes, row, key)!;
      last = bytes.subarray(start, end);
    }
    if (!last) break;
    low = r.expr(JSON.parse(last.toString()));
  }
  const seconds = (performance.now() - began) / 1000;
  connection.close();
  return seconds;
}

/** A first copy by the whole capture, into a directory; seconds from the open feed to the last stored part. */
export async function firstCopy(
  server: Server,
  db: string,
  table: string,
  scratch: string[],
): Promise<number> {
  const directory = await mkdtemp(join(tmpdir(), "thinkback-bench-"));
  scratch.push(directory);
  const repository = await openOrCreateRepository(new DirectoryStore(directory), Date.now());
  const dial = dialer(parseAddress(`rethinkdb://${server.host}:${server.port}`), "source");
  const source = new RethinkSource("the benchmark's server", dial, systemClock);
  let began = 0;
  let ended = 0;
  const ignore = () => undefined;
  await Capture.run(
    source,
    repository,
    systemClock,
    {
      ...recorderDefaults,
      selects: (otherDb, otherTable) => otherDb === db && otherTable === table,
      once: true,
      copiesAtOnce: 1,
      catalogPollMs: 60_000,
      takeOver: false,
      owner: { host: "bench", process: 1, isAlive: () => false },
      spool: undefined,
      random: () => 0.5,
    },
    {
      state: (_, state) => {
        if (state === "copying") began = performance.now();
      },
      walked: () => {
        ended = performance.now();
      },
      lost: ignore,
      storeFails: ignore,
      storeIsBack: ignore,
      spoolDelivered: ignore,
      readingStops: ignore,
      writeHookGone: ignore,
      tickAdapted: ignore,
    },
    new AbortController().signal,
  );
  source.close();
  return (ended - began) / 1000;
}
