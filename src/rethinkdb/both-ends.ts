/**
 * Reads a large table from both ends, on two connections, until the two scans meet. This needs no split point: a server
 * does not tell which key is the middle.
 *
 * Invariant: each row is handed on only by the scan that reaches its key first. Break it and a row comes twice or, if a
 * scan ends before the two meet, not at all.
 */
import { compareKeys } from "../key-order.js";
import type { ScanBatch, ScanOptions, ScanOrder } from "./scan.js";

/** How many documents a table must have to be read from both ends. Fewer take about the time of two requests anyway. */
export const bothEndsFromDefault = 40_000;

/** The options for a scan from one of the ends. */
export type EndOptions = Required<Pick<ScanOptions, "order" | "until" | "signal">>;

export class BothEnds {
  /** JSON text of the key that each scan has reached. */
  private readonly reached: Partial<Record<ScanOrder, Buffer>> = {};

  /**
   * Runs a scan from the first key up and, if the table is large, one from the last key down. A scan that fails aborts
   * the other. Resolves when all have ended; rejects then with the first failure, or with the signal's reason.
   */
  async run(
    isLarge: boolean,
    signal: AbortSignal,
    scan: (options: EndOptions) => Promise<void>,
  ): Promise<void> {
    const failed = new AbortController();
    const either = AbortSignal.any([signal, failed.signal]);
    const orders: ScanOrder[] = isLarge ? ["rising", "falling"] : ["rising"];
    const scans = orders.map((order) => scan(this.optionsOf(order, either)));
    await Promise.all(scans.map((ended) => ended.catch((error: unknown) => failed.abort(error))));
    either.throwIfAborted();
  }

  /** Hands on those rows of a scan's batch that the other scan has not handed on, in rising order of keys. */
  forEach(
    order: ScanOrder,
    batch: ScanBatch,
    visit: (key: Buffer, document: Buffer) => void,
  ): void {
    const other = this.reached[opposite(order)];
    const sign = order === "rising" ? 1 : -1;
    const isBeyond = (key: Buffer) => other !== undefined && sign * compareKeys(key, other) >= 0;
    const { lastKey } = batch;
    const meets = lastKey !== undefined && isBeyond(lastKey);
    batch.forEach((key, document) => {
      if (!meets || !isBeyond(key)) visit(key, document);
    });
    if (lastKey) this.reached[order] = lastKey;
  }

  private optionsOf(order: ScanOrder, signal: AbortSignal): EndOptions {
    return { order, until: () => this.reached[opposite(order)], signal };
  }
}

function opposite(order: ScanOrder): ScanOrder {
  return order === "rising" ? "falling" : "rising";
}
