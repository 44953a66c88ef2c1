/** The keys that a process was given, and the sealed store that they open. */
import { readFile } from "node:fs/promises";
import { Decrypter } from "age-encryption";
import { messageOf, ThinkbackError } from "../errors.js";
import type { ObjectStore } from "../storage/object-store.js";
import { type Identity, identityOf, recipientOf } from "./identity.js";
import { type KeySet, mayWrite, trustedKeySet, trustsOf } from "./key-set.js";
import { SealedStore } from "./sealed-store.js";

export interface Keyring {
  identities: readonly Identity[];
  /** Verification keys, hexadecimal: key sets that they have signed count. */
  trusted: ReadonlySet<string>;
}

let ofProcess: Keyring = { identities: [], trusted: new Set() };

/** The keys that the process was given at its start. Like credentials, they hold for all repositories that it opens. */
export const keysOfProcess = (): Keyring => ofProcess;

export function setKeysOfProcess(keyring: Keyring): void {
  ofProcess = keyring;
}

/**
 * Reads identity files. Each names its secret keys, and the keys to trust after `# trust:`. If nobody is named, neither
 * there nor by `trust`, the identities themselves are trusted.
 * @param texts what further such files hold
 */
export async function readKeyring(
  files: readonly string[],
  trust: readonly string[] = [],
  passphrase?: string,
  texts: readonly string[] = [],
): Promise<Keyring> {
  const identities: Identity[] = [];
  const trusted = new Set(trust.map((text) => verifyKeyOf(text, "--trust")));
  const given = texts.map((text) => ({ file: "that was given as text", text }));
  for (const file of files) given.push({ file, text: await readIdentityFile(file, passphrase) });
  for (const { file, text } of given) {
    const lines = text.split(/\r?\n/);
    const secrets = lines.filter((line) => line.trim() !== "" && !line.startsWith("#"));
    if (secrets.length === 0) throw refused(file, "it holds no secret key");
    for (const line of secrets) {
      try {
        identities.push(identityOf(line.trim()));
      } catch (error) {
        throw refused(file, `a line of it is ${messageOf(error)}`);
      }
    }
    for (const line of lines) {
      const match = /^# trust: *(\S+) *$/.exec(line);
      if (match) trusted.add(verifyKeyOf(match[1]!, file));
    }
  }
  // A key that says whom to trust is not trusted itself: a writer's, for whom nobody else would be a reader.
  if (trusted.size === 0) for (const { public: own } of identities) trusted.add(own.verify);
  return { identities, trusted };
}

async function readIdentityFile(file: string, passphrase: string | undefined): Promise<string> {
  let bytes: Buffer;
  try {
    bytes = await readFile(file);
  } catch (error) {
    throw refused(file, messageOf(error), "check its path, and that this user may read it");
  }
  if (!bytes.subarray(0, 21).equals(Buffer.from("age-encryption.org/v1"))) return String(bytes);
  if (passphrase === undefined) {
    throw refused(
      file,
      "it is protected by a passphrase",
      "set THINKBACK_PASSPHRASE, or decrypt the file first: age -d",
    );
  }
  const decrypter = new Decrypter();
  decrypter.addPassphrase(passphrase);
  try {
    return await decrypter.decrypt(bytes, "text");
  } catch {
    throw refused(file, "its passphrase is another one");
  }
}

function verifyKeyOf(text: string, where: string): string {
  if (/^[0-9a-f]{64}$/.test(text)) return text;
  throw refused(where, "it holds a verification key that is not 64 hexadecimal digits");
}

function refused(
  file: string,
  why: string,
  hint = "give a file as `thinkback key new` or age-keygen makes it",
): ThinkbackError {
  return new ThinkbackError("usage", `the identity file ${file} cannot be used: ${why}`, { hint });
}

/** The store of a sealed repository, as far as the keys open it. */
export async function unseal(
  store: ObjectStore,
  repository: string,
  { identities, trusted }: Keyring,
): Promise<{ store: ObjectStore; keys: KeySet }> {
  if (identities.length === 0) {
    throw new ThinkbackError("usage", `the repository at ${store.location} is sealed`, {
      hint: "give the identity file of a reader or of a writer: --identity FILE, or THINKBACK_IDENTITY",
    });
  }
  const keys = await trustedKeySet(store, repository, trusted);
  return { store: sealedWith(store, keys, identities), keys };
}

/** The store of a repository with these keys. */
export function sealedWith(
  store: ObjectStore,
  keys: KeySet,
  identities: readonly Identity[],
): SealedStore {
  const ownRole = (identity: Identity) =>
    keys.keys.find(({ recipient }) => recipient === identity.public.recipient)?.role;
  const recipients = (isWanted: (role: string) => boolean) =>
    keys.keys.filter(({ role }) => isWanted(role)).map(({ recipient }) => recipientOf(recipient));
  return new SealedStore(store, {
    repository: keys.repository,
    readers: {
      documents: recipients((role) => role === "reader"),
      structure: recipients(() => true),
    },
    identities,
    trusts: trustsOf(keys),
    signerOf: (name) =>
      identities.find(({ public: { verify } }) =>
        keys.keys.some((key) => key.verify === verify && mayWrite(key.role, name)),
      ),
    readsDocuments: identities.some((identity) => ownRole(identity) === "reader"),
  });
}
