/**
 * Checks the key sets of a sealed repository and the proofs of its keys, which lie in the clear: each set of the chain,
 * not only the newest, and that the readers at hand open what it has for them.
 */
import { damaged } from "../errors.js";
import { keysPrefix, numberedName, parseNumberedName } from "../format/names.js";
import { checkKeyProof, proofsPrefix } from "../sealing/key-proofs.js";
import { checkFollows, type KeySet, opensAs, readKeySet } from "../sealing/key-set.js";
import type { Keyring } from "../sealing/keyring.js";
import type { ObjectStore } from "../storage/object-store.js";
import type { Findings } from "./findings.js";

/**
 * Adds a finding for each key set and proof that does not count. Does nothing if the repository is not sealed.
 * @param repository its id
 * @param keyring the keys with which it was opened
 */
export async function checkKeyObjects(
  { sealing }: ObjectStore,
  repository: string,
  { identities, trusted }: Keyring,
  findings: Findings,
): Promise<void> {
  if (!sealing) return;
  const { below } = sealing;
  const names: string[] = [];
  for await (const { name } of below.list(keysPrefix)) names.push(name);
  const numbers = names.map((name) => parseNumberedName(keysPrefix, name) ?? 0);
  const sets = new Map<number, KeySet>();
  for (let number = 1; number <= Math.max(1, ...numbers); number += 1) {
    await findings.during(async () => {
      const set = await readKeySet(below, number);
      const before = sets.get(number - 1);
      // After one that does not count, nothing tells who may sign the next: what is wrong is named already.
      if (number > 1 && !before) return;
      checkFollows(set, before, repository, trusted);
      sets.set(number, set);
      for (const identity of identities) {
        const { recipient } = identity.public;
        const key = set.keys.find((one) => one.recipient === recipient);
        if (!key || opensAs(key.role, set, identity)) continue;
        throw damaged(
          numberedName(keysPrefix, number),
          `${key.name} does not open what it has for a ${key.role}`,
        );
      }
    });
  }
  for (const name of names.filter((one) => one.startsWith(proofsPrefix))) {
    await findings.during(() => checkKeyProof(below, name, repository, sets));
  }
}
