/** Key files: made, read, and given on the command line. */
import { open, readFile } from "node:fs/promises";
import { Encrypter, generateX25519Identity } from "age-encryption";
import { passphraseVariable } from "../configuration/settings.js";
import { messageOf, ThinkbackError } from "../errors.js";
import { formatInstant, type Instant } from "../instant.js";
import { type Identity, identityOf, type PublicKey, recipientOf } from "../sealing/identity.js";
import { linesOf, readKeyring } from "../sealing/keyring.js";

/** A key as an option names it: by its file, or by its public text. */
export interface GivenKey {
  name: string;
  public: Pick<PublicKey, "recipient"> & Partial<PublicKey>;
  /** Known if it was given by its file. */
  identity: Identity | undefined;
}

/**
 * Makes a key in a new file that only its owner may read.
 * @param named what the file names beside the key, see `linesOf`
 * @param passphrase protects it; then the file is an age file
 */
export async function makeKeyFile(
  file: string,
  now: Instant,
  named: Parameters<typeof linesOf>[0],
  passphrase?: string,
): Promise<Identity> {
  const secret = await generateX25519Identity();
  const identity = identityOf(secret);
  const text = [
    `# A key of Thinkback, made ${formatInstant(now)}. It is an age identity; keep it secret.`,
    `# public: ${publicText(identity.public)}`,
    ...linesOf(named),
    secret,
    "",
  ].join("\n");
  try {
    const written = await open(file, "wx", 0o600);
    try {
      await written.writeFile(
        passphrase === undefined ? text : await protectedBy(passphrase, text),
      );
      await written.sync();
    } finally {
      await written.close();
    }
  } catch (error) {
    throw new ThinkbackError("usage", `cannot make the key file ${file}: ${messageOf(error)}`, {
      hint: "give a file that does not exist, in a directory that does",
      cause: error,
    });
  }
  return identity;
}

async function protectedBy(passphrase: string, text: string): Promise<Uint8Array> {
  const encrypter = new Encrypter();
  encrypter.setPassphrase(passphrase);
  return encrypter.encrypt(text);
}

/** What others need to know of a key, as one word. */
export const publicText = ({ recipient, verify }: GivenKey["public"]) =>
  verify === undefined ? recipient : `${recipient}:${verify}`;

/** Reads NAME=KEY, where KEY is a key file, or the public text of a key. */
export async function givenKey(option: string, text: string): Promise<GivenKey> {
  const match = /^([a-z0-9][a-z0-9-]{0,39})=(.+)$/.exec(text);
  if (!match) {
    throw new ThinkbackError("usage", `${option} ${text} is not NAME=KEY`, {
      hint: "give a name of small letters, digits and hyphens, and a key file or age1…, such as ops=ops.key",
    });
  }
  const [, name, key] = match as unknown as [string, string, string];
  const known = /^(age1[0-9a-z]+)(?::([0-9a-f]{64}))?$/.exec(key);
  if (!known) {
    const [identity, more] = (await readKeyring([key], [], process.env[passphraseVariable]))
      .identities;
    if (!identity || more) {
      throw new ThinkbackError("usage", `${option}: ${key} holds more than one key`, {
        hint: "give a file with one key",
      });
    }
    return { name, public: identity.public, identity };
  }
  const [, recipient, verify] = known as unknown as [string, string, string | undefined];
  try {
    recipientOf(recipient);
  } catch {
    throw new ThinkbackError("usage", `${option}: ${recipient} is not a public key`, {
      hint: "copy it again: a character of it is wrong, or missing",
    });
  }
  return { name, public: { recipient, ...(verify ? { verify } : {}) }, identity: undefined };
}

/**
 * Writes into a key file what it does not name yet, see `linesOf`. A file that names no repository is for all of them,
 * and stays so.
 */
export async function addNames(file: string, named: Parameters<typeof linesOf>[0]): Promise<void> {
  const before = await readFile(file, "utf8");
  // Nothing can be added to a file that a passphrase protects: --trust says it then.
  if (before.startsWith("age-encryption.org/")) return;
  const { repositories = [], trust = [] } = named;
  const isForSome = /^# repository:/m.test(before);
  const lines = linesOf({ repositories: isForSome ? repositories : [], trust });
  const missing = lines.filter((one) => !before.includes(one));
  if (missing.length === 0) return;
  const appending = await open(file, "a", 0o600);
  try {
    if (!before.endsWith("\n")) await appending.writeFile("\n");
    await appending.writeFile(missing.map((one) => `${one}\n`).join(""));
    await appending.sync();
  } finally {
    await appending.close();
  }
}
