/** One process that captures: the real Capture over the real RethinkSource, on a simulated machine. */
import type { CaptureObserver } from "../../src/capture/capture-options.js";
import { recorderDefaults } from "../../src/capture/recorder.js";
import { runCapture } from "../../src/capture/run-capture.js";
import type { Spool } from "../../src/capture/shipper.js";
import { messageOf, ThinkbackError } from "../../src/errors.js";
import type { RepositoryDescription } from "../../src/format/description.js";
import { idlePaceMs } from "../../src/repository/registers/idle-pace.js";
import { readDescription } from "../../src/repository/repository.js";
import type { Channel } from "../../src/rethinkdb/channel.js";
import { RethinkSource } from "../../src/rethinkdb/rethink-source.js";
import type { Source } from "../../src/rethinkdb/source.js";
import type { ObjectStore } from "../../src/storage/object-store.js";
import type { Cluster } from "../simulated/cluster.js";
import type { Random } from "../simulated/random.js";
import { overriding } from "./overriding.js";
import { type ProcessLife, SimulatedClock, type WallClock } from "./process-life.js";

export interface WriterSetup {
  number: number;
  host: string;
  life: ProcessLife;
  wall: WallClock;
  cluster: Cluster;
  /** What it dials in place of the cluster itself. */
  address?: Opener;
  throughProxy?: boolean;
  forgetServers?: string[];
  store: ObjectStore;
  spool: Spool | undefined;
  description: RepositoryDescription;
  takeOver: boolean;
  standby?: boolean;
  trustClock?: boolean;
  random: Random;
  isAlive: (process: number) => boolean;
  /** Documents of a request of a scan: small, so that small tables have several. */
  chunkDocuments: number;
  recorder?: Partial<typeof recorderDefaults>;
  wrapSource: (source: Source) => Source;
  /** End as soon as every table has a complete base. */
  once?: boolean;
  /** True for a table to be captured; all are, if absent. */
  selects?: (db: string, table: string) => boolean;
  onState: (table: string, state: string) => void;
  /** A defect has stopped a table. */
  onStopped: (table: string, error: unknown) => void;
}

export class WriterProcess {
  readonly number: number;
  readonly host: string;
  readonly life: ProcessLife;
  readonly startedMs: number;
  /** Why it ended; null if in order; undefined while it runs. */
  outcome: Error | null | undefined;
  stopping = false;
  /** Another process went on, and so it ended. */
  handedOver = false;
  private readonly stop = new AbortController();

  constructor(setup: WriterSetup) {
    this.number = setup.number;
    this.host = setup.host;
    this.life = setup.life;
    this.startedMs = setup.life.time.nowMs;
    void this.run(setup);
  }

  get running(): boolean {
    return !this.life.dead && this.outcome === undefined;
  }

  /** Like SIGTERM. */
  stopInOrder(): void {
    this.stopping = true;
    this.life.happen(() => this.stop.abort(new Error("received SIGTERM")));
  }

  private async run(setup: WriterSetup): Promise<void> {
    const { life, cluster, random } = setup;
    const clock = new SimulatedClock(life, setup.wall);
    const entrance: Opener = setup.throughProxy
      ? { open: (credentials) => cluster.openThroughProxy(credentials) }
      : (setup.address ?? cluster);
    const source = new RethinkSource("simulated", () => dial(entrance, life), clock);
    try {
      const next = await runCapture(
        chunked(setup.wrapSource(source), setup.chunkDocuments),
        { store: setup.store, description: setup.description },
        clock,
        {
          ...recorderDefaults,
          idleSegmentMs: idlePaceMs(setup.store),
          ...setup.recorder,
          selects: setup.selects ?? (() => true),
          once: setup.once ?? false,
          copiesAtOnce: 2,
          bothEndsFrom: 3,
          acceptCluster: false,
          forgetServers: setup.forgetServers ?? [],
          takeOver: setup.takeOver,
          standby: setup.standby ?? false,
          trustClock: setup.trustClock ?? false,
          owner: { host: setup.host, process: setup.number, isAlive: setup.isAlive },
          spool: setup.spool,
          random: () => random.next(),
          reopen: async () => ({
            store: setup.store,
            description: await readDescription(setup.store),
          }),
        },
        observer(setup),
        this.stop.signal,
      );
      this.handedOver = next !== undefined;
      this.outcome = null;
    } catch (error) {
      this.outcome = error instanceof Error ? error : new Error(messageOf(error));
    }
    // The process exits: nothing of it goes on.
    life.kill();
  }
}

/** Listens to states and defects, and to nothing else. */
export function observer({
  onState,
  onStopped,
}: Pick<WriterSetup, "onState" | "onStopped">): CaptureObserver {
  const heard: Partial<CaptureObserver> = {
    state: (table, to, detail) =>
      onState(table.name, detail ? `${to} ${JSON.stringify(detail)}` : to),
    stopped: (table, error) => onStopped(table.name, error),
  };
  const ignore = () => undefined;
  return new Proxy(heard as CaptureObserver, {
    get: (of, property) => (Reflect.get(of, property) as unknown) ?? ignore,
  });
}

export function chunked(source: Source, chunkDocuments: number): Source {
  return overriding(source, {
    scan: (table, options) => source.scan(table, { ...options, chunkDocuments }),
  });
}

/** What connections are opened at: a cluster, its proxy, an address that leads to one. */
export type Opener = Pick<Cluster, "open">;

/** Opens a connection of a process to the cluster. */
export function dial(cluster: Opener, life: ProcessLife): Promise<Channel> {
  return new Promise((resolve, reject) => {
    life.after(0.5, () => {
      try {
        resolve(channelOf(cluster, life));
      } catch (error) {
        reject(new ThinkbackError("source", `cannot connect: ${messageOf(error)}`));
      }
    });
  });
}

function channelOf(cluster: Opener, life: ProcessLife): Channel {
  const link = cluster.open();
  let closed = false;
  let tell: (error: Error) => void = () => undefined;
  const close = () => {
    if (closed) return;
    closed = true;
    life.after(0, () => tell(new Error("the simulated connection is closed")));
  };
  life.onKilled(() => link.destroy());
  link.onClose(close);
  return {
    write: (bytes) => {
      if (!life.dead) link.send(bytes);
    },
    onData: (listener) => {
      link.onData((bytes) => {
        const copy = Buffer.from(bytes);
        life.happen(() => {
          if (!closed) listener(copy);
        });
      });
    },
    onClose: (listener) => {
      tell = listener;
    },
    destroy: () => {
      link.destroy();
      close();
    },
  };
}
