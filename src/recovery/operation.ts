/**
 * Carries an operation out, on one table or several: records what it will write, writes it, and records what became of
 * it. Documents that others change meanwhile are looked at again, in further rounds.
 *
 * Invariant: the first round of every table is recorded before anything is written to any of them. So the record of an
 * operation is whole, wherever it is ended.
 */
import type { Clock } from "../clock.js";
import { ThinkbackError } from "../errors.js";
import type { Repository } from "../format/description.js";
import type { Instant } from "../instant.js";
import { theseKeys } from "../key-filter.js";
import { type OrderCode, orderCode } from "../key-order.js";
import {
  changesOf,
  type DocumentChange,
  discardRounds,
  listOperations,
  type Operation,
  type OperationType,
  OperationWriter,
  publishRound,
  putOperationEnd,
  type Recorded,
  readOperationEnd,
} from "../repository/records/operations.js";
import type { TableReference } from "../rethinkdb/table-reference.js";
import type { Target } from "../rethinkdb/target.js";
import { jsonOfText, textOfJson } from "../server-text.js";
import { type CarriedOut, carryOut, type LeftDocument } from "./carry-out.js";
import type { Difference } from "./differences.js";
import { type Selection, selectsAny } from "./selection.js";

/** What an operation is, on whatever tables. */
export interface OperationHead {
  /** 8 hexadecimal digits. */
  id: string;
  type: OperationType;
  /** Id of the repository. */
  repository: string;
  /** What was asked for, in words. */
  description: string;
}

/** What an operation changes on one table. */
export interface OperatedTable {
  table: TableReference;
  /** Everything, or only of some keys, in key order. */
  changes: (only?: Selection) => AsyncIterable<DocumentChange>;
}

/** How much an operation writes. */
export interface Extent {
  tables: number;
  documents: number;
  /** Of the documents as they are and as they become. */
  bytes: number;
}

/** How one gets back. */
export interface WayBack {
  /** Until when the operation can be taken back. */
  until: Instant;
  /** The name of the pin of the instant before it; absent if none could be pinned. */
  pin?: string;
}

export interface OperationObserver {
  /** So many documents have been compared, or read from the plan, and will be changed. */
  planned(documents: number): void;
  /**
   * Everything is recorded, and nothing is published or written. It may throw: then the operation ends with nothing
   * written. Not called if there is nothing to change.
   */
  beforeWriting(extent: Extent): Promise<WayBack>;
  written(done: number, of: number): void;
}

export interface Operating {
  repository: Repository;
  target: Target;
  head: OperationHead;
  clock: Clock;
  observer: OperationObserver;
  signal: AbortSignal;
}

/** What became of one table. */
export interface TableOutcome extends CarriedOut {
  table: TableReference;
}

export interface OperationResult {
  tables: TableOutcome[];
  /** Of a round that wrote nothing there is nothing to take back. */
  rounds: number;
  /** Absent if there was nothing to change. */
  wayBack?: WayBack;
}

/** At most so often are documents looked at again that others have changed meanwhile. */
const roundsMax = 5;

/** @param rounds how often the documents of a table are looked at */
export async function operate(
  operating: Operating,
  tables: readonly OperatedTable[],
  rounds = roundsMax,
): Promise<OperationResult> {
  for (const { table } of tables) await operating.target.checkMayReplace(table);
  const recording = await Recording.begin(operating);
  const first = await recording.ofAll(tables);
  const result: OperationResult = {
    tables: tables.map(({ table }) => ({ table, written: 0, already: 0, left: [] })),
    rounds: first.length,
  };
  if (first.length === 0) return result;
  const wayBack = await recording.decided();
  result.wayBack = wayBack;
  const published: [OperatedTable, Operation][] = [];
  for (const [of, recorded] of first) published.push([of, await recording.publish(recorded)]);
  const progress = progressOf(operating, published);
  for (const [of, operation] of published) {
    const outcome = result.tables[tables.indexOf(of)]!;
    let done = await carriedOut(operating, of, operation, progress);
    add(outcome, done);
    for (let round = 1; round < rounds && movedOf(done).length > 0; round += 1) {
      const recorded = await recording.of({ ...of, changes: onlyMoved(of, done) });
      // What somebody else has changed is as it should be.
      outcome.left = outcome.left.filter((one) => one.refused !== undefined);
      if (!recorded) break;
      result.rounds += 1;
      done = await carriedOut(operating, of, await recording.publish(recorded), () => undefined);
      add(outcome, done);
    }
  }
  return result;
}

function add(outcome: TableOutcome, done: CarriedOut): void {
  outcome.written += done.written;
  outcome.already += done.already;
  outcome.left.push(...done.left);
}

const movedOf = ({ left }: CarriedOut): LeftDocument[] =>
  left.filter(({ refused }) => refused === undefined);

function onlyMoved(of: OperatedTable, done: CarriedOut): OperatedTable["changes"] {
  const moved = movedOf(done);
  const filter = theseKeys(moved.map(({ code }) => code));
  return () => of.changes({ filter, keys: moved.map(({ key }) => key) });
}

/** Counts the documents that are done over all tables. */
function progressOf(
  { observer }: Operating,
  published: readonly [OperatedTable, Operation][],
): (table: TableReference, done: number) => void {
  const of = published.reduce((sum, [, { documents }]) => sum + documents, 0);
  const doneOf = new Map<TableReference, number>();
  return (table, done) => {
    doneOf.set(table, done);
    observer.written(
      [...doneOf.values()].reduce((sum, one) => sum + one, 0),
      of,
    );
  };
}

