/**
 * Does `work` on many things, at most `atOnce` at a time. Yields the results in the order of the things. If one of them
 * fails, or nobody reads any further, no other is begun, and this ends when what is under way has ended; so that MUST
 * NOT wait for what the reader would do next.
 */
export async function* severalAtOnce<T, R>(
  things: Iterable<T>,
  atOnce: number,
  work: (thing: T) => Promise<R>,
): AsyncGenerator<R> {
  const underWay: Promise<R>[] = [];
  try {
    for (const thing of things) {
      const begun = work(thing);
      // The rejection is thrown when the promise is awaited below; until then it is not unhandled.
      begun.catch(() => undefined);
      underWay.push(begun);
      if (underWay.length >= atOnce) yield await underWay.shift()!;
    }
    while (underWay.length > 0) yield await underWay.shift()!;
  } finally {
    await Promise.allSettled(underWay);
  }
}

/** How many objects a reader asks a store for at once: a bucket answers many requests at once as fast as one. */
export const readsAtOnce = 16;

/** How many parts are open at once when parts are read one after another, so that the next is ready when one ends. */
export const partsAtOnce = 2;
