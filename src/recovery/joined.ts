import { ThinkbackError } from "../errors.js";
import type { OrderCode } from "../key-order.js";

interface Coded {
  code: OrderCode;
}

/**
 * Joins two sequences in key order: yields what both have of each key; undefined where one has none. Throws, with code
 * "internal", if a key of a sequence is not greater than the one before it: a document would be paired with nothing
 * then, and pass for one that is not there.
 */
export async function* joined<A extends Coded, B extends Coded>(
  first: AsyncIterable<A>,
  second: AsyncIterable<B>,
): AsyncGenerator<[A | undefined, B | undefined]> {
  const [a, b] = [rising(first), rising(second)];
  try {
    let [one, other] = [await a.next(), await b.next()];
    while (!one.done || !other.done) {
      const left = one.done ? undefined : one.value;
      const right = other.done ? undefined : other.value;
      const takesLeft = left !== undefined && (!right || left.code <= right.code);
      const takesRight = right !== undefined && (!left || right.code <= left.code);
      yield [takesLeft ? left : undefined, takesRight ? right : undefined];
      if (takesLeft) one = await a.next();
      if (takesRight) other = await b.next();
    }
  } finally {
    await a.return(undefined);
    await b.return(undefined);
  }
}

async function* rising<T extends Coded>(of: AsyncIterable<T>): AsyncGenerator<T> {
  let last: OrderCode | undefined;
  for await (const one of of) {
    if (last !== undefined && one.code <= last) {
      throw new ThinkbackError("internal", "documents to be compared do not come in key order");
    }
    last = one.code;
    yield one;
  }
}