/** Records rounds, and publishes them. */
class Recording {
  private wayBack: WayBack | undefined;
  private readonly extent: Extent = { tables: 0, documents: 0, bytes: 0 };
  private unpublished: Recorded[] = [];

  private constructor(
    private readonly operating: Operating,
    /** When it was begun. An operation that was killed is carried out again under its own id, with further rounds. */
    private readonly made: Instant,
    private round: number,
  ) {}

  static async begin(operating: Operating): Promise<Recording> {
    const { repository, head, clock } = operating;
    const before = await listOperations(repository.store, head.id);
    const last = Math.max(0, ...before.map(({ round }) => round));
    return new Recording(operating, clock.now(), last + 1);
  }

  /** The first round of those tables that have something to change. */
  async ofAll(tables: readonly OperatedTable[]): Promise<[OperatedTable, Recorded][]> {
    const recorded: [OperatedTable, Recorded][] = [];
    for (const of of tables) {
      const round = await this.of(of);
      if (round) recorded.push([of, round]);
    }
    return recorded;
  }

  /** Undefined if there is nothing to change. */
  async of({ table, changes }: OperatedTable): Promise<Recorded | undefined> {
    const { repository, head, observer, signal } = this.operating;
    const { made, round } = this;
    const named = { table: table.id, name: `${table.db}.${table.name}` };
    const writer = new OperationWriter(repository.store, { ...head, ...named, made, round });
    return this.discardingIfFailed(async () => {
      for await (const change of changes()) {
        signal.throwIfAborted();
        await writer.add(change);
        observer.planned(this.extent.documents + writer.documents);
      }
      if (writer.documents === 0) return undefined;
      const recorded = await writer.finish();
      this.unpublished.push(recorded);
      this.extent.tables += 1;
      this.extent.documents += writer.documents;
      this.extent.bytes += writer.bytes;
      this.round += 1;
      return recorded;
    });
  }

  /** Asks whether what is recorded is to be written. */
  async decided(): Promise<WayBack> {
    const { observer } = this.operating;
    this.wayBack = await this.discardingIfFailed(() => observer.beforeWriting(this.extent));
    return this.wayBack;
  }

  /** From now on the round may be written. */
  async publish(recorded: Recorded): Promise<Operation> {
    const { repository, clock } = this.operating;
    const published = await publishRound(repository.store, recorded, this.wayBack!, clock.now());
    this.unpublished = this.unpublished.filter((one) => one !== recorded);
    return published;
  }

  private async discardingIfFailed<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      await discardRounds(this.operating.repository.store, this.unpublished);
      throw error;
    }
  }
}

async function carriedOut(
  { repository: { store }, target, clock, signal }: Operating,
  { table }: OperatedTable,
  operation: Operation,
  progress: (table: TableReference, done: number) => void,
): Promise<CarriedOut> {
  const onWritten = (done: number) => progress(table, done);
  const beganMs = clock.monotonicMs();
  const done = await carryOut(target, table, changesOf(store, operation), onWritten, signal);
  await putOperationEnd(store, operation, {
    ended: clock.now(),
    seconds: (clock.monotonicMs() - beganMs) / 1000,
    written: done.written + done.already,
    left: done.left.map(({ key }) => textOfJson(key)),
  });
  return done;
}

/** What an operation has changed on one table. */
export interface TakenTable {
  /** Id of the table, and "db.table" as it was named then. */
  id: string;
  name: string;
  /** As differences from the state before the operation, in key order within each round. */
  differences: (selection: Selection) => AsyncGenerator<Difference>;
}

/**
 * What an operation has changed, by table. Of each document its last round decides: one that was left then counts as
 * not written, as it was reported. Throws, with code "unknown", if there is no such operation.
 */
export async function changesToTakeBack({ store }: Repository, id: string): Promise<TakenTable[]> {
  const rounds = new Map<string, Operation[]>();
  for (const round of await listOperations(store, id)) {
    rounds.set(round.table, [...(rounds.get(round.table) ?? []), round]);
  }
  if (rounds.size === 0) {
    throw new ThinkbackError("unknown", `there is no operation ${id}`, {
      hint: "its time may be over; `thinkback points` lists the operations that can be taken back",
    });
  }
  return [...rounds].map(([table, of]) => ({
    id: table,
    name: of.at(-1)!.name,
    differences: (selection) => differencesOf({ store }, of, selection),
  }));
}

async function* differencesOf(
  { store }: Pick<Repository, "store">,
  rounds: readonly Operation[],
  selection: Selection,
): AsyncGenerator<Difference> {
  const later: Set<OrderCode>[] = [];
  for (const operation of rounds.toReversed()) {
    const end = await readOperationEnd(store, operation);
    const left = new Set(end?.left.map((key) => orderCode(jsonOfText(key))));
    const own = new Set<OrderCode>();
    for await (const change of changesOf(store, operation, selection.filter)) {
      const { code, before, after } = change;
      if (later.some((round) => round.has(code))) continue;
      own.add(code);
      if (!left.has(code) && selectsAny(selection, [before, after])) yield change;
    }
    later.push(own);
  }
}
