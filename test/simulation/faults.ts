/** What goes wrong, when, and for how long. Every fault notes its window, outside of which nothing may be missed. */
import type { Address } from "../simulated/address.js";
import type { Cluster } from "../simulated/cluster.js";
import type { Random } from "../simulated/random.js";
import type { StoreWeather } from "../storage/hostile-store.js";
import type { Delivery } from "./delivery.js";
import type { Model } from "./model.js";
import type { WallClock } from "./process-life.js";
import { SourceFaults } from "./source-faults.js";
import type { VirtualTime } from "./virtual-time.js";

export interface FaultWindow extends FaultEffect {
  what: string;
  fromMs: number;
  toMs: number;
}

/** What a fault can do, where that is less or more than others do. */
export interface FaultEffect {
  /** Nothing is missed because of it, but labels may be late. */
  makes?: "late";
  /** Changes wait for longer than Delivery knows of. */
  holdsUp?: true;
  /** Id of a table of which nobody can be asked: what the catalog says of it stays, and the table itself has a gap. */
  hides?: string;
}

export interface FaultyWorld {
  time: VirtualTime;
  cluster: Cluster;
  /** Where processes find the cluster, as a rule. */
  address: Address;
  /** Who else answers there when servers are exchanged. */
  stranger: Cluster;
  random: Random;
  delivery: Delivery;
  weather: StoreWeather;
  model: Model;
  walls: WallClock[];
  trace: (what: string) => void;
}

export class Faults {
  readonly windows: FaultWindow[] = [];
  private readonly open = new Map<string, () => void>();

  private readonly source: SourceFaults;

  constructor(private readonly world: FaultyWorld) {
    this.source = new SourceFaults(this, world);
  }

  /** Notes a fault that is over at once. */
  note(what: string, effect: FaultEffect = {}): void {
    this.world.trace(what);
    const { nowMs } = this.world.time;
    this.windows.push({ what, fromMs: nowMs, toMs: nowMs, ...effect });
  }

  /** Begins a fault that `end` takes back after a while, or when everything is healed. One of a kind at a time. */
  hold(
    what: string,
    forMs: number,
    begin: () => void,
    end: () => void,
    effect: FaultEffect = {},
  ): void {
    if (this.open.has(what)) return;
    const { time, trace } = this.world;
    trace(`${what} for ${Math.round(forMs)} ms`);
    const window: FaultWindow = { what, fromMs: time.nowMs, toMs: Infinity, ...effect };
    this.windows.push(window);
    begin();
    const close = () => {
      if (this.open.get(what) !== close) return;
      this.open.delete(what);
      window.toMs = time.nowMs;
      trace(`end of ${what}`);
      end();
    };
    this.open.set(what, close);
    time.after(forMs, close);
  }

  healAll(): void {
    for (const close of this.open.values()) close();
  }

  /** One random fault of the source, the network, the store or a clock. */
  strike(): void {
    const strikes = [
      () => this.cut(),
      () => this.onTable("abort feeds", (id) => this.world.cluster.abortFeeds(id)),
      () => this.onTable("reshard", (id) => this.world.cluster.reshard(id, 1 + this.below(3))),
      () => this.onTable("overflow", (id) => this.world.cluster.overflow(id)),
      () => this.onTable("overflow", (id) => this.world.cluster.overflow(id)),
      () => this.pause(),
      () => this.isolate(),
      () => this.restart(),
      () => this.slow(),
      () => this.refuse(),
      () => this.serverClock(),
      () => this.ourClock(),
      () => this.store(),
      () => this.store(),
      ...this.source.strikes,
    ];
    strikes[this.below(strikes.length)]!();
    // Some of them change the catalog.
    this.world.model.observe();
  }

  private below(bound: number): number {
    return this.world.random.below(bound);
  }

  private upTo(ms: number): number {
    return this.world.random.next() * ms;
  }

