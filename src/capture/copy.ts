/**
 * The copy of a table into its base. A large table is walked from both of its ends, on two connections, until the walks
 * meet: a server says of no key that it is the middle.
 *
 * Invariant: a row is written by the walk that comes to its key first, and by it alone. Break it and the base has rows
 * twice, or, if a walk ends before they meet, misses rows.
 */
import { compareKeys } from "../key-order.js";
import type { AddRow, BaseWriter } from "../repository/base-writer.js";
import type { WalkBatch, WalkOrder } from "../rethinkdb/walk.js";

/** Of fewer documents a second connection brings nothing: it is the time of two requests. */
export const bothEndsFromDefault = 40_000;

export class Copy {
  /** Of the documents' JSON text, so far. */
  bytes = 0;

  constructor(private readonly writer: BaseWriter) {}

  get documents(): number {
    return this.writer.rows;
  }

  /** JSON text of the key that the other walk has come to: where this one may end. */
  until(order: WalkOrder): Buffer | undefined {
    const { front, back } = this.writer.reached;
    return order === "rising" ? back : front;
  }

  /** Writes the rows that the other walk has not; resolves when there is room for more. */
  async add(order: WalkOrder, batch: WalkBatch): Promise<void> {
    const { writer } = this;
    const { time, sequence } = batch.stamp;
    const until = this.until(order);
    const sign = order === "rising" ? 1 : -1;
    const isBeyond = (key: Buffer) => until !== undefined && sign * compareKeys(key, until) >= 0;
    const meets = batch.lastKey !== undefined && isBeyond(batch.lastKey);
    const give = (add: AddRow) =>
      batch.forEach((key, document) => {
        if (meets && isBeyond(key)) return;
        add(key, time, sequence, document);
        this.bytes += document.length;
      });
    if (order === "falling") writer.addBack(give);
    else give((...row) => writer.add(...row));
    await writer.drain();
  }
}
