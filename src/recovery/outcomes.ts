/** What became of the documents of a round. */
import { type OrderCode, orderCode } from "../key-order.js";
import type { DocumentChange, OperationEnd } from "../repository/records/operations.js";
import type { Target } from "../rethinkdb/target.js";
import { textOfJson } from "../server-text.js";
import type { CarriedOut } from "./carry-out.js";
import { Tally } from "./tally.js";

/** So many keys that a round has not written are held and stored; more are counted. They take some 20 MiB. */
const keysMax = 100_000;

type Key = Pick<DocumentChange, "code" | "key">;

/** A document that an operation has left as it is. */
export interface LeftKey extends Key {
  /** Others have changed it; or have set fields of it, so that it cannot be taken back; or the server refuses it. */
  why: "moved" | "conflict" | { refused: string };
}

/** Notes what the server answers to each guarded write. What carries a round out tells only of what it leaves. */
export class Outcomes {
  readonly written = new Tally();
  private readonly moved = new Map<OrderCode, Buffer>();
  private unlisted = 0;

  /** The target, whose guarded writes are noted. */
  noting(target: Target): Target {
    const noted = Object.create(target) as Target;
    noted.replace = async (...given) => {
      const outcomes = await target.replace(...given);
      const [, writes] = given;
      for (const [i, write] of writes.entries()) {
        if (outcomes[i] === "written") this.written.addWrite(write);
        else if (outcomes[i] === "moved") this.noteMoved(write.key);
      }
      return outcomes;
    };
    return noted;
  }

  private noteMoved(key: Buffer): void {
    if (this.moved.size < keysMax) this.moved.set(orderCode(key), key);
    else this.unlisted += 1;
  }

  /** What is stored of the round. */
  endOf(done: CarriedOut): Omit<OperationEnd, "id" | "round" | "ended" | "seconds"> {
    const left = done.left.slice(0, keysMax);
    for (const { code } of done.left) this.moved.delete(code);
    const found = [...this.moved.values()];
    const { written, already } = done;
    const unlisted = done.left.length - left.length + Math.max(0, already - found.length);
    const textsOf = (keys: readonly Buffer[]) => keys.map(textOfJson);
    return {
      written,
      already,
      left: textsOf(left.map(({ key }) => key)),
      found: textsOf(found),
      unlisted,
    };
  }
}

export const leftKeys = ({ left }: CarriedOut): LeftKey[] =>
  left.map(({ code, key, refused }) => {
    return { code, key, why: refused === undefined ? "moved" : { refused } };
  });
