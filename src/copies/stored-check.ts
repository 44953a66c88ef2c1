import type { RepositoryDescription } from "../format/description.js";
import { keysPrefix, repositoryName } from "../format/names.js";
import { checkWholeObject } from "../format/whole-object.js";
import { checkSealed } from "../sealing/sealed-object.js";

/** Throws, naming it, unless the stored bytes of an object are those that its writer put under this name. */
export type StoredCheck = (name: string, bytes: Buffer) => void;

/**
 * The check of a repository's stored bytes, without any key. Plain objects are checked by the checksums they carry,
 * sealed ones by their digests and the signature of whatever key they name: who may sign is for a reader to say.
 */
export function storedCheck({ id, sealed }: RepositoryDescription): StoredCheck {
  if (!sealed) return checkWholeObject;
  const anybody = { trusts: () => true };
  return (name, bytes) => {
    const isClear = name === repositoryName || name.startsWith(keysPrefix);
    if (isClear) checkWholeObject(name, bytes);
    else checkSealed({ repository: id, name }, bytes, anybody);
  };
}