  private cut(): void {
    this.note("drop connections");
    this.world.cluster.dropConnections(() => this.world.random.next() < 0.6);
  }

  private onTable(what: string, strike: (id: string) => void): void {
    const tables = this.world.cluster.tables();
    const table = tables[this.below(tables.length)];
    if (!table) return;
    this.note(`${what} ${table.database}.${table.name}`);
    strike(table.id);
  }

  private pause(): void {
    const { cluster, delivery, time } = this.world;
    let end: (atMs: number) => void = () => undefined;
    this.hold(
      "pause",
      this.upTo(this.below(3) === 0 ? 25_000 : 4000),
      () => {
        cluster.pause();
        end = delivery.beginStall(time.nowMs);
      },
      () => {
        cluster.resume();
        end(time.nowMs);
      },
    );
  }

  private isolate(): void {
    this.source.isolate(0);
  }

  private restart(): void {
    const { cluster, model } = this.world;
    const loseUnflushed = this.below(2) === 0;
    const downMs = 500 + this.upTo(3000);
    this.hold(
      `restart${loseUnflushed ? " that undoes writes" : ""}`,
      downMs + 500,
      () => {
        cluster.restart({ loseUnflushed, downMs });
        model.observe();
      },
      () => undefined,
    );
  }

  private slow(): void {
    const { cluster, delivery, time } = this.world;
    const set = (latencyMs: number) => {
      cluster.setLatency(latencyMs);
      delivery.noteLatency(time.nowMs, latencyMs);
    };
    const latencyMs = this.upTo([30, 600, 3000][this.below(3)]!);
    this.hold(
      "latency",
      this.upTo(20_000),
      () => set(latencyMs),
      () => set(0),
    );
  }

  private refuse(): void {
    const { cluster } = this.world;
    this.hold(
      "refused connections",
      this.upTo(8000),
      () => {
        cluster.refuseConnections(true);
        cluster.dropConnections(() => this.world.random.next() < 0.5);
      },
      () => cluster.refuseConnections(false),
    );
  }

  private serverClock(): void {
    const offsetMs = Math.round((this.world.random.next() - 0.5) * 7_200_000);
    this.note(`server's clock off by ${offsetMs} ms`, { makes: "late" });
    this.world.cluster.setClockOffset(offsetMs);
  }

  private ourClock(): void {
    const { walls, random } = this.world;
    const wall = walls[this.below(walls.length)]!;
    const scale = [200, 5000, 120_000, 3_600_000][this.below(4)]!;
    const jumpMs = Math.round((random.next() - 0.5) * 2 * scale);
    this.note(`our clock jumps by ${jumpMs} ms`, { makes: "late" });
    wall.jump(jumpMs);
  }

  private store(): void {
    const { weather, time } = this.world;
    const kind = this.below(5);
    if (kind === 0) {
      const forMs = this.upTo(this.below(3) === 0 ? 180_000 : 10_000);
      const until = time.nowMs + forMs;
      const end = () => {
        weather.failsUntilMs = 0;
      };
      this.hold("store outage", forMs, () => (weather.failsUntilMs = until), end);
    } else if (kind === 1) {
      const end = () => {
        weather.failing = 0;
      };
      this.hold("store failing", this.upTo(15_000), () => (weather.failing = this.upTo(0.5)), end);
    } else if (kind === 2) {
      const end = () => {
        weather.losingReplies = 0;
      };
      this.hold(
        "store losing replies",
        this.upTo(15_000),
        () => (weather.losingReplies = this.upTo(0.5)),
        end,
      );
    } else if (kind === 3) {
      const end = () => {
        weather.hanging = 0;
      };
      this.hold("store hanging", this.upTo(15_000), () => (weather.hanging = this.upTo(0.02)), end);
    } else {
      const end = () => {
        weather.delayMsMax = 3;
      };
      this.hold("store slow", this.upTo(15_000), () => (weather.delayMsMax = this.upTo(900)), end);
    }
  }
}
