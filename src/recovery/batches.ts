/** A batch is closed at either bound; only a single item may have more bytes. */
export interface BatchBounds {
  countMax: number;
  bytesMax: number;
}

/** Divides items into batches, in their order. */
export async function* batchesOf<T>(
  items: AsyncIterable<T>,
  bytesOf: (item: T) => number,
  { countMax, bytesMax }: BatchBounds,
): AsyncGenerator<T[]> {
  let batch: T[] = [];
  let bytes = 0;
  for await (const item of items) {
    const more = bytesOf(item);
    if (batch.length > 0 && (batch.length >= countMax || bytes + more > bytesMax)) {
      yield batch;
      batch = [];
      bytes = 0;
    }
    batch.push(item);
    bytes += more;
  }
  if (batch.length > 0) yield batch;
}

/** What one request for live documents asks for, by what is known of their sizes. */
export const liveReads: BatchBounds = { countMax: 200, bytesMax: 4 * 1024 * 1024 };

/** How many bytes documents have together. */
export function bytesOfBoth(one: Buffer | null, other: Buffer | null): number {
  return (one?.length ?? 0) + (other?.length ?? 0);
}
