/**
 * Carries an operation out: records what it will write, writes it, and records what became of it. Documents that others
 * change meanwhile are looked at again, in further rounds.
 */
import type { Clock } from "../clock.js";
import { ThinkbackError } from "../errors.js";
import type { Repository } from "../format/description.js";
import { theseKeys } from "../key-filter.js";
import { type OrderCode, orderCode } from "../key-order.js";
import {
  changesOf,
  type DocumentChange,
  listOperations,
  type Operation,
  OperationWriter,
  putOperationEnd,
  readOperationEnd,
} from "../repository/records/operations.js";
import type { TableReference } from "../rethinkdb/table-reference.js";
import type { Target } from "../rethinkdb/target.js";
import { jsonOfText, textOfJson } from "../server-text.js";
import { type CarriedOut, carryOut, type LeftDocument } from "./carry-out.js";
import type { Difference } from "./differences.js";
import type { PlanHead } from "./plan-file.js";
import { type Selection, selectsAny } from "./selection.js";

export interface OperationObserver {
  /** Documents are compared, or read from the plan. */
  planned(documents: number): void;
  /** What is written has been recorded; from now on documents are changed. */
  recorded(operation: Operation): void;
  written(done: number, of: number): void;
}

export interface Operating {
  repository: Repository;
  target: Target;
  table: TableReference;
  head: PlanHead;
  /** The name of the pin of the instant before the operation. */
  pin: string | undefined;
  clock: Clock;
  observer: OperationObserver;
  signal: AbortSignal;
}

export interface OperationResult {
  written: number;
  /** Were as they should be already. */
  already: number;
  /** Were left as they are. */
  left: LeftDocument[];
  rounds: number;
}

/** At most so often are documents looked at again that others have changed meanwhile. */
const roundsMax = 5;

/**
 * Carries changes out in rounds, until nothing is left but what the server refuses.
 * @param changes gives what is to be changed: everything, then only of the keys that were left
 */
export async function operate(
  operating: Operating,
  changes: (only?: Selection) => AsyncIterable<DocumentChange>,
  rounds = roundsMax,
): Promise<OperationResult> {
  const result: OperationResult = { written: 0, already: 0, left: [], rounds: 0 };
  const first = await nextRound(operating);
  let only: Selection | undefined;
  for (let round = 0; round < rounds; round += 1) {
    const done = await oneRound(operating, first + round, changes(only));
    if (!done) break;
    result.rounds += 1;
    result.written += done.written;
    result.already += done.already;
    const moved = done.left.filter(({ refused }) => refused === undefined);
    const refused = done.left.filter((one) => one.refused !== undefined);
    result.left = [...result.left.filter((one) => one.refused !== undefined), ...refused, ...moved];
    if (moved.length === 0) break;
    only = { filter: theseKeys(moved.map(({ code }) => code)), keys: moved.map(({ key }) => key) };
  }
  return result;
}

/** The number of the next round: an operation that was killed is carried out again under its own id. */
async function nextRound({ repository, head }: Operating): Promise<number> {
  const before = await listOperations(repository.store, head.id);
  return Math.max(0, ...before.map(({ round }) => round)) + 1;
}

/** Undefined if there is nothing to change. */
async function oneRound(
  { repository, target, table, head, pin, clock, observer, signal }: Operating,
  round: number,
  changes: AsyncIterable<DocumentChange>,
): Promise<CarriedOut | undefined> {
  const { store } = repository;
  const writer = new OperationWriter(store, {
    ...head,
    round,
    ...(pin === undefined ? {} : { pin }),
  });
  for await (const change of changes) {
    signal.throwIfAborted();
    await writer.add(change);
    observer.planned(writer.documents);
  }
  if (writer.documents === 0) return undefined;
  const operation = await writer.finish();
  observer.recorded(operation);
  const done = await carryOut(
    target,
    table,
    changesOf(store, operation),
    (count) => observer.written(count, operation.documents),
    signal,
  );
  await putOperationEnd(store, operation, {
    ended: clock.now(),
    written: done.written + done.already,
    left: done.left.map(({ key }) => textOfJson(key)),
  });
  return done;
}

/**
 * What an operation has changed on a table, as differences from the state before it. Of each document its last round
 * decides: one that was left then counts as not written, as it was reported. Throws, with code "unknown", if there is
 * no such operation.
 */
export async function changesToTakeBack(
  { store }: Repository,
  table: string,
  id: string,
): Promise<(selection: Selection) => AsyncGenerator<Difference>> {
  const operations = (await listOperations(store, id)).filter((one) => one.table === table);
  if (operations.length === 0) {
    throw new ThinkbackError("unknown", `there is no operation ${id} on this table`, {
      hint: "`thinkback history` and `thinkback points` tell of operations",
    });
  }
  const ended = await Promise.all(
    operations.map(async (operation) => {
      const end = await readOperationEnd(store, operation);
      const left = new Set(end?.left.map((key) => orderCode(jsonOfText(key))));
      return { operation, left };
    }),
  );
  return async function* (selection) {
    const later: Set<OrderCode>[] = [];
    for (const { operation, left } of ended.toReversed()) {
      const own = new Set<OrderCode>();
      for await (const change of changesOf(store, operation, selection.filter)) {
        const { code, before, after } = change;
        if (later.some((round) => round.has(code))) continue;
        own.add(code);
        if (!left.has(code) && selectsAny(selection, [before, after])) yield change;
      }
      later.push(own);
    }
  };
}
