/** What a process has sent to stores: how many requests of each kind, and how many bytes. */

/** Requests by the kinds that stores charge differently. Each try counts, also one that failed. */
export interface Requests {
  puts: number;
  gets: number;
  /** Requests for the size or the time of an object. */
  heads: number;
  /** Pages of listings. */
  lists: number;
  deletes: number;
}

/**
 * Is told of each request when it is answered: how long that took, and whether the store failed. That an object is
 * missing, or is there already, is an answer like any other.
 */
export type RequestListener = (kind: keyof Requests, ms: number, failed: boolean) => void;

/** Requests, and the bytes of objects that they carried. */
export interface StoreUse extends Requests {
  bytesUp: number;
  bytesDown: number;
}

export const noUse: Readonly<StoreUse> = {
  puts: 0,
  gets: 0,
  heads: 0,
  lists: 0,
  deletes: 0,
  bytesUp: 0,
  bytesDown: 0,
};

const keys = Object.keys(noUse) as (keyof StoreUse)[];

function combined(a: StoreUse, b: StoreUse, combine: (x: number, y: number) => number): StoreUse {
  return Object.fromEntries(
    keys.map((key) => [key, combine(a[key], b[key])]),
  ) as unknown as StoreUse;
}

export const addUse = (a: StoreUse, b: StoreUse) => combined(a, b, (x, y) => x + y);

/** What was used since an earlier count. */
export const useSince = (now: StoreUse, before: StoreUse) => combined(now, before, (x, y) => x - y);

/** Adds what was used elsewhere. */
export function addInto(sum: StoreUse, more: StoreUse): void {
  Object.assign(sum, addUse(sum, more));
}
