/**
 * Reading a large table from both of its ends, on two connections, until the walks meet. No split point is needed: a
 * server says of no key that it is the middle.
 *
 * Invariant: a row is handed on by the walk that comes to its key first, and by it alone. Break it and a row is there
 * twice, or, if a walk ends before they meet, not at all.
 */
import { compareKeys } from "../key-order.js";
import type { WalkBatch, WalkOptions, WalkOrder } from "./walk.js";

/** Of fewer documents a second connection brings nothing: it is the time of two requests. */
export const bothEndsFromDefault = 40_000;

/** What a walk from one of the ends is to be given. */
export type EndOptions = Required<Pick<WalkOptions, "order" | "until" | "signal">>;

export class BothEnds {
  /** JSON text of the key that each walk has come to. */
  private readonly reached: Partial<Record<WalkOrder, Buffer>> = {};

  /**
   * Runs a walk from the first key on, and, if the table is large, one from the last key back. Resolves when all have
   * ended; rejects then with what the first has failed of, or with the signal's reason.
   */
  async run(
    isLarge: boolean,
    signal: AbortSignal,
    walk: (options: EndOptions) => Promise<void>,
  ): Promise<void> {
    const failed = new AbortController();
    const either = AbortSignal.any([signal, failed.signal]);
    const orders: WalkOrder[] = isLarge ? ["rising", "falling"] : ["rising"];
    const walks = orders.map((order) => walk(this.optionsOf(order, either)));
    await Promise.all(walks.map((one) => one.catch((error: unknown) => failed.abort(error))));
    either.throwIfAborted();
  }

  /** Hands on the rows of a batch of one walk that the other has not handed on, in rising order of keys. */
  forEach(
    order: WalkOrder,
    batch: WalkBatch,
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

  private optionsOf(order: WalkOrder, signal: AbortSignal): EndOptions {
    return { order, until: () => this.reached[opposite(order)], signal };
  }
}

function opposite(order: WalkOrder): WalkOrder {
  return order === "rising" ? "falling" : "rising";
}
