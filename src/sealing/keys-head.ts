/**
 * The head of the chain of key sets: the newest one, by number and checksum. Nothing in a repository tells that it was
 * taken away, and a removed key back in force; who remembers the head elsewhere can tell.
 */
import { ThinkbackError } from "../errors.js";
import { decodeJsonObject } from "../format/json-object.js";
import { keysPrefix, numberedName } from "../format/names.js";
import { getIfThere, type ObjectStore } from "../storage/object-store.js";
import { keySetKind } from "./key-set.js";

/** A key set of the chain. */
export interface KeysHead {
  number: number;
  /** With which the object ends, hexadecimal. */
  checksum: string;
}

/** The key set of that number as a head; undefined if there is none. Throws, naming it, if it is damaged. */
export async function keysHeadOf(
  store: Pick<ObjectStore, "get">,
  number: number,
): Promise<KeysHead | undefined> {
  const name = numberedName(keysPrefix, number);
  const bytes = await getIfThere(store, name);
  if (!bytes) return undefined;
  const { checksum } = decodeJsonObject(bytes, name, keySetKind.type);
  return { number, checksum: String(checksum) };
}

/**
 * Throws, with code "damaged", unless the repository has this key set, and with it all before it.
 * @param store where key sets are stored; undefined if the repository is not sealed
 */
export async function expectKeys(
  store: Pick<ObjectStore, "get"> | undefined,
  head: KeysHead,
): Promise<void> {
  const found = store && (await keysHeadOf(store, head.number));
  if (found?.checksum === head.checksum) return;
  const why =
    (!store && "it is not sealed") ||
    (found && "another one is in its place") ||
    "it was taken away, or is on its way";
  throw new ThinkbackError(
    "damaged",
    `the repository does not have the key set that is expected, ${head.number}: ${why}`,
    {
      hint: "who may read and write is not what it was: put the key sets back from another copy of the repository; or leave keys/… out of --expect-head to take what is there",
    },
  );
}
