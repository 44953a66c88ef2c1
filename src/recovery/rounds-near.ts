/** Finds the rounds of operations that may have written something at some time. */
import type { Instant } from "../instant.js";
import type { OrderCode } from "../key-order.js";
import { listOperationNames } from "../repository/records/operation-names.js";
import {
  type Operation,
  readOperation,
  readOperationEnd,
} from "../repository/records/operations.js";
import { readsAtOnce, severalAtOnce } from "../several-at-once.js";
import type { ObjectStore } from "../storage/object-store.js";
import { notWrittenIn } from "./taken-back.js";

/** By how much the clock of an operation's machine and the log's time may differ; and how late a change may come in. */
const clocksMs = 60_000;
/**
 * For so long, at most, a round of an operation is expected to write; what it writes later is not told as its own. So a
 * version is compared with the operations of a month, and not with all that there ever were.
 */
const roundMsMax = 30 * 86_400_000;

export interface NearRound {
  operation: Operation;
  /** By the log's time, it wrote nothing before and nothing after. */
  from: Instant;
  to: Instant;
  /** Documents that it was to change, and of which it is known that it did not write them. */
  notWritten: ReadonlySet<OrderCode>;
}

/**
 * Oldest first. Of each round that may be near, its end is read first, because it is small.
 * @param isTable whether a table, by its id, is of interest
 * @param isMet whether something of interest lies between two instants, both included
 */
export async function* roundsNear(
  store: ObjectStore,
  isTable: (table: string) => boolean,
  isMet: (from: Instant, to: Instant) => boolean,
): AsyncGenerator<NearRound> {
  const isNear = (made: Instant, to: Instant) => isMet(made - clocksMs, to + clocksMs);
  const named = (await listOperationNames(store)).filter(({ made }) =>
    isNear(made, made + roundMsMax),
  );
  const reading = severalAtOnce(
    named,
    readsAtOnce,
    async (round): Promise<NearRound | undefined> => {
      const end = await readOperationEnd(store, round);
      const ended = end?.ended ?? Number.MAX_SAFE_INTEGER;
      if (!isNear(round.made, ended)) return undefined;
      const operation = await readOperation(store, round.name);
      if (!isTable(operation.table)) return undefined;
      const [from, to] = [round.made - clocksMs, ended + clocksMs];
      return { operation, from, to, notWritten: notWrittenIn(end) };
    },
  );
  for await (const round of reading) if (round) yield round;
}
