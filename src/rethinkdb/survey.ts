/**
 * Asks the servers that have the data: how many writes each of them has counted for each table, and whether a majority
 * of every shard's replicas stands behind the primary that answers.
 *
 * Invariant: a table has an answer only if every server that may have acknowledged a write to it, as the topology is
 * now, has taken part after the call. Break it and a table that is written through another server looks idle.
 */

import type { TableConfig } from "../catalog-record.js";
import { type Clock, withTimeout } from "../clock.js";
import type { Connection } from "./connection.js";
import { r, systemTable } from "./reql.js";
import type { Survey } from "./source.js";
import { heldTable, orReplaced } from "./table-identity.js";
import type { TableReference } from "./table-reference.js";
import type { TableWrites } from "./table-writes.js";

/** What the survey must know of a table to ask the right servers. */
export interface TableTopology {
  db: string;
  name: string;
  shards: { primary: string; replicas: string[] }[];
}

/** The topology of each table, by table id. It was read after the moment `readAtMs` (monotonic). */
export interface Topology {
  readAtMs: number;
  tables: ReadonlyMap<string, TableTopology>;
}

/**
 * At most so old may the topology be, because by then other servers may acknowledge writes. A reshard that gives a
 * table its first second replica needs the present primary, which then says so. Replicas that lose a primary take more
 * than 10 s to elect another one.
 */
const topologyMsMax = 5000;
/** If a majority took longer than this to answer, another primary may have been elected meanwhile. */
const electionMsMin = 2000;
/** How long a majority is waited for. Some were seen to take minutes, while those of other tables answered. */
const majorityMsMax = 10_000;

/** After a reading of the counts for tables that are opened, none begins for this many times its duration, */
const restPerReading = 2;
/** and at most for this long, because an opening that waits looks like a server that does not answer. */
const restMsMax = 1000;

/** [table id, server id, server name, writes]. */
type StatsRow = [string, string, string, number];

export class Surveyor {
  /** When the last question was asked that a majority answered for the table itself, by table id. */
  private readonly confirmedMs = new Map<string, number>();
  /** When a majority last failed to answer for a table of the group, or was slow, by group. */
  private readonly troubleMs = new Map<string, number>();
  private turn = 0;
  /** The reading of all counts that is under way, and the rest after it. */
  private counting: Promise<unknown> = Promise.resolve();
  /** The reading that begins after it, for all calls that have come since. */
  private nextCount: Promise<ReadonlyMap<string, StatsRow[]>> | undefined;

  /** The connection of the last call: that of an earlier one may be lost by the time that the counts are read. */
  private countOn: Connection | undefined;
  private readonly closed = new AbortController();

  constructor(private readonly clock: Clock) {}

  /** Ends the rest between two readings. */
  close(): void {
    this.closed.abort(new Error("the source was closed"));
  }

  async survey(
    connection: Connection,
    tables: readonly TableReference[],
    topology: Topology | undefined,
  ): Promise<Survey> {
    const isFresh = topology && this.clock.monotonicMs() - topology.readAtMs <= topologyMsMax;
    const known = isFresh ? topology.tables : new Map<string, TableTopology>();
    const confirmed = this.confirm(connection, tables, known);
    const rows = await readWrites(connection);
    return new Map(
      [...confirmed].map(([id, isConfirmed]) => {
        const writes = writesOf(rows.get(id) ?? [], known.get(id));
        return [id, isConfirmed.then((answers) => (answers ? writes : undefined))];
      }),
    );
  }

  /**
   * What is counted for a table at some moment after the call; calls that come together share a reading. Undefined if
   * nothing is counted for the table yet.
   */
  async counted(connection: Connection, table: string): Promise<TableWrites | undefined> {
    this.countOn = connection;
    this.nextCount ??= this.counting.then(() => {
      this.nextCount = undefined;
      const beganMs = this.clock.monotonicMs();
      const reading = readWrites(this.countOn!);
      this.counting = reading.catch(() => undefined).then(() => this.rest(beganMs));
      return reading;
    });
    const rows = (await this.nextCount).get(table);
    return rows && writesOf(rows, undefined);
  }

  /** A reading costs the server the same for one table as for all: where hundreds are opened, they share a few. */
  private async rest(beganMs: number): Promise<void> {
    const tookMs = this.clock.monotonicMs() - beganMs;
    const restMs = Math.min(restMsMax, restPerReading * tookMs);
    await this.clock.sleep(restMs, this.closed.signal).catch(() => undefined);
  }

