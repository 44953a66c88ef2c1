/** The keys that a process was given, and the sealed store that they open. */
import { readFile } from "node:fs/promises";
import { Decrypter } from "age-encryption";
import { type Clock, systemClock } from "../clock.js";
import { messageOf, ThinkbackError } from "../errors.js";
import type { ObjectStore } from "../storage/object-store.js";
import { type Identity, identityOf } from "./identity.js";
import { type KeySet, trustedKeySet } from "./key-set.js";
import { KeysInForce } from "./keys-in-force.js";
import { SealedStore } from "./sealed-store.js";

export interface Keyring {
  identities: readonly Identity[];
  /** Verification keys, hexadecimal: key sets that they have signed count. */
  trusted: ReadonlySet<string>;
  /** Ids of the repositories that the key files name; if there are any, no other one is opened. */
  repositories: ReadonlySet<string>;
}

export const noKeys: Keyring = { identities: [], trusted: new Set(), repositories: new Set() };

let ofProcess = noKeys;

/** The keys that the process was given at its start. Like credentials, they hold for all repositories that it opens. */
export const keysOfProcess = (): Keyring => ofProcess;

export function setKeysOfProcess(keyring: Keyring): void {
  ofProcess = keyring;
}

/** Lines of a key file: the repositories that it is for, and the keys to trust. */
export function linesOf(
  named: Partial<Record<"repositories" | "trust", readonly string[]>>,
): string[] {
  const { repositories = [], trust = [] } = named;
  return [
    ...repositories.map((id) => `# repository: ${id}`),
    ...trust.map((verify) => `# trust: ${verify}`),
  ];
}

/**
 * Reads identity files. Each names its secret keys, the keys to trust after `# trust:`, and repositories that it is for
 * after `# repository:`. If nobody is named to trust, neither there nor by `trust`, the identities themselves are.
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
  const repositories = new Set<string>();
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
      const match = /^# (trust|repository): *(\S+) *$/.exec(line);
      if (match?.[1] === "trust") trusted.add(verifyKeyOf(match[2]!, file));
      else if (match) repositories.add(match[2]!);
    }
  }
  // A key that says whom to trust is not trusted itself: a writer's, for whom nobody else would be a reader.
  if (trusted.size === 0) for (const { public: own } of identities) trusted.add(own.verify);
  return { identities, trusted, repositories };
}

async function readIdentityFile(file: string, passphrase: string | undefined): Promise<string> {
  let bytes: Buffer;
  try {
    bytes = await readFile(file);
  } catch (error) {
    throw refused(file, messageOf(error));
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

/** Throws, with code "usage", if the key files name repositories, and not this one. */
export function refuseOtherRepository(
  { repositories }: Keyring,
  location: string,
  id: string,
): void {
  if (repositories.size === 0 || repositories.has(id)) return;
  throw new ThinkbackError(
    "usage",
    `the key files are for another repository than the one at ${location}, ${id}: for ${[...repositories].join(", ")}`,
    {
      hint: `check --repo and --identity. If both are right, somebody has put another repository there; if the keys are for both, add a line to the key file: ${linesOf({ repositories: [id] }).join()}`,
    },
  );
}

/** The store of a sealed repository, as far as the keys open it. Throws, with code "usage", if they are for others. */
export async function unseal(
  store: ObjectStore,
  repository: string,
  keyring: Keyring,
): Promise<{ store: ObjectStore; keys: KeySet }> {
  const { identities, trusted } = keyring;
  if (identities.length === 0) {
    throw new ThinkbackError("usage", `the repository at ${store.location} is sealed`, {
      hint: "give the identity file of a reader or of a writer: --identity FILE, or THINKBACK_IDENTITY",
    });
  }
  refuseOtherRepository(keyring, store.location, repository);
  const keys = await trustedKeySet(store, repository, trusted);
  return { store: sealedWith(store, keys, identities), keys };
}

/** The store of a repository with these keys, and with those of the sets that are made later. */
export function sealedWith(
  store: ObjectStore,
  keys: KeySet,
  identities: readonly Identity[],
  clock: Pick<Clock, "monotonicMs"> = systemClock,
): SealedStore {
  return new SealedStore(store, new KeysInForce(store, keys, identities, clock));
}
