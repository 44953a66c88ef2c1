/**
 * Reading a large table from both of its ends, on two connections, until the scans meet. No split point is needed: a
 * server says of no key that it is the middle.
 *
 * Invariant: a row is handed on by the scan that comes to its key first, and by it alone. Break it and a row is there
 * twice, or, if a scan ends before they meet, not at all.
 */
import { compareKeys } from "../key-order.js";
import type { ScanBatch, ScanOptions, ScanOrder } from "./scan.js";

/** Of fewer documents a second connection brings nothing: it is the time of two requests. */
export const bothEndsFromDefault = 40_000;

/** What a scan from one of the ends is to be given. */
export type EndOptions = Required<Pick<ScanOptions, "order" | "until" | "signal">>;

export class BothEnds {
  /** JSON text of the key that each scan has come to. */
  private readonly reached: Partial<Record<ScanOrder, Buffer>> = {};

  /**
   * Runs a scan from the first key on, and, if the table is large, one from the last key back. Resolves when all have
   * ended; rejects then with what the first has failed of, or with the signal's reason.
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
    await Promise.all(scans.map((one) => one.catch((error: unknown) => failed.abort(error))));
    either.throwIfAborted();
  }

  /** Hands on the rows of a batch of one scan that the other has not handed on, in rising order of keys. */
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
