/**
 * Carries an operation out, on one table or several: records what it will write, writes it, and records what became of
 * it. Documents that others change meanwhile are looked at again, in further rounds.
 *
 * Invariant: the first round of every table is recorded before anything is written to any of them. So the record of an
 * operation is whole, wherever it is ended.
 */

import type { Clock } from "../clock.js";
import { clearAfter } from "../errors.js";
import type { Repository } from "../format/description.js";
import type { Instant } from "../instant.js";
import { theseKeys } from "../key-filter.js";
import type { OrderCode } from "../key-order.js";
import {
  changesOf,
  discardRounds,
  listOperations,
  type Operation,
  type OperationType,
  OperationWriter,
  publishRound,
  putOperationEnd,
  type Recorded,
} from "../repository/records/operations.js";
import type { TableReference } from "../rethinkdb/table-reference.js";
import type { Target } from "../rethinkdb/target.js";
import { carryOut } from "./carry-out.js";
import { endOf, type LeftKey, leftKeys } from "./outcomes.js";
import type { Selection } from "./selection.js";
import { Tally } from "./tally.js";
import type { UndoStep } from "./undo.js";

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
  /** Everything, or only of some keys, in key order. A document that is as it should be has no step. */
  steps: (only?: Selection) => AsyncIterable<UndoStep>;
}

/** How much an operation writes. */
export interface Extent {
  tables: number;
  all: Tally;
}

/** How one gets back. */
export interface WayBack {
  /** Until when the operation can be taken back. */
  until: Instant;
  /** The name of the pin of the instant before it, and the instant; absent if none could be pinned. */
  pin?: string;
  pinned?: Instant;
}

export interface OperationObserver {
  /** So many documents have been compared, or read from the plan, and will be changed. */
  planned(documents: number): void;
  /**
   * Everything is recorded, and nothing is published or written. It may throw: then the operation ends with nothing
   * written. Not called if there is nothing to change.
   * @param tables those in which something will be changed
   */
  beforeWriting(extent: Extent, tables: readonly TableReference[]): Promise<WayBack>;
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
export interface TableOutcome {
  table: TableReference;
  written: Tally;
  /** How many documents were as they should be: an earlier run, or somebody else, had made them so. */
  already: number;
  left: LeftKey[];
  /** How many more were left: too many to hold the keys of, and to look at again. */
  leftUnlisted: number;
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
    tables: tables.map(({ table }) => {
      return { table, written: new Tally(), already: 0, left: [], leftUnlisted: 0 };
    }),
    rounds: first.length,
  };
  if (first.length === 0) return result;
  const wayBack = await recording.decided(first.map(([{ table }]) => table));
  result.wayBack = wayBack;
  const published: [OperatedTable, Operation][] = [];
  for (const [of, recorded] of first) {
    published.push([of, await recording.publish(recorded, "first")]);
  }
  const progress = progressOf(operating, published);
  for (const [of, operation] of published) {
    const outcome = result.tables[tables.indexOf(of)]!;
    let moved = await carriedOut(operating, of, operation, outcome, progress);
    for (let round = 1; round < rounds && moved.length > 0; round += 1) {
      const { recorded, changing, conflicting } = await recording.again(of, moved);
      settle(outcome, moved, changing, conflicting);
      moved = [];
      if (!recorded) break;
      result.rounds += 1;
      const again = await recording.publish(recorded, "further");
      moved = await carriedOut(operating, of, again, outcome, () => undefined);
    }
    outcome.left.push(...moved);
  }
  return result;
}

