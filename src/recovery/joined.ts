import type { OrderCode } from "../key-order.js";

/** Joins two sequences in key order: yields what both have of each key; undefined where one has none. */
export async function* joined<A extends { code: OrderCode }, B extends { code: OrderCode }>(
  first: AsyncIterable<A>,
  second: AsyncIterable<B>,
): AsyncGenerator<[A | undefined, B | undefined]> {
  const [a, b] = [first[Symbol.asyncIterator](), second[Symbol.asyncIterator]()];
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
    await a.return?.();
    await b.return?.();
  }
}
