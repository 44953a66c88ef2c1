import type { RepositoryDescription } from "../format/description.js";
import { keysPrefix, repositoryName } from "../format/names.js";
import { checkWholeObject } from "../format/whole-object.js";
import { checkSealed } from "../sealing/sealed-object.js";

/** Throws, naming it, unless the stored bytes of an object are those that its writer put under this name. */
export type StoredCheck = (name: string, bytes: Buffer) => void;

/**
 * The check of a repository's stored bytes. Plain objects are checked by the checksums they carry, sealed ones by their
 * digests and the signature.
 * @param trusts whose signatures count; without it that of whatever key an object names, because who may sign is for a
 * reader to say
 */
export function storedCheck(
  { id, sealed }: RepositoryDescription,
  trusts: (verify: string, name: string) => boolean = () => true,
): StoredCheck {
  if (!sealed) return checkWholeObject;
  return (name, bytes) => {
    const isClear = name === repositoryName || name.startsWith(keysPrefix);
    if (isClear) checkWholeObject(name, bytes);
    else checkSealed({ repository: id, name }, bytes, { trusts });
  };
}
