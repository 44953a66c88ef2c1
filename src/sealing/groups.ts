/**
 * The groups that objects are sealed for: the readers, who open documents; and everybody, readers and writers, who
 * open the rest. A key set has all identities that a group has had, encrypted for the members. So a key that is added
 * opens what was written before. docs/format.md §16.1.
 *
 * Invariant: a group has a new identity from when a member leaves it. Break it and a removed key reads on.
 */
import { messageOf } from "../errors.js";
import { fields, type Of, text } from "../format/fields.js";
import { AgeError, type AgeIdentity, ageFile, openAgeFile } from "./age.js";
import { type Identity, identityOf, newSecret, recipientOf } from "./identity.js";

const group = fields({
  /** `age1…` of its newest identity: what is written now is sealed for it. */
  recipient: text,
  /** An age file for the members, base64: its identities, a line each, the newest first. */
  identities: text,
});
export type Group = Of<typeof group>;

export const groupsField = fields({ readers: group, everybody: group });

export type GroupName = "readers" | "everybody";
/** Something of each group. */
export type OfGroups<T> = Record<GroupName, T>;

/** An identity of a group, with its text `AGE-SECRET-KEY-1…`. */
export interface GroupIdentity extends AgeIdentity {
  text: string;
}

/**
 * A group of the keys with these recipients.
 * @param before the group as it was: its members, and its identities, the newest first, which it keeps
 */
export function makeGroup(
  members: readonly string[],
  before?: { members: readonly string[]; identities: readonly GroupIdentity[] },
): Group {
  const known = before?.identities.map(({ text: secret }) => secret) ?? [];
  const isLeft = before?.members.some((one) => !members.includes(one)) ?? true;
  const secrets = isLeft ? [newSecret(), ...known] : known;
  const content = Buffer.from(secrets.map((secret) => `${secret}\n`).join(""));
  return {
    recipient: identityOf(secrets[0]!).public.recipient,
    identities: ageFile(members.map(recipientOf), content).toString("base64"),
  };
}

/**
 * The identities of a group, the newest first; undefined if none of `own` opens them.
 * @throws AgeError if they are altered, or the newest is not the one that the group is sealed for
 */
export function identitiesIn(of: Group, own: readonly AgeIdentity[]): GroupIdentity[] | undefined {
  const content = openAgeFile(Buffer.from(of.identities, "base64"), own);
  if (!content) return undefined;
  const secrets = content.toString().split("\n").slice(0, -1);
  const identities = secrets.map((secret) => ({ ...parsed(secret), text: secret }));
  if (identities[0]?.public.recipient === of.recipient) return identities;
  throw new AgeError("the newest identity is not the one of the recipient");
}

function parsed(secret: string): Identity {
  try {
    return identityOf(secret);
  } catch (error) {
    throw new AgeError(`a line is ${messageOf(error)}`);
  }
}
