/** Work on many things, a few of them at once. Results come in the order of the things. */
export async function* severalAtOnce<T, R>(
  things: Iterable<T>,
  atOnce: number,
  work: (thing: T) => Promise<R>,
): AsyncGenerator<R> {
  const under: Promise<R>[] = [];
  for (const thing of things) {
    const begun = work(thing);
    // Whoever waits for it gets the rejection.
    begun.catch(() => undefined);
    under.push(begun);
    if (under.length >= atOnce) yield await under.shift()!;
  }
  for (const begun of under) yield await begun;
}

/** How many objects a reader asks a store for at once: of a bucket, each answer takes its time however many are asked for. */
export const readsAtOnce = 16;

/** How many parts are opened at once where one is read after another: the next one is ready when this one ends. */
export const partsAtOnce = 2;