  /**
   * Whether a majority answers for each table; no answer waits for the servers of another table. Tables with the same
   * replicas form a group. They stand or fall together, so one of them is asked. Once the group was in trouble, each of
   * its tables is asked itself, because each elects its own primary.
   */
  private confirm(
    connection: Connection,
    tables: readonly TableReference[],
    known: ReadonlyMap<string, TableTopology>,
  ): Map<string, Promise<boolean>> {
    this.turn += 1;
    const confirmed = new Map<string, Promise<boolean>>();
    const groups = new Map<string, TableReference[]>();
    for (const table of tables) {
      const group = groupOf(table, known.get(table.id));
      if (group === undefined) confirmed.set(table.id, Promise.resolve(true));
      else groups.set(group, [...(groups.get(group) ?? []), table]);
    }
    for (const [group, members] of groups) {
      const trouble = this.troubleMs.get(group) ?? 0;
      const isOwed = ({ id }: TableReference) => (this.confirmedMs.get(id) ?? 0) <= trouble;
      const asked = members.filter(isOwed);
      const unasked = members.filter((member) => !isOwed(member));
      if (asked.length === 0) asked.push(unasked.splice(this.turn % unasked.length, 1)[0]!);
      const answers = asked.map(async (table) =>
        this.ask(connection, group, { ...table, ...known.get(table.id) }),
      );
      for (const [i, { id }] of asked.entries()) confirmed.set(id, answers[i]!);
      const stands = Promise.all(answers).then(
        (all) => all.every(Boolean) && !this.hasTrouble(group, trouble),
      );
      for (const { id } of unasked) confirmed.set(id, stands);
    }
    return confirmed;
  }

  private hasTrouble(group: string, since: number): boolean {
    return (this.troubleMs.get(group) ?? 0) > since;
  }

  /** Whether a majority has answered for the table; never rejects. */
  private async ask(connection: Connection, group: string, table: TableReference) {
    const beganMs = this.clock.monotonicMs();
    const answers = await askMajority(connection, table, this.clock).catch(() => false);
    const nowMs = this.clock.monotonicMs();
    if (!answers || nowMs - beganMs > electionMsMin) this.troubleMs.set(group, nowMs);
    // An answer to a question from before the trouble counts for this survey; the next survey asks the table again.
    if (answers) this.confirmedMs.set(table.id, beganMs);
    return answers;
  }
}

/** The table's group; undefined if only one server can acknowledge writes to each shard: its count is proof enough. */
function groupOf({ id }: TableReference, topology: TableTopology | undefined): string | undefined {
  if (!topology) return id;
  if (topology.shards.every(({ replicas }) => replicas.length <= 1)) return undefined;
  return JSON.stringify(
    topology.shards.map(({ primary, replicas }) => [primary, ...replicas.toSorted()]),
  );
}

/** Whether a majority of every shard answers. A query that gets no answer in time is ended. */
export async function askMajority(
  connection: Connection,
  table: TableReference,
  clock: Clock,
): Promise<boolean> {
  // Unsorted, the first batch is read from all shards at once.
  const all = heldTable(table, { readMode: "majority" }).between!(r.minval, r.maxval, {
    leftBound: orReplaced(table, "closed"),
  });
  const stream = connection.stream(all.limit!(1).count!());
  try {
    const timedOut = () => new Error("no majority answers");
    const { done } = await withTimeout(clock, majorityMsMax, stream.next(), timedOut);
    return !done;
  } finally {
    void stream.return();
  }
}

/** The rows of all tables, by table id: `stats` costs the same for one table as for all. */
async function readWrites(connection: Connection): Promise<Map<string, StatsRow[]>> {
  const ofTables = systemTable("stats").filter!((row: Row) =>
    row("id")(0)
      .eq("table_server")
      .and(row.hasFields({ query_engine: { written_docs_total: true } })),
  );
  const rows = (await connection.rows(
    ofTables.map!((row: Row) => [
      row("id")(1),
      row("id")(2),
      row("server"),
      row("query_engine")("written_docs_total"),
    ]),
  )) as StatsRow[];
  const byTable = new Map<string, StatsRow[]>();
  for (const row of rows) byTable.set(row[0], [...(byTable.get(row[0]) ?? []), row]);
  return byTable;
}

/** A term that stands for a row in a function. */
interface Row {
  (field: string | number): Row;
  eq(value: unknown): Row;
  and(other: Row): Row;
  hasFields(shape: object): Row;
}

/** The writes that the rows count; undefined without rows, or if a server that alone has a shard did not answer. */
function writesOf(rows: StatsRow[], topology: TableTopology | undefined): TableWrites | undefined {
  if (rows.length === 0) return undefined;
  const byServer = new Map(rows.map(([, server, , writes]) => [server, writes]));
  if (!topology) return { byServer, total: undefined };
  const heard = new Set(rows.map(([, , name]) => name));
  const { shards } = topology;
  const isAlone = shards.every(({ replicas }) => replicas.length <= 1);
  if (isAlone && shards.some(({ replicas }) => replicas.some((name) => !heard.has(name))))
    return undefined;
  if (isAlone) return { byServer, total: "sum" };
  return { byServer, total: shards.length === 1 ? "greatest" : undefined };
}

export function topologyOf(configs: readonly TableConfig[], readAtMs: number): Topology {
  const tables = configs
    .filter(({ error }) => error === undefined)
    .map(({ id, db, name, shards }): [string, TableTopology] => [
      id,
      {
        db,
        name,
        shards: shards.map(({ primary_replica: primary, replicas }) => ({ primary, replicas })),
      },
    ]);
  return { readAtMs, tables: new Map(tables) };
}
