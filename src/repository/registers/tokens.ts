/**
 * Tokens of the HTTP API: each a chain of numbered objects, of which the greatest number counts. They hold no secret,
 * only the SHA-256 of one: the secret has 256 random bits, so a fast hash is enough.
 *
 * Invariant: a token that was revoked stays revoked. The objects of a chain are never deleted, and after the one that
 * revokes it nothing is put.
 */
import { createHash, randomBytes } from "node:crypto";
import * as v from "valibot";
import { damaged, ThinkbackError } from "../../errors.js";
import { checksum, flag, instant, oneOf, ordinal, text } from "../../format/fields.js";
import { jsonKind, type Stored } from "../../format/json-object.js";
import { parseTokenName, tokenPrefix, tokensPrefix } from "../../format/names.js";
import type { Instant } from "../../instant.js";
import { readsAtOnce, severalAtOnce } from "../../several-at-once.js";
import type { ObjectStore } from "../../storage/object-store.js";
import { putNumbered, readNumbered } from "./numbered.js";

/** What the holder of a token may do. docs/api.md says what each is for. */
export const roles = ["viewer", "operator", "approver", "admin"] as const;
export type Role = (typeof roles)[number];

/** The content of tokens/<id>-<number>.json. */
export const tokenKind = jsonKind("token", {
  number: ordinal,
  /** 8 hexadecimal digits. */
  id: text,
  /** How whoever uses it is called in the audit. */
  name: text,
  role: oneOf(roles),
  /** SHA-256 of the secret, as it stands in the token's text. */
  hash: checksum,
  createdAt: instant,
  /** From then on it is refused; absent if it counts until it is revoked. */
  expiresAt: v.exactOptional(instant),
  revoked: flag,
});
export type ApiToken = Stored<typeof tokenKind>;

/** Reads an object of a token. Throws, naming it, if it is missing or damaged. */
export async function readToken(store: ObjectStore, name: string): Promise<ApiToken> {
  const { id, number } = parseTokenName(name)!;
  const token = await readNumbered(store, tokenPrefix(id), number, tokenKind);
  if (token.id === id) return token;
  throw damaged(name, "its name and its content differ");
}

/** The name of the object that counts, by the id of its token. */
export async function listTokenNames(store: ObjectStore): Promise<Map<string, string>> {
  const newest = new Map<string, string>();
  // In the order of numbers.
  for await (const { name } of store.list(tokensPrefix)) {
    const named = parseTokenName(name);
    if (named) newest.set(named.id, name);
  }
  return newest;
}

/** All tokens, also those that do not count any more, the oldest first. */
export async function listTokens(store: ObjectStore): Promise<ApiToken[]> {
  const names = [...(await listTokenNames(store)).values()];
  const tokens: ApiToken[] = [];
  const reading = severalAtOnce(names, readsAtOnce, (name) => readToken(store, name));
  for await (const token of reading) tokens.push(token);
  return tokens.sort((a, b) => a.createdAt - b.createdAt);
}

/** True while requests with the token are answered. */
export const isInForce = ({ revoked, expiresAt }: ApiToken, now: Instant): boolean =>
  !revoked && (expiresAt === undefined || now < expiresAt);

export interface TokenRequest {
  name: string;
  role: Role;
  expiresAt: Instant | undefined;
}

/** Makes a token; resolves with it and with its text, which is stored nowhere. Throws if the name is not free. */
export async function createToken(
  store: ObjectStore,
  { name, role, expiresAt }: TokenRequest,
  now: Instant,
): Promise<{ token: ApiToken; text: string }> {
  checkTokenName(name);
  const same = (await listTokens(store)).find((one) => one.name === name && isInForce(one, now));
  if (same) {
    throw new ThinkbackError("usage", `there is a token ${name} already`, {
      hint: "take another name, so that the audit tells both apart; or revoke it first",
    });
  }
  const id = randomBytes(4).toString("hex");
  const secret = randomBytes(32).toString("base64url");
  const expires = expiresAt === undefined ? {} : { expiresAt };
  const made = { id, name, role, hash: hashOf(secret), createdAt: now, ...expires };
  const token: ApiToken = { number: 1, ...made, revoked: false };
  if (await putNumbered(store, tokenPrefix(id), tokenKind, token)) {
    return { token, text: tokenText(id, secret) };
  }
  throw new ThinkbackError("conflict", `the id ${id} is taken`, { hint: "run the command again" });
}

/** What is read has these fields besides, which every small object is given when it is put. */
type Envelope = ApiToken & Record<"thinkback" | "version" | "checksum", unknown>;

/** Revokes the token of this id, or the one of this name that counts. Throws if there is none. */
export async function revokeToken(
  store: ObjectStore,
  sought: string,
  now: Instant,
): Promise<ApiToken> {
  const tokens = await listTokens(store);
  const named = tokens.find((one) => one.name === sought && isInForce(one, now));
  const token = tokens.find(({ id }) => id === sought) ?? named;
  if (!token) {
    throw new ThinkbackError("unknown", `there is no token ${sought}`, {
      hint: "`thinkback token list` lists the tokens",
    });
  }
  if (token.revoked) return token;
  const { thinkback: _, version: __, checksum: ___, ...fields } = token as Envelope;
  const revoked: ApiToken = { ...fields, number: token.number + 1, revoked: true };
  // If the number is taken, another process has revoked the token: nothing else is put after the first.
  await putNumbered(store, tokenPrefix(token.id), tokenKind, revoked);
  return revoked;
}

/** Throws unless `name` is a valid name for a token. */
function checkTokenName(name: string): void {
  if (/^[a-z0-9][a-z0-9-]{0,99}$/.test(name)) return;
  throw new ThinkbackError("usage", `"${name}" is not a name for a token`, {
    hint: "give up to 100 small letters, digits and hyphens, such as grafana or anna",
  });
}

/** The prefix lets scanners for leaked secrets find it. */
export const tokenText = (id: string, secret: string) => `thinkback_${id}_${secret}`;

/** The id and the secret in the text of a token; undefined if it is not one. */
export function parseTokenText(given: string): { id: string; secret: string } | undefined {
  const match = /^thinkback_([0-9a-f]{8})_([A-Za-z0-9_-]{43})$/.exec(given);
  return match ? { id: match[1]!, secret: match[2]! } : undefined;
}

export const hashOf = (secret: string) => createHash("sha256").update(secret).digest("hex");
