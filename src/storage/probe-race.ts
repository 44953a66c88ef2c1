/** One round of the race of a probe: many callers create one object at once. */
import { failureOf, type ObjectStore } from "./object-store.js";

/** What is wrong with the outcome of a round, if anything; or why it is open and proves nothing. */
export type Outcome = { wrong: string | undefined } | { open: unknown };

/**
 * @param round its number, for messages and bytes
 * @param stores one for each caller; the first also reads the object
 */
export async function raceFor(
  name: string,
  round: number,
  stores: readonly ObjectStore[],
): Promise<Outcome> {
  const bytesOf = (i: number) => Buffer.from(`racer ${i} of round ${round}\n`);
  const ended = await Promise.allSettled(stores.map((store, i) => store.put(name, bytesOf(i))));
  const lost = ended.flatMap((one) => (one.status === "rejected" ? [one.reason as unknown] : []));
  const failed = lost.filter((error) => failureOf(error) !== "exists");
  const other = failed.find((error) => failureOf(error) !== "unavailable");
  if (other !== undefined) throw other;
  const [putOff] = failed;
  const winners = ended.flatMap((one, i) => (one.status === "fulfilled" ? [i] : []));
  if (winners.length > 1 || (winners.length === 0 && putOff === undefined)) {
    const text = `${winners.length} of ${stores.length} callers created the same object`;
    return { wrong: `in round ${round} ${text}` };
  }
  if (putOff !== undefined) return { open: putOff };
  const kept = await stores[0]!.get(name);
  if (kept.equals(bytesOf(winners[0]!))) return { wrong: undefined };
  return {
    wrong: `in round ${round} the bytes of another caller than the one that succeeded are stored`,
  };
}
