/**
 * What tables read of the repository when they are opened, read once for all that are opened at about the same time:
 * after a restart these are all tables, and the log since their bases may be long.
 */
import type { Clock } from "../clock.js";
import type { Instant } from "../instant.js";
import { type BaseInventory, type BaseManifest, readBases } from "../repository/bases/base.js";
import { LogView } from "../repository/log/log-view.js";
import { LogCollection } from "../repository/log/runs.js";
import { isOfOneObject, type ObjectStore } from "../storage/object-store.js";
import { Gathered } from "./gathered.js";
import { Turns } from "./turns.js";

/** How long the first table waits for others that are opened with it. */
const gatherMs = 20;

/** A table whose log is wanted: of after its base, up to and including an instant. */
interface WantedLog {
  base: BaseManifest;
  until: Instant;
}

/** A collection of the log of several tables, which lives until the last of them has given it back. */
export interface SharedLog {
  log: LogCollection;
  /** To be called once, when the table has read what it wanted. */
  giveBack: () => Promise<void>;
}

export class SharedReads {
  private readonly gatheredBases: Gathered<string, BaseInventory>;
  private readonly gatheredLogs: Gathered<WantedLog, SharedLog | undefined>;
  /** Tables whose log cannot be read together read it one after another: each may take its whole memory. */
  private readonly alone = new Turns(1);

  constructor(
    private readonly store: ObjectStore,
    clock: Clock,
  ) {
    this.gatheredBases = new Gathered(clock, gatherMs, async (tables) =>
      readBases(await LogView.read(store), new Set(tables)),
    );
    this.gatheredLogs = new Gathered(clock, gatherMs, (wanted) => this.collect(wanted));
  }

  /** The bases of a table, and perhaps of others, as they are stored at some moment after the call. */
  bases(table: string, signal: AbortSignal): Promise<BaseInventory> {
    return this.gatheredBases.ask(table, signal);
  }

  /** The versions of a table after its base, up to and including `until`; all of them must be stored already. */
  async log(base: BaseManifest, until: Instant, signal: AbortSignal): Promise<SharedLog> {
    const wanted = { base, until };
    // Nobody is left who could be told that its scratch files could not be removed.
    const giveBack = (shared: SharedLog | undefined) =>
      void shared?.giveBack().catch(() => undefined);
    const shared = await this.gatheredLogs.ask(wanted, signal, giveBack);
    return shared ?? this.alone.run(signal, () => this.collectOf([wanted]));
  }

  /** Undefined if an object is damaged that not all of several tables may need: each is to read by itself. */
  private async collect(wanted: WantedLog[]): Promise<SharedLog | undefined> {
    try {
      return await this.collectOf(wanted);
    } catch (error) {
      if (wanted.length === 1 || !isOfOneObject(error)) throw error;
      return undefined;
    }
  }

  private async collectOf(wanted: WantedLog[]): Promise<SharedLog> {
    const tables = wanted.map(({ base: { table, logFrom: after }, until }) => ({
      table,
      after,
      until,
    }));
    const last = Math.max(...wanted.map(({ until }) => until));
    const view = await LogView.read(this.store);
    const keysOnly = this.store.sealing !== undefined;
    const log = await LogCollection.read(view, tables, last, { keysOnly });
    let users = wanted.length;
    const giveBack = async () => {
      users -= 1;
      if (users === 0) await log.dispose();
    };
    return { log, giveBack };
  }
}
