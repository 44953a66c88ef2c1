import { systemClock } from "../clock.js";
import { formatInstant } from "../instant.js";
import { AuditWriter } from "../repository/records/audit.js";
import {
  type ApiToken,
  createToken,
  isInForce,
  listTokens,
  type Role,
  revokeToken,
} from "../repository/registers/tokens.js";
import { openRepository } from "../repository/repository.js";
import type { ObjectStore } from "../storage/object-store.js";
import { storeAt } from "../storage/store-at.js";
import { durationOption } from "./maintenance-options.js";
import { formatOptionalInstant, formatTable, isoOrNull, type Output } from "./output.js";
import { userName } from "./user-name.js";

export interface CreateTokenArguments {
  repo: string;
  role: Role;
  expires?: string;
}

/** At least a minute; longer than a hundred years is never. */
const expiresMs = { min: 60_000, max: 100 * 366 * 86_400_000 };

export async function createTokenCommand(
  name: string,
  { repo, role, expires }: CreateTokenArguments,
  output: Output,
): Promise<void> {
  const lastsMs =
    expires === undefined
      ? undefined
      : durationOption("--expires", expires, expiresMs.min, expiresMs.max);
  const { store } = await openRepository(storeAt(repo));
  const now = systemClock.now();
  const expiresAt = lastsMs === undefined ? undefined : now + lastsMs;
  const { token, text } = await createToken(store, { name, role, expiresAt }, now);
  await noteInAudit(store, "token create", token);
  output.line(text);
  output.note("thinkback: this is shown once, and stored nowhere: keep it as you keep a password");
  output.result({ ...tokenResult(token, now), token: text });
}

export async function listTokensCommand(args: { repo: string }, output: Output): Promise<void> {
  const { store } = await openRepository(storeAt(args.repo));
  const now = systemClock.now();
  const tokens = await listTokens(store);
  const rows = tokens.map((token) => [
    token.id,
    token.name,
    token.role,
    stateOf(token, now),
    formatInstant(token.createdAt),
    formatOptionalInstant(token.expiresAt),
  ]);
  const head = ["id", "name", "role", "state", "created", "expires"];
  output.line(rows.length === 0 ? "no tokens" : formatTable(head, rows));
  output.result({ tokens: tokens.map((token) => tokenResult(token, now)) });
}

export async function revokeTokenCommand(
  sought: string,
  args: { repo: string },
  output: Output,
): Promise<void> {
  const { store } = await openRepository(storeAt(args.repo));
  const now = systemClock.now();
  const token = await revokeToken(store, sought, now);
  await noteInAudit(store, "token revoke", token);
  output.line(`revoked ${token.name} (${token.id}); it is refused within seconds`);
  output.result(tokenResult(token, now));
}

function stateOf(token: ApiToken, now: number): "in force" | "revoked" | "expired" {
  if (isInForce(token, now)) return "in force";
  return token.revoked ? "revoked" : "expired";
}

function tokenResult(token: ApiToken, now: number): object {
  const { id, name, role, createdAt, expiresAt } = token;
  const times = { createdAt: formatInstant(createdAt), expiresAt: isoOrNull(expiresAt) };
  return { id, name, role, state: stateOf(token, now), ...times };
}

async function noteInAudit(store: ObjectStore, what: string, { id, name }: ApiToken) {
  const actor = { name: userName(), via: "cli" as const };
  const entry = { actor, what, over: { id, name }, outcome: "done", address: "" };
  await new AuditWriter(store, systemClock).write(entry);
}
