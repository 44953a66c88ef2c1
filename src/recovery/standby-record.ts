/**
 * What a standby knows of itself, stored on the target: which tables are its own, and as of which instant each is.
 *
 * Invariant: the record is replaced only where it is as this process has last seen it, and the server makes a change of
 * the standby only while the record names the process that asks for it. So of two processes that follow on one target,
 * one stops. Break it, and a process that was held up writes old versions over newer ones.
 */
import type { Clock } from "../clock.js";
import { ThinkbackError } from "../errors.js";
import type { Instant } from "../instant.js";
import { isGone, isRunning, type Owner, spaceOf } from "../owner.js";
import type { TableReference } from "../rethinkdb/table-reference.js";
import type { Target } from "../rethinkdb/target.js";
import type { WriteCondition } from "../rethinkdb/write-condition.js";

/** The database of the record; no table of a standby may lie there. */
export const standbyDatabase = "thinkback_follow";
const place = { db: standbyDatabase, name: "standby", primaryKey: "id" };
const key = Buffer.from('"standby"');
const version = 2;

/** A table of the source on the standby. */
export interface FollowedTable {
  /** Its id on the target; null while it is being made. */
  made: string | null;
  /** As of which instant its documents are; null until its first copy is complete. */
  reached: Instant | null;
  /** Later changes, up to this instant, may have been written in part. */
  writing: Instant | null;
  /** The lane whose log it follows. */
  lane: number;
  /** The secondary indexes that the standby has made. */
  indexes: string[];
  /** The keys, as JSON texts with a character for each byte, of documents that the target refuses to store. */
  refused: string[];
}

/** A table of the standby that is not followed any more, because it was dropped on the source. */
export interface RetiredTable {
  made: string;
  name: string;
  at: Instant;
}

interface Holder {
  host: string;
  process: number;
  space: string;
  unique: string;
}

export interface StandbyRecord {
  id: "standby";
  version: number;
  /** Id of the repository that is followed. */
  repository: string;
  /** What is followed: everything, if both are empty. */
  databases: string[];
  tables: string[];
  /** The process that follows now; null if it has ended in order. */
  holder: Holder | null;
  /** Grows with each change of the record. */
  number: number;
  /** The instant of the last step; null before the first one. */
  instant: Instant | null;
  /** The last object of each lane's log that was applied: if it is disowned, tables must be compared. */
  places: Record<string, { epoch: number; sequence: number }>;
  /** Databases that the standby has made. */
  databasesMade: string[];
  /** By id of the table on the source. */
  followed: Record<string, FollowedTable>;
  retired: RetiredTable[];
}

/** How long a record of a process on another machine must stand still until that process counts as gone. */
const silentMsMax = 15_000;
const lookMs = 500;
/** How often the record is put at least, so that others see that the process runs. */
const beatMs = 5000;

export class StandbyStore {
  private lastPutMs: number;

  private constructor(
    private readonly target: Target,
    private readonly table: TableReference,
    private readonly clock: Clock,
    private readonly holder: Holder,
    readonly record: StandbyRecord,
    /** The record's text as it is on the target; null if there is none yet. */
    private stored: Buffer | null,
  ) {
    this.lastPutMs = clock.monotonicMs();
  }

  /**
   * Opens the record on the target, or makes it, and takes it over from a process that is gone.
   * @param of the repository, and what is to be followed
   * @param beforeFirst called before a new record is made; may reject
   * @throws {ThinkbackError} `target` if the target has a standby of something else, `fenced` if another process
   * follows there
   */
  static async open(
    target: Target,
    clock: Clock,
    owner: Owner,
    unique: string,
    of: Pick<StandbyRecord, "repository" | "databases" | "tables">,
    beforeFirst: () => Promise<void>,
    signal: AbortSignal,
  ): Promise<StandbyStore> {
    let table = await placeOn(target);
    if (!table) {
      await beforeFirst();
      table = await makePlace(target);
    }
    const stored = await untilFree(target, table, clock, owner, signal);
    if (!stored) await beforeFirst();
    const holder = { host: owner.host, process: owner.process, space: spaceOf(owner), unique };
    const before = stored && (JSON.parse(stored.toString()) as StandbyRecord);
    if (before) refuseOther(before, of);
    const record: StandbyRecord = before ?? {
      id: "standby",
      version,
      ...of,
      holder,
      number: 0,
      instant: null,
      places: {},
      databasesMade: [],
      followed: {},
      retired: [],
    };
    const store = new StandbyStore(target, table, clock, holder, record, stored);
    await store.put();
    return store;
  }

  /** Stores the record as it is now. Rejects with code "fenced" if another process has taken it over. */
  async put(holder: Holder | null = this.holder): Promise<void> {
    const { record, table, target } = this;
    record.holder = holder;
    for (;;) {
      record.number += 1;
      const document = Buffer.from(JSON.stringify(record));
      const writes = [{ key, expected: this.stored, document }];
      const [outcome] = await target.replace(table, writes, "hard");
      this.lastPutMs = this.clock.monotonicMs();
      if (typeof outcome === "object") throw new ThinkbackError("target", outcome.refused);
      if (outcome === "written" && holder === null) return;
      const [now] = await target.documents(table, [key]);
      const there = now && (JSON.parse(now.toString()) as StandbyRecord);
      // What another one has put is never what this one has seen last: it would be replaced.
      if (there?.holder?.unique !== this.holder.unique) throw takenOver(there?.holder ?? null);
      this.stored = now!;
      // Otherwise the answer to an earlier put was lost.
      if (outcome === "written") return;
    }
  }

