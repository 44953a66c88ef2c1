/**
 * Hand-overs of the log from one writer to the next, without a gap.
 *
 *   next writer                      writer of the epoch
 *   opens its feeds, keeps what comes
 *   puts its wish           ──────▶  finds it when it next looks
 *                           ◀──────  puts its answer: an instant of the log, `since`
 *                                    proves everything once more, closes the log, ends
 *   claims the next epoch, and appends what its feeds have delivered
 *
 * Invariant: a table goes on without a gap only if its last proof is after `since`. Then the proof began when the next
 * writer's feed was open: the log has everything acknowledged until the proof, and the feed everything after it.
 * Whatever else fails on the way, the table has a gap and is resynced.
 */
import { damaged, isDamage } from "../../errors.js";
import { count, instant, ordinal, text } from "../../format/fields.js";
import { encodeStored, jsonKind, readStored, type Stored } from "../../format/json-object.js";
import { answerName, handoverPrefix, parseHandoverName, wishName } from "../../format/names.js";
import type { Instant } from "../../instant.js";
import { type ObjectStore, putOnce } from "../../storage/object-store.js";

/** The content of handovers/<epoch>-<unique>.wish.json: a process wants to go on after the writer of the epoch. */
export const wishKind = jsonKind("wish", {
  epoch: ordinal,
  unique: text,
  /** When the feeds of the process were open, by its own clock. */
  asked: instant,
  host: text,
  process: count,
});
export type Wish = Stored<typeof wishKind>;

/** The content of handovers/<epoch>-<unique>.answer.json: the writer of the epoch is about to end its log. */
export const answerKind = jsonKind("answer", {
  epoch: ordinal,
  unique: text,
  /** An instant of the log. What is proven after it was proven after the wish was there. */
  since: instant,
});

export async function putWish(store: ObjectStore, wish: Wish): Promise<void> {
  await putOnce(store, wishName(wish.epoch, wish.unique), encodeStored(wishKind, wish));
}

/** The first wish to go on after the writer of `epoch`; one that cannot be read is passed over. */
export async function firstWish(store: ObjectStore, epoch: number): Promise<Wish | undefined> {
  for await (const { name } of store.list(handoverPrefix(epoch))) {
    if (parseHandoverName(name)?.kind !== "wish") continue;
    try {
      return await readWish(store, name);
    } catch (error) {
      // It may have been withdrawn after it was listed.
      if (!isDamage(error)) throw error;
    }
  }
  return undefined;
}

/** Nobody wants to go on any more. */
export async function withdrawWish(store: ObjectStore, wish: Wish): Promise<void> {
  await store.delete(wishName(wish.epoch, wish.unique));
}

/** True if the writer of `epoch` has answered a wish, and so ends for another process. */
export async function isHandedOver(store: ObjectStore, epoch: number): Promise<boolean> {
  for await (const { name } of store.list(handoverPrefix(epoch))) {
    if (parseHandoverName(name)?.kind === "answer") return true;
  }
  return false;
}

export function answerOf({ epoch, unique }: Wish, since: Instant): Buffer {
  return encodeStored(answerKind, { epoch, unique, since });
}

/** Puts an answer; again, if the reply to an earlier put of the same was lost. */
export async function putAnswer(
  store: ObjectStore,
  { epoch, unique }: Wish,
  answer: Buffer,
): Promise<void> {
  await putOnce(store, answerName(epoch, unique), answer);
}

/** The instant that the answer to a wish names; undefined if there is none yet. */
export async function answerTo(
  store: ObjectStore,
  { epoch, unique }: Pick<Wish, "epoch" | "unique">,
): Promise<Instant | undefined> {
  const name = answerName(epoch, unique);
  if ((await store.size(name)) === undefined) return undefined;
  return (await readAnswer(store, name)).since;
}

export async function readWish(store: ObjectStore, name: string): Promise<Wish> {
  return checkName(name, await readStored(store, name, wishKind));
}

export async function readAnswer(
  store: ObjectStore,
  name: string,
): Promise<Stored<typeof answerKind>> {
  return checkName(name, await readStored(store, name, answerKind));
}

function checkName<T extends { epoch: number; unique: string }>(name: string, found: T): T {
  const named = parseHandoverName(name);
  if (found.epoch === named?.epoch && found.unique === named.unique) return found;
  throw damaged(name, "its name and its content differ");
}
