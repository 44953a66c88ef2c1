import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { CaptureObserver } from "../../src/capture/capture-options.js";
import { recorderDefaults } from "../../src/capture/recorder.js";
import { runCapture } from "../../src/capture/run-capture.js";
import { systemClock } from "../../src/clock.js";
import { openOrCreateRepository } from "../../src/repository/repository.js";
import { parseAddress } from "../../src/rethinkdb/address.js";
import { type Dial, dialer } from "../../src/rethinkdb/channel.js";
import { RethinkSource } from "../../src/rethinkdb/rethink-source.js";
import type { Source } from "../../src/rethinkdb/source.js";
import { DirectoryStore } from "../../src/storage/directory-store.js";
import type { ObjectStore } from "../../src/storage/object-store.js";

/** Where the benchmark's server is, and the table that a case is about. */
export interface Place {
  host: string;
  port: number;
  db: string;
  table: string;
}

export function dialerTo({ host, port }: Place): Dial {
  return dialer(parseAddress(`rethinkdb://${host}:${port}`), "source");
}

const ignore = () => undefined;
const silent: CaptureObserver = {
  state: ignore,
  begins: () => undefined,
  ends: () => undefined,
  tickStored: () => undefined,
  waits: () => undefined,
  renamed: () => undefined,
  scanned: ignore,
  moved: ignore,
  goesOnAfter: ignore,
  hasHandedOver: ignore,
  lost: ignore,
  stopped: (_, error) => {
    throw error;
  },
  storeFails: ignore,
  storeIsBack: ignore,
  spoolDelivered: ignore,
  spoolDropped: ignore,
  spoolKept: ignore,
  logLost: ignore,
  beginsLater: ignore,
  beginsAgain: ignore,
  waitsForWriter: ignore,
  standsBy: ignore,
  asksForHandOver: ignore,
  handOverEnds: ignore,
  nobodyGoesOn: ignore,
  handOverFails: ignore,
  readingStops: ignore,
  writeHookGone: ignore,
  tickAdapted: ignore,
  surveyFails: ignore,
  catalogUnreadable: ignore,
  clockSet: ignore,
  serversMissing: ignore,
  accessRefused: ignore,
};

export interface CaptureCase {
  /** End when the table has its base; else when the signal aborts. */
  once: boolean;
  observer: Partial<CaptureObserver>;
  signal: AbortSignal;
  /** From both ends, if so many documents; from one end if absent. */
  bothEndsFrom?: number;
  /** Seals the repository. */
  seal?: (store: ObjectStore) => ObjectStore;
  /** Puts something between capture and source. */
  wrap?: (source: Source) => Source;
}

/** Captures one table into a new directory, in this process; the directory's path is added to `scratch`. */
export async function capture(place: Place, scratch: string[], of: CaptureCase): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), "thinkback-bench-"));
  scratch.push(directory);
  const made = await openOrCreateRepository(new DirectoryStore(directory), Date.now());
  const repository = { ...made, store: of.seal?.(made.store) ?? made.store };
  const source = new RethinkSource("the benchmark's server", dialerTo(place), systemClock);
  await runCapture(
    of.wrap?.(source) ?? source,
    repository,
    systemClock,
    {
      ...recorderDefaults,
      selects: (db, table) => db === place.db && table === place.table,
      once: of.once,
      copiesAtOnce: 1,
      bothEndsFrom: of.bothEndsFrom ?? Number.POSITIVE_INFINITY,
      acceptCluster: false,
      forgetServers: [],
      trustClock: false,
      takeOver: false,
      standby: false,
      owner: { host: "bench", process: 1, isAlive: () => false },
      spool: undefined,
      random: () => 0.5,
      reopen: async () => repository,
    },
    { ...silent, ...of.observer },
    of.signal,
  );
  source.close();
}
