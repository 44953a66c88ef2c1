/** The role `capture` of a process: what it opens, and how it captures the lanes that are its own. */
import { LaneKeeper } from "../capture/lane-keeper.js";
import { recorderDefaults } from "../capture/recorder.js";
import { systemClock } from "../clock.js";
import { Replicas } from "../copies/replicas.js";
import type { Repository } from "../format/description.js";
import type { Facts } from "../health/facts.js";
import { isFirst } from "../health/frontier.js";
import { thisProcess } from "../owner.js";
import type { Lane } from "../repository/lanes.js";
import type { Wish } from "../repository/registers/handovers.js";
import { idlePaceMs } from "../repository/registers/idle-pace.js";
import type { Coordinator } from "../repository/registers/members.js";
import { openSame } from "../repository/repository.js";
import { bothEndsFromDefault } from "../rethinkdb/both-ends.js";
import { refuseUnusable } from "../storage/probe.js";
import { directoryAt } from "../storage/store-at.js";
import type { StoreUse } from "../storage/store-use.js";
import { lookForChosen } from "./chosen-tables.js";
import { sourceAt } from "./connect.js";
import { refuseCutOffAt } from "./expected-head.js";
import { LaneObservers, laneOf } from "./lane-observers.js";
import type { Log } from "./log.js";
import { loggedReplica } from "./logged-replica.js";
import type { RunSettings } from "./run-settings.js";
import { openTried, storeOf } from "./tried-store.js";

export class Capturing {
  readonly observers: LaneObservers;
  private readonly since = systemClock.now();
  private keeper: LaneKeeper | undefined;

  private constructor(
    private readonly settings: RunSettings,
    readonly repository: Repository,
    private readonly replicas: Replicas,
    private readonly use: StoreUse,
    private readonly facts: Facts,
    private readonly log: Log,
  ) {
    this.observers = new LaneObservers(log, facts);
  }

  /**
   * Tries the source and the store, and opens or makes the repository.
   * @param use counts what is sent to stores
   */
  static async open(
    settings: RunSettings,
    use: StoreUse,
    facts: Facts,
    log: Log,
  ): Promise<Capturing> {
    const { args, copies, chosen } = settings;
    const source = sourceAt(args, () => undefined);
    const replicas = new Replicas(
      args.repo,
      copies,
      systemClock,
      (copy) => ({ ...loggedReplica(copy, log, facts), ...facts.copyObserver(copy) }),
      use,
    );
    try {
      await lookForChosen(source, chosen, args.once === true, log);
      if (args.spool !== undefined) await refuseUnusable(directoryAt("--spool", args.spool));
      await replicas.refuseApart();
      // Before anything is made or put there.
      await refuseCutOffAt(storeOf(args, use), args.expectHead);
      const repository = await openTried(args, use, log, () =>
        replicas.hearing(storeOf(args, use, facts.requestEnded)),
      );
      facts.spoolBytesMax = settings.spoolBytesMax;
      facts.tickEveryMs = Math.max(idlePaceMs(repository.store), settings.tickMaxMs);
      replicas.begin();
      log.info(
        { source: source.location, repository: repository.store.location },
        "capture begins",
      );
      return new Capturing(settings, repository, replicas, use, facts, log);
    } catch (error) {
      await replicas.stop();
      throw error;
    } finally {
      source.close();
    }
  }

  /** True while this is the first process. */
  get isFirst(): boolean {
    return isFirst(this.facts, this.keeper?.leads !== false);
  }

  /** Captures until the signal aborts, or another process goes on in its place, which is returned. */
  async run(coordinator: Coordinator, signal: AbortSignal): Promise<Wish | undefined> {
    const { settings, repository, observers, log } = this;
    const openSource = (lane: number) =>
      sourceAt(settings.args, (server) =>
        log.info({ server, ...laneOf(lane) }, "connected to the source"),
      );
    this.keeper = new LaneKeeper(repository, systemClock, coordinator, {
      openSource,
      observer: (lane) => observers.telling(lane),
      capture: (lane) => this.optionsOf(lane),
      reopen: () => this.reopen(),
    });
    return this.keeper.run(signal);
  }

  /** Brings the copies up to date. */
  async end(): Promise<void> {
    await this.replicas.end(this.settings.args.once === true);
    this.observers.end();
  }

  /** Ends what goes on with copies. */
  close(): Promise<void> {
    return this.replicas.stop();
  }

  /** Opens a new store: what the old one remembers of a directory may be untrue by now. */
  private reopen(): Promise<Repository> {
    const { settings, repository, replicas, use, facts } = this;
    const store = storeOf(settings.args, use, facts.requestEnded);
    return openSame(replicas.hearing(store), repository.description);
  }

  private optionsOf(lane: Lane) {
    const { settings, repository, replicas, use, since } = this;
    const { args, chosen, tickMs, tickMaxMs, copiesAtOnce, spoolBytesMax } = settings;
    // A directory may be the spool of several repositories, and of several lanes.
    const spool = () => directoryAt("--spool", `${args.spool!}/${lane.description.id}`);
    return {
      ...recorderDefaults,
      idleSegmentMs: idlePaceMs(repository.store),
      tickMs,
      tickMaxMs,
      selects: settings.selects,
      once: args.once === true,
      copiesAtOnce,
      bothEndsFrom: bothEndsFromDefault,
      acceptCluster: args.acceptCluster === true,
      forgetServers: args.forgetServer,
      takeOver: args.takeOver === true,
      standby: args.standby === true,
      trustClock: args.trustClock === true,
      owner: { ...thisProcess, ...chosen, ...(args.singleWriter ? { singleWriter: true } : {}) },
      requests: () => ({ since, ...use }),
      spool: spoolBytesMax === undefined ? undefined : { store: spool(), bytesMax: spoolBytesMax },
      random: Math.random,
      alsoTo: replicas.ofLane(lane.lane.number),
      deliverLeft: (to: Repository) => replicas.deliverLeft(to, lane.lane.number),
      reopen: () => this.reopen(),
    };
  }
}