/** Says what became of documents that were changed by others, as they were found when they were looked at again. */
function settle(
  outcome: TableOutcome,
  moved: readonly LeftKey[],
  changing: ReadonlySet<OrderCode>,
  conflicting: ReadonlySet<OrderCode>,
): void {
  for (const one of moved) {
    if (changing.has(one.code)) continue;
    if (conflicting.has(one.code)) outcome.left.push({ ...one, why: "conflict" });
    else outcome.already += 1;
  }
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
  private readonly tallies: Tally[] = [];
  private unpublished: Recorded[] = [];

  private constructor(
    private readonly operating: Operating,
    /**
     * When the round that is recorded was begun; of all first rounds, when the operation was. An operation that was
     * killed is carried out again under its own id, with further rounds.
     */
    private made: Instant,
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

  /** Undefined if there is nothing to change. @param onStep called with each step */
  async of(
    { table, steps }: OperatedTable,
    only?: Selection,
    onStep: (step: UndoStep) => void = () => undefined,
  ): Promise<Recorded | undefined> {
    const { repository, head, observer, signal } = this.operating;
    const { made, round } = this;
    const named = { table: table.id, name: `${table.db}.${table.name}` };
    const writer = new OperationWriter(repository.store, { ...head, ...named, made, round });
    const tally = new Tally();
    const before = Tally.sumOf(this.tallies).documents;
    return this.discardingIfFailed(async () => {
      for await (const step of steps(only)) {
        signal.throwIfAborted();
        onStep(step);
        if (!step.change) continue;
        await writer.add(step.change);
        tally.add(step.change);
        observer.planned(before + tally.documents);
      }
      if (tally.documents === 0) return undefined;
      const recorded = await writer.finish();
      this.unpublished.push(recorded);
      this.tallies.push(tally);
      this.round += 1;
      return recorded;
    });
  }

  /** A further round of documents that others have changed, and what is to be done for each of them. */
  async again(of: OperatedTable, moved: readonly LeftKey[]) {
    const filter = theseKeys(moved.map(({ code }) => code));
    const only = { filter, keys: moved.map(({ key }) => key) };
    // The names of rounds sort as the rounds were made, though the clock may be set back.
    this.made = Math.max(this.made, this.operating.clock.now());
    const [changing, conflicting] = [new Set<OrderCode>(), new Set<OrderCode>()];
    const recorded = await this.of(of, only, ({ change, conflict, unknown }) => {
      const left = conflict?.code ?? unknown;
      if (change) changing.add(change.code);
      else if (left !== undefined) conflicting.add(left);
    });
    return { recorded, changing, conflicting };
  }

  /** Asks whether what is recorded is to be written. */
  async decided(tables: readonly TableReference[]): Promise<WayBack> {
    const { observer } = this.operating;
    const extent = { tables: this.tallies.length, all: Tally.sumOf(this.tallies) };
    this.wayBack = await this.discardingIfFailed(() => observer.beforeWriting(extent, tables));
    return this.wayBack;
  }

  /** From now on the round may be written. */
  async publish(recorded: Recorded, which: "first" | "further"): Promise<Operation> {
    const { repository, clock } = this.operating;
    const [way, now] = [this.wayBack!, clock.now()];
    const published = await publishRound(repository.store, recorded, way, now, which);
    this.unpublished = this.unpublished.filter((one) => one !== recorded);
    return published;
  }

  private async discardingIfFailed<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      const { store } = this.operating.repository;
      await clearAfter(error, () => discardRounds(store, this.unpublished));
      throw error;
    }
  }
}

/** Carries a round out. Returns the documents that others have changed meanwhile; all others are in the outcome. */
async function carriedOut(
  { repository: { store }, target, clock, signal }: Operating,
  { table }: OperatedTable,
  operation: Operation,
  outcome: TableOutcome,
  progress: (table: TableReference, done: number) => void,
): Promise<LeftKey[]> {
  const onWritten = (done: number) => progress(table, done);
  const beganMs = clock.monotonicMs();
  const changes = changesOf(store, operation);
  const done = await carryOut(target, table, changes, onWritten, signal);
  await putOperationEnd(store, operation, {
    ended: clock.now(),
    seconds: (clock.monotonicMs() - beganMs) / 1000,
    ...endOf(done),
  });
  const left = leftKeys(done);
  outcome.written = Tally.sumOf([outcome.written, done.written]);
  outcome.already += done.already;
  outcome.leftUnlisted += done.leftUnlisted;
  outcome.left.push(...left.filter(({ why }) => why !== "moved"));
  return left.filter(({ why }) => why === "moved");
}
