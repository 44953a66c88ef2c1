/**
 * Tells which changes in the log an operation has written itself: those that its record has, with the very document
 * that it was to write, while it ran. History tells single versions so (written-by.ts); this is for many.
 *
 * Memory: 8 bytes for each document that an operation near a burst was to change.
 */
import { digestOf } from "../digest.js";
import type { Instant } from "../instant.js";
import { changesOf } from "../repository/records/operations.js";
import type { ObjectStore } from "../storage/object-store.js";
import { operationPointId } from "./point-ids.js";
import { type NearRound, roundsNear } from "./rounds-near.js";

/** So many documents of operations are looked at, at most 32 MiB; what further rounds wrote counts as others'. */
const documentsMax = 4_000_000;

/** Changes of one table in a stretch of time, both ends included. */
export interface Stretch {
  table: string;
  from: Instant;
  to: Instant;
}

interface RoundWrites extends Stretch {
  /** The id of the operation's point. */
  id: string;
  /** Sorted. */
  hashes: Float64Array;
}

export class OwnWrites {
  private constructor(private readonly rounds: readonly RoundWrites[]) {}

  /** Of the operations that may have written in one of the stretches. */
  static async read(store: ObjectStore, stretches: readonly Stretch[]): Promise<OwnWrites> {
    const rounds: RoundWrites[] = [];
    if (stretches.length === 0) return new OwnWrites(rounds);
    const isTable = (table: string) => stretches.some((one) => one.table === table);
    const isMet = (from: Instant, to: Instant) =>
      stretches.some((one) => one.from <= to && from <= one.to);
    let left = documentsMax;
    for await (const round of roundsNear(store, isTable, isMet)) {
      const { documents } = round.operation;
      if (documents > left) continue;
      left -= documents;
      rounds.push(await writesOf(store, round));
    }
    return new OwnWrites(rounds);
  }

  /**
   * The id of the point of the operation that has written a version; undefined if none has. If several were to write
   * it, the one whose run is nearest to the version's time.
   */
  by(table: string, time: Instant, key: Buffer, document: Buffer | null): string | undefined {
    const near = this.rounds.filter(
      (one) => one.table === table && one.from <= time && time <= one.to,
    );
    if (near.length === 0) return undefined;
    const hash = hashOf(key, document);
    const outside = ({ from, to }: Stretch) => Math.max(from - time, time - to);
    return near
      .filter(({ hashes }) => has(hashes, hash))
      .reduce<RoundWrites | undefined>(
        (best, one) => (best && outside(best) < outside(one) ? best : one),
        undefined,
      )?.id;
  }
}

async function writesOf(store: ObjectStore, round: NearRound): Promise<RoundWrites> {
  const { operation, from, to, notWritten } = round;
  const hashes = new Float64Array(operation.documents);
  let count = 0;
  for await (const { code, key, after } of changesOf(store, operation)) {
    if (notWritten.has(code)) continue;
    hashes[count] = hashOf(key, after);
    count += 1;
  }
  const id = operationPointId(operation);
  return { table: operation.table, from, to, id, hashes: hashes.subarray(0, count).sort() };
}

/** Of 48 bits. A document has its key in it; of one that is deleted, the key stands for it. */
function hashOf(key: Buffer, document: Buffer | null): number {
  return Number.parseInt(digestOf(document ?? key).slice(0, 12), 16);
}

function has(sorted: Float64Array, value: number): boolean {
  let [low, high] = [0, sorted.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sorted[middle]! < value) low = middle + 1;
    else high = middle;
  }
  return sorted[low] === value;
}
