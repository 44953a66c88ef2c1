/** A cluster with one of everything, captured by the real capture into a repository in memory, with a history. */
import type { CaptureObserver } from "../../src/capture/capture-options.js";
import { recorderDefaults } from "../../src/capture/recorder.js";
import { runCapture } from "../../src/capture/run-capture.js";
import { systemClock } from "../../src/clock.js";
import type { Repository } from "../../src/format/description.js";
import type { Instant } from "../../src/instant.js";
import { openOrCreateRepository } from "../../src/repository/repository.js";
import { parseAddress } from "../../src/rethinkdb/address.js";
import { dialer } from "../../src/rethinkdb/channel.js";
import { RethinkSource } from "../../src/rethinkdb/rethink-source.js";
import { RethinkTarget } from "../../src/rethinkdb/rethink-target.js";
import { MemoryStore } from "../../src/storage/memory-store.js";
import { makeEveryType } from "../endtoend/every-type.js";
import { deliveryMs, until } from "../endtoend/stage.js";
import { readCoverage } from "../repository/looks.js";
import { type DriverConnection, r, type Term } from "../server/driver.js";
import { startSimulated, type TestServer } from "../server/find-server.js";

/** A simulated server, and a connection to it. */
export class Server {
  private readonly targets: RethinkTarget[] = [];

  private constructor(
    readonly server: TestServer,
    private readonly connection: DriverConnection,
  ) {}

  static async start(): Promise<Server> {
    return Server.to(await startSimulated());
  }

  static async to(server: TestServer): Promise<Server> {
    const connection = await r.connect({ host: server.host, port: server.port });
    connection.on("error", () => undefined);
    return new Server(server, connection);
  }

  get address(): string {
    return `rethinkdb://${this.server.host}:${this.server.port}`;
  }

  async query<T = unknown>(term: Term): Promise<T> {
    return (await term.run(this.connection)) as T;
  }

  databases(): Promise<string[]> {
    return this.query<string[]>(r.dbList());
  }

  target(): RethinkTarget {
    const target = new RethinkTarget(this.address, dialer(parseAddress(this.address), "target"));
    this.targets.push(target);
    return target;
  }

  /** Lets go of the server, which goes on. */
  async leave(): Promise<void> {
    for (const target of this.targets) target.close();
    await this.connection.close().catch(() => undefined);
  }

  async stop(): Promise<void> {
    await this.leave();
    await this.server.stop();
  }
}

export interface Captured {
  repository: Repository;
  /** When only the first copy was there: 21 documents of types.keys, 12 of types.values. */
  copied: Instant;
  /** 22 documents of types.keys, one of them another than before, and 11 of types.values. */
  changed: Instant;
}

const owner = { host: "test", process: 1, isAlive: () => false };

/** Makes the tables of every-type.ts on the server and captures them; then deletes, changes and adds a document each. */
export async function captureEveryType(source: Server): Promise<Captured> {
  await makeEveryType(source);
  const repository = await openOrCreateRepository(new MemoryStore(), systemClock.now());
  const stop = new AbortController();
  const from = new RethinkSource(
    source.address,
    dialer(parseAddress(source.address), "source"),
    systemClock,
  );
  const options = {
    ...recorderDefaults,
    tickMs: 50,
    idleSegmentMs: 50,
    selects: () => true,
    once: false,
    copiesAtOnce: 2,
    bothEndsFrom: 10,
    acceptCluster: false,
    forgetServers: [],
    trustClock: false,
    takeOver: false,
    standby: false,
    owner,
    spool: undefined,
    random: () => 0.5,
    reopen: async () => repository,
  };
  const running = runCapture(from, repository, systemClock, options, noObserver, stop.signal);
  try {
    const copied = await Promise.race([untilExactNow(repository), running.then(() => 0)]);
    const keys = r.db("types").table("keys");
    await source.query(r.db("types").table("values").get("empty").delete());
    await source.query(keys.insert({ id: 1.5, changed: true }, { conflict: "replace" }));
    await source.query(keys.insert({ id: "added" }));
    const changed = await untilExactNow(repository);
    return { repository, copied, changed };
  } finally {
    stop.abort();
    await running;
    from.close();
  }
}

/** Resolves with an instant of all tables at which all that was acknowledged before is captured. */
async function untilExactNow({ store }: Repository): Promise<Instant> {
  const since = Date.now() + deliveryMs;
  let instant = 0;
  await until("everything is captured", async () => {
    const coverage = [...(await readCoverage(store)).values()];
    instant = Math.min(...coverage.map(({ frontier }) => frontier ?? 0));
    return coverage.length === 4 && instant > since;
  });
  return instant;
}

const noObserver = new Proxy({} as CaptureObserver, { get: () => () => undefined });