  /** Under which a change of the standby is made: this process follows. */
  condition(): WriteCondition {
    const { unique } = this.holder;
    const otherwise = () => takenOver(null);
    const { db, name } = this.table;
    return {
      table: { db, name },
      key: "standby",
      path: ["holder", "unique"],
      value: unique,
      otherwise,
    };
  }

  /** Stores the record if that was not done for a while. */
  async beat(): Promise<void> {
    if (this.clock.monotonicMs() - this.lastPutMs >= beatMs) await this.put();
  }

  /**
   * The outcome of `work`, while which the record is stored often enough. Rejects with code "fenced" as soon as another
   * process has taken it over.
   */
  async beatDuring<T>(work: Promise<T>): Promise<T> {
    const done = new AbortController();
    const beating = this.beatUntil(done.signal);
    try {
      return await Promise.race([work, beating]);
    } finally {
      done.abort();
    }
  }

  private async beatUntil(signal: AbortSignal): Promise<never> {
    for (;;) {
      await this.clock.sleep(lookMs, signal);
      signal.throwIfAborted();
      await this.beat();
    }
  }

  /** The tables whose documents are as of no one instant. */
  halfWritten(): FollowedTable[] {
    return Object.values(this.record.followed).filter(({ reached, writing }) => {
      return reached === null || writing !== null;
    });
  }

  /**
   * Stores the record; another process may take it over at once. If nothing was made on the target, the place of the
   * record is removed instead, as before it.
   */
  async end(): Promise<void> {
    const { followed, databasesMade, retired } = this.record;
    const made = Object.keys(followed).length + databasesMade.length + retired.length;
    if (made > 0) await this.put(null);
    else await this.remove();
  }

  /** Removes the record: the target is no standby any more. */
  async remove(): Promise<void> {
    const { table } = this;
    const held = this.target.onlyIf(this.condition());
    const there = (await this.target.tables()).filter(({ db }) => db === table.db);
    if (there.length > 1) await held.dropTable(table);
    else await held.dropDatabase(table.db);
  }
}

async function placeOn(target: Target): Promise<TableReference | undefined> {
  const tables = await target.tables();
  const found = tables.find(({ db, name }) => db === place.db && name === place.name);
  return found && { ...place, id: found.id };
}

async function makePlace(target: Target): Promise<TableReference> {
  if (!(await target.databases()).includes(place.db)) await target.createDatabase(place.db);
  const settings = { durability: "hard", writeAcks: "majority", shards: 1, replicas: 3 };
  return { ...place, id: await target.createTable({ ...place, ...settings }) };
}

/** The text of the record, as soon as no other process follows; null if there is none. */
async function untilFree(
  target: Target,
  table: TableReference,
  clock: Clock,
  owner: Owner,
  signal: AbortSignal,
): Promise<Buffer | null> {
  const began = clock.monotonicMs();
  let first: number | undefined;
  for (;;) {
    const [stored] = await target.documents(table, [key]);
    if (!stored) return null;
    const { holder, number } = JSON.parse(stored.toString()) as StandbyRecord;
    if (holder === null || isGone(owner, holder)) return stored;
    first ??= number;
    if (isRunning(owner, holder) || number !== first) throw takenOver(holder);
    if (clock.monotonicMs() - began >= silentMsMax) return stored;
    await clock.sleep(lookMs, signal);
  }
}

function takenOver(holder: Holder | null): ThinkbackError {
  const who = holder ? `process ${holder.process} on ${holder.host}` : "another process";
  return new ThinkbackError("fenced", `${who} follows on this target`, {
    hint: "stop it, or let it follow; one process at a time may write to a standby",
  });
}

function refuseOther(
  before: StandbyRecord,
  of: Pick<StandbyRecord, "repository" | "databases" | "tables">,
): void {
  const scope = (one: typeof of) => JSON.stringify([one.databases, one.tables]);
  const refuse = (what: string, hint: string) => {
    throw new ThinkbackError("target", `the target is a standby of ${what}`, { hint });
  };
  if (before.version !== version) {
    refuse("another version of Thinkback", "use that version, or follow into an empty server");
  }
  if (before.repository !== of.repository) {
    refuse("another repository", "give that one with --repo, or follow into an empty server");
  }
  if (scope(before) === scope(of)) return;
  const given = [
    ...before.databases.map((name) => ` --db ${name}`),
    ...before.tables.map((name) => ` --table ${name}`),
  ];
  const command = `thinkback follow --repo … --target rethinkdb://…${given.join("")}`;
  refuse(
    scopeText(before),
    `this goes on with it: ${command}; what is followed cannot be changed, so anything else needs an empty server`,
  );
}

function scopeText({ databases, tables }: Pick<StandbyRecord, "databases" | "tables">): string {
  if (databases.length + tables.length === 0) return "everything";
  return [...databases, ...tables].join(", ");
}
