/**
 * Who captures which lane. Every process computes it by itself from what the members say; nothing depends on all of
 * them coming to the same result, because epoch claims decide.
 */

/** A process and the lanes that it says it has. */
export interface Holder {
  unique: string;
  lanes: readonly number[];
  /** Members in whose place it goes on. */
  replaces: readonly string[];
}

export interface Turn {
  /** Lanes that nobody has, to be taken by this process. */
  free: number[];
  /** Lanes that others have too many of, to be asked for. */
  asked: number[];
}

/**
 * What this process is to take next. Lanes are shared evenly; those who have more keep one more, if they do not come
 * out even. A process that is replaced gives all of its lanes away.
 * @param lanes all lanes that are to be captured
 */
export function nextTurn(own: Holder, others: readonly Holder[], lanes: readonly number[]): Turn {
  const all = [own, ...others].map((one) => ({
    ...one,
    lanes: one.lanes.filter((lane) => lanes.includes(lane)),
  }));
  const quotas = quotasOf(all, lanes.length);
  const owners = new Map<number, number>();
  for (const lane of all.flatMap((one) => one.lanes)) {
    owners.set(lane, (owners.get(lane) ?? 0) + 1);
  }
  const lacking = all
    .filter((one) => one.lanes.length < quotas.get(one.unique)!)
    .map(({ unique }) => unique)
    .sort();
  const wants = quotas.get(own.unique)! - all[0]!.lanes.length;
  if (wants <= 0) return { free: [], asked: [] };
  // Processes that lack lanes at the same time begin at different ones.
  const place = lacking.indexOf(own.unique);
  const free = rotated(
    lanes.filter((lane) => !owners.has(lane)),
    place,
  ).slice(0, wants);
  const surplus = all.slice(1).flatMap(({ unique, lanes: held }) => {
    // One that somebody asks for already is named by both.
    const sole = held.filter((lane) => owners.get(lane) === 1);
    return sole.slice(Math.min(sole.length, quotas.get(unique)!));
  });
  return { free, asked: rotated(surplus, place).slice(0, wants - free.length) };
}

/** How many lanes each process is to have. */
function quotasOf(all: readonly Holder[], lanes: number): Map<string, number> {
  const replaced = new Set(all.flatMap(({ replaces }) => replaces));
  const staying = all
    .filter(({ unique }) => !replaced.has(unique))
    .toSorted((a, b) => b.lanes.length - a.lanes.length || (a.unique < b.unique ? -1 : 1));
  const quotas = new Map(all.map(({ unique }) => [unique, 0]));
  for (const [i, { unique }] of staying.entries()) {
    const more = i < lanes % staying.length ? 1 : 0;
    quotas.set(unique, Math.floor(lanes / staying.length) + more);
  }
  return quotas;
}

function rotated<T>(list: T[], by: number): T[] {
  const at = list.length === 0 ? 0 : Math.max(0, by) % list.length;
  return [...list.slice(at), ...list.slice(0, at)];
}
