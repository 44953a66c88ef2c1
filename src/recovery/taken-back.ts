/** What an operation has written, so that it can be taken back. */
import { ThinkbackError } from "../errors.js";
import type { Repository } from "../format/description.js";
import { type OrderCode, orderCode } from "../key-order.js";
import {
  changesOf,
  type DocumentChange,
  listOperations,
  type Operation,
  type OperationEnd,
  readOperationEnd,
} from "../repository/records/operations.js";
import { jsonOfText } from "../server-text.js";
import type { ObjectStore } from "../storage/object-store.js";
import type { Difference } from "./differences.js";
import { type Selection, selectsAny } from "./selection.js";

/** What an operation has changed on one table. */
export interface TakenTable {
  /** Id of the table, and "db.table" as it was named then. */
  id: string;
  name: string;
  /** As differences from the state before the operation, in key order. */
  differences: (selection: Selection) => AsyncGenerator<Difference>;
}

/**
 * What an operation has changed, by table. Of each document the newest round counts that has written it, or may have:
 * what a round wrote that was killed is not known, so it counts as written, and three versions decide what is taken
 * back. Throws, with code "unknown", if there is no such operation.
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
    differences: (selection) => differencesOf(store, of.toReversed(), selection),
  }));
}

/** A round, and the change at which its reader stands. */
interface Reader {
  notWritten: ReadonlySet<OrderCode>;
  /** What it wrote is not known, or not of every document. */
  isUncertain: boolean;
  changes: AsyncGenerator<DocumentChange>;
  at: IteratorResult<DocumentChange>;
}

/** @param rounds the newest first */
async function* differencesOf(
  store: ObjectStore,
  rounds: readonly Operation[],
  selection: Selection,
): AsyncGenerator<Difference> {
  const readers: Reader[] = [];
  try {
    for (const round of rounds) {
      const end = await readOperationEnd(store, round);
      const notWritten = notWrittenIn(end);
      const isUncertain = end === undefined || end.unlisted > 0;
      const changes = changesOf(store, round, selection.filter);
      readers.push({ notWritten, isUncertain, changes, at: await changes.next() });
    }
    for (let code = least(readers); code !== undefined; code = least(readers)) {
      const having = readers.filter(({ at }) => !at.done && at.value.code === code);
      const written = having.find(({ notWritten }) => !notWritten.has(code!));
      const change = written?.at.value as DocumentChange | undefined;
      if (change && selectsAny(selection, [change.before, change.after])) {
        yield written!.isUncertain ? { ...change, isUncertain: true } : change;
      }
      for (const reader of having) reader.at = await reader.changes.next();
    }
  } finally {
    for (const { changes } of readers) await changes.return(undefined);
  }
}

function least(readers: readonly Reader[]): OrderCode | undefined {
  let code: OrderCode | undefined;
  for (const { at } of readers) {
    if (!at.done && (code === undefined || at.value.code < code)) code = at.value.code;
  }
  return code;
}

/** The documents of which an end of a round says that it did not write them. */
export function notWrittenIn(end: OperationEnd | undefined): Set<OrderCode> {
  const keys = end ? [...end.left, ...end.found] : [];
  return new Set(keys.map((key) => orderCode(jsonOfText(key))));
}
