/** Faults of the source that do not show where one would look: what was answered before is answered still. */
import type { Faults, FaultyWorld } from "./faults.js";

const readings = ["db_config", "table_config", "server_config", "stats", "users", "permissions"];
/** When a real primary notices that it is cut off. */
const noticedAfterMs = 16_000;
const serversMax = 4;

export class SourceFaults {
  private servers = 1;

  constructor(
    private readonly faults: Faults,
    private readonly world: FaultyWorld,
  ) {}

  /** Each of them at random. */
  get strikes(): (() => void)[] {
    return [
      () => this.lag(),
      () => this.lag(),
      () => this.blindIsolation(),
      () => this.topology(),
      () => this.refuseReading(),
      () => this.slowReading(),
      () => this.freezeMember(),
      () => this.cutProxy(),
      () => this.refuseScans(),
      () => this.refuseFeeds(),
      () => this.loseReplicas(),
    ];
  }

  private lag(): void {
    const changesPerSecond = [20, 200, 2000][this.world.random.below(3)]!;
    this.holdOnTable(`a lag of ${changesPerSecond}/s`, 20_000, (id, on) =>
      this.world.cluster.lagFeeds(id, on ? changesPerSecond : undefined),
    );
  }

  /** Shares its name with the isolation that is noticed at once, so that a table has one of them at a time. */
  private blindIsolation(): void {
    this.holdOnTable("isolation", 40_000, (id, on) =>
      this.world.cluster.isolatePrimary(id, on, { noticedAfterMs }),
    );
  }

  private topology(): void {
    const { cluster } = this.world;
    if (this.servers < serversMax) {
      this.servers += 1;
      cluster.addServer(`joined_${this.servers}`);
      this.faults.note(`server joined_${this.servers}`);
      return;
    }
    const table = this.table();
    if (!table) return;
    this.faults.note(`replicas of ${table.label}`);
    cluster.addReplicas(table.id, ["joined_2", "joined_3"]);
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
    );
  }

  private refuseScans(): void {
    this.holdOnTable("refused scans", 8000, (id, on) => this.world.cluster.refuseScans(id, on));
  }

  private refuseFeeds(): void {
    this.holdOnTable("refused feeds", 8000, (id, on) => this.world.cluster.refuseFeeds(id, on));
  }

  private loseReplicas(): void {
    this.holdOnTable("lost replicas", 8000, (id, on) => this.world.cluster.loseReplicas(id, on));
  }

  private holdOnTable(what: string, msMax: number, set: (id: string, on: boolean) => void): void {
    const table = this.table();
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
    );
  }

  private table(): { id: string; label: string } | undefined {
    const tables = this.world.cluster.tables();
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
