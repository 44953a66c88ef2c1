/** Faults of the source that do not show where one would look: what was answered before is answered still. */
import type { Cluster } from "../simulated/cluster.js";
import type { FaultEffect, Faults, FaultyWorld } from "./faults.js";
import { firstServers, otherServers } from "./servers.js";

const readings = ["db_config", "table_config", "server_config", "stats", "users", "permissions"];
/** When a real primary notices that it is cut off. */
const noticedAfterMs = 16_000;
const begunMs = 60_000;
const serversMax = 5;
/** With so many, two acknowledge without the third. */
const replicasMin = 3;

interface TableEffect extends FaultEffect {
  /** Which tables it can strike. */
  of?: (id: string) => boolean;
  isHidden?: boolean;
}

export class SourceFaults {
  private servers = firstServers.length;

  constructor(
    private readonly faults: Faults,
    private readonly world: FaultyWorld,
  ) {}

  /** Each of them at random. */
  get strikes(): (() => void)[] {
    return [
      () => this.lag(),
      () => this.lag(),
      () => this.isolate(noticedAfterMs),
      () => this.isolate(noticedAfterMs),
      () => this.topology(),
      () => this.refuseReading(),
      () => this.slowReading(),
      () => this.freezeMember(),
      () => this.cutProxy(),
      () => this.refuseScans(),
      () => this.refuseFeeds(),
      () => this.loseReplicas(),
      () => this.exchange(),
    ];
  }

  private lag(): void {
    const changesPerSecond = [20, 200, 2000][this.world.random.below(3)]!;
    this.holdOnTable(
      `a lag of ${changesPerSecond}/s`,
      20_000,
      (id, on) => this.world.cluster.lagFeeds(id, on ? changesPerSecond : undefined),
      { holdsUp: true },
    );
  }

  /** Cuts off the primary of a table that others have replicas of: a majority of them goes on without it. */
  isolate(noticedAfterMs: number): void {
    const { cluster } = this.world;
    const isReplicated = (id: string) => cluster.replicas(id).length >= replicasMin;
    const set = (id: string, on: boolean) => cluster.isolatePrimary(id, on, { noticedAfterMs });
    this.holdOnTable("isolation", 40_000, set, { of: isReplicated });
  }

  private topology(): void {
    const { cluster } = this.world;
    if (this.servers < serversMax) {
      this.servers += 1;
      cluster.addServer(`joined_${this.servers}`);
      this.faults.note(`server joined_${this.servers}`);
      return;
    }
    const table = this.table(() => true);
    if (!table) return;
    this.faults.note(`replicas of ${table.label}`);
    cluster.addReplicas(table.id, otherServers);
  }

  private refuseReading(): void {
    const { cluster } = this.world;
    const name = this.reading();
    this.faults.hold(
      `refused readings of ${name}`,
      this.upTo(10_000),
      () => cluster.refuseReading(name, true),
      () => cluster.refuseReading(name, false),
    );
  }

  private slowReading(): void {
    const { cluster } = this.world;
    const name = this.reading();
    const ms = this.upTo(5000);
    this.faults.hold(
      `slow readings of ${name}`,
      this.upTo(15_000),
      () => cluster.slowReading(name, ms),
      () => cluster.slowReading(name, 0),
    );
  }

  private freezeMember(): void {
    const { cluster } = this.world;
    const ms = this.upTo(8000);
    this.faults.hold(
      "a frozen member",
      this.upTo(15_000),
      () => cluster.freezeMember(ms),
      () => cluster.freezeMember(0),
    );
  }

  private cutProxy(): void {
    const { cluster } = this.world;
    this.faults.hold(
      "a cut proxy",
      this.upTo(30_000),
      () => cluster.cutProxy(true),
      () => cluster.cutProxy(false),
      { holdsUp: true },
    );
  }

  private refuseScans(): void {
    this.holdOnTable("refused scans", 8000, (id, on) => this.world.cluster.refuseScans(id, on));
  }

  private refuseFeeds(): void {
    this.holdOnTable("refused feeds", 8000, (id, on) => this.world.cluster.refuseFeeds(id, on));
  }

  /** Other servers answer at the address for a while. */
  private exchange(): void {
    const { address, cluster, stranger, time } = this.world;
    // A repository that is empty takes whom it finds.
    if (time.nowMs < begunMs) return;
    const leadTo = (to: Cluster) => {
      address.leadTo(to);
      cluster.dropConnections();
      stranger.dropConnections();
    };
    this.faults.hold(
      "exchanged servers",
      this.upTo(20_000),
      () => leadTo(stranger),
      () => leadTo(cluster),
    );
  }

  private loseReplicas(): void {
    const set = (id: string, on: boolean) => this.world.cluster.loseReplicas(id, on);
    this.holdOnTable("lost replicas", 8000, set, { isHidden: true });
  }

  private holdOnTable(
    what: string,
    msMax: number,
    set: (id: string, on: boolean) => void,
    { of = () => true, isHidden = false, ...effect }: TableEffect = {},
  ): void {
    const table = this.table(of);
    if (!table) return;
    const { id, label } = table;
    const alive = () => this.world.cluster.tables().some((other) => other.id === id);
    this.faults.hold(
      `${what} of ${label}`,
      this.upTo(msMax),
      () => set(id, true),
      () => {
        if (alive()) set(id, false);
      },
      isHidden ? { ...effect, hides: id } : effect,
    );
  }

  private table(of: (id: string) => boolean): { id: string; label: string } | undefined {
    const tables = this.world.cluster.tables().filter(({ id }) => of(id));
    const table = tables[this.world.random.below(tables.length)];
    return table && { id: table.id, label: `${table.database}.${table.name}` };
  }

  private reading(): string {
    return readings[this.world.random.below(readings.length)]!;
  }

  private upTo(ms: number): number {
    return this.world.random.next() * ms;
  }
}
