/**
 * What is believed of several copies of a sealed repository: what a key has signed that counts, and key sets that
 * follow each other. The keys at hand decide, so that an object that somebody without a key has put into one copy does
 * not hide the sound one in another.
 */
import { isDamage } from "../errors.js";
import type { RepositoryDescription } from "../format/description.js";
import { keysPrefix, parseNumberedName } from "../format/names.js";
import {
  checkFollows,
  decodeKeySet,
  type KeySet,
  readKeySet,
  trustsOf,
} from "../sealing/key-set.js";
import { failureOf, type ObjectStore } from "../storage/object-store.js";
import { type StoredCheck, storedCheck } from "./stored-check.js";

/**
 * The check of a repository's stored bytes for who trusts the keys `trusted` (hexadecimal). Where nobody is trusted, or
 * no key set counts, it is that of who has no key.
 */
export async function trustedCheck(
  description: RepositoryDescription,
  copies: readonly ObjectStore[],
  trusted: ReadonlySet<string>,
): Promise<StoredCheck> {
  const { id, sealed } = description;
  const sets = sealed && trusted.size > 0 ? await setsIn(copies, id, trusted) : [];
  const newest = sets.at(-1);
  if (!newest) return storedCheck(description);
  const check = storedCheck(description, trustsOf(newest));
  return (name, bytes) => {
    check(name, bytes);
    const number = parseNumberedName(keysPrefix, name);
    // Of the set after the next one nothing is known yet.
    if (number === undefined || number > sets.length + 1) return;
    checkFollows(decodeKeySet(bytes, number), sets[number - 2], id, trusted);
  };
}

/** The key sets that count, in their order, each from the first copy that has it right. */
async function setsIn(
  copies: readonly ObjectStore[],
  repository: string,
  trusted: ReadonlySet<string>,
): Promise<KeySet[]> {
  const sets: KeySet[] = [];
  for (;;) {
    const next = await firstThat(copies, async (copy) => {
      const set = await readKeySet(copy, sets.length + 1);
      checkFollows(set, sets.at(-1), repository, trusted);
      return set;
    });
    if (!next) return sets;
    sets.push(next);
  }
}

/** What the first copy gives of which nothing is damaged, and which can be read; undefined if none does. */
async function firstThat<T>(
  copies: readonly ObjectStore[],
  ask: (copy: ObjectStore) => Promise<T>,
): Promise<T | undefined> {
  for (const copy of copies) {
    try {
      return await ask(copy);
    } catch (error) {
      if (!isDamage(error) && failureOf(error) === undefined) throw error;
    }
  }
  return undefined;
}
