/**
 * The tag of a table that is being restored: a write hook that refuses every write but a restore's own. So nothing is
 * written to a half-filled table, nobody takes it for a whole one, and a restore that was ended knows its own tables.
 * It lies on the target, because a repository may be read-only, and needs no grant that a restore does not need.
 *
 * Invariant: a table has its tag from the moment it is made until it is whole, but for the moment until the tag keeper
 * puts it back. The last table of a plan names the ids of all others, and of those that are whole, and loses its tag
 * last of all: so of a table without a tag it is known whether this restore made it, and whether it is whole.
 */
import type { TableConfig } from "../catalog-record.js";
import { ThinkbackError } from "../errors.js";
import type { Instant } from "../instant.js";
import { hookText, ownMark } from "../own-hook.js";
import type { Target } from "../rethinkdb/target.js";
import type { RestorePlan } from "./plan.js";

/** What was asked for: equal for equal requests of one repository. */
export interface RestoreIdentity {
  /** A digest of everything but the instant. */
  restore: string;
  /** The instant as it was given, such as "10 minutes ago"; null if none was. */
  asked: string | null;
}

export interface Tag extends RestoreIdentity {
  at: Instant;
  /** In the tag of a plan's last table: the ids of all others. */
  others?: string[];
  /** In the tag of a plan's last table: the ids of those that are whole. */
  whole?: string[];
}

const mark = `${ownMark}:`;
const tagPattern = /\[thinkback:([A-Za-z0-9_-]+)\]/;

/** What a server answers to a write to the table. */
export function refusalOf(tag: Tag): string {
  const token = Buffer.from(JSON.stringify(tag)).toString("base64url");
  return `this table is being restored, and is not whole; give the command of its restore again. ${mark}${token}]`;
}

/** The tag that a write hook is; undefined for any other hook. */
export function tagOf(hook: TableConfig["write_hook"] | undefined): Tag | undefined {
  const token = tagPattern.exec(hookText(hook) ?? "")?.[1];
  if (token === undefined) return undefined;
  return JSON.parse(Buffer.from(token, "base64url").toString()) as Tag;
}

/** What the target has of a restore that was ended before. */
export interface Begun {
  identity: RestoreIdentity;
  /** The ids of its tables, by "db.table"; some of them may be whole. */
  made: Map<string, string>;
  /** "db.table" each. */
  whole: Set<string>;
}

/** The instant of a restore of the same request that was ended before; undefined if the target has none. */
export async function begunAt(
  target: Target,
  { restore, asked }: RestoreIdentity,
  at: Instant,
): Promise<Instant | undefined> {
  const tags = (await target.tables()).map((table) => tagOf(table.write_hook));
  const own = tags.filter((tag) => tag?.restore === restore);
  const instants = own
    .filter((tag) => tag!.at === at || tag!.asked === asked)
    .map((tag) => tag!.at);
  return instants.length === 0 ? undefined : Math.max(...instants);
}

/**
 * What the target has of this restore. Throws, before anything is written, if a table that the plan would make exists
 * and is not the restore's own.
 */
export async function begunOf(
  plan: RestorePlan,
  target: Target,
  identity: RestoreIdentity,
): Promise<Begun> {
  const present = new Map((await target.tables()).map((table) => [nameOf(table), table]));
  const begun: Begun = { identity, made: new Map(), whole: new Set() };
  const isOwn = (tag: Tag | undefined) =>
    tag !== undefined && tag.restore === identity.restore && tag.at === plan.instant;
  const names = plan.tables.map(({ to }) => nameOf(to));
  const lastTag = tagOf(present.get(names.at(-1) ?? "")?.write_hook);
  const others = new Set(isOwn(lastTag) ? lastTag!.others : []);
  const whole = new Set(isOwn(lastTag) ? lastTag!.whole : []);
  const taken: TableConfig[] = [];
  for (const name of names) {
    const table = present.get(name);
    if (!table) continue;
    const tag = tagOf(table.write_hook);
    if (!isOwn(tag) && (tag || !others.has(table.id))) taken.push(table);
    begun.made.set(name, table.id);
    if (!tag && whole.has(table.id)) begun.whole.add(name);
  }
  if (taken.length > 0) throw takenError(taken);
  return begun;
}

/** The last table of a plan, which loses its tag when all others are whole; undefined if the plan has no table. */
export function lastTable(plan: RestorePlan, { made }: Begun): LastTable | undefined {
  const name = plan.tables.map(({ to }) => nameOf(to)).at(-1);
  const id = made.get(name ?? "");
  return name === undefined || id === undefined ? undefined : { name, id };
}

export interface LastTable {
  /** "db.table" */
  name: string;
  id: string;
}

/**
 * True if a restore came to its end: the last table that it has made has lost its tag. It may have been renamed since.
 * @param last what the restore has told before it took that tag away
 */
export async function isRestored(target: Target, last: Partial<LastTable> = {}): Promise<boolean> {
  const tables = last.id === undefined ? [] : await target.tables();
  const made = tables.find(({ id }) => id === last.id);
  return made !== undefined && tagOf(made.write_hook) === undefined;
}

/** @param taken tables that stand where others should be restored */
export function takenError(taken: readonly TableConfig[]): ThinkbackError {
  const halfFilled = taken.filter(({ write_hook: hook }) => tagOf(hook)).map(nameOf);
  const names = taken.map(nameOf).join(", ");
  return new ThinkbackError("target", `the target has ${names} already`, {
    hint:
      halfFilled.length > 0
        ? `${halfFilled.join(", ")}: half-filled by another restore, which goes on when its command is given again`
        : "--beside, or --rename old.table=new.table, puts what is restored under another name, and `thinkback promote` swaps the two; `thinkback rewind` and `thinkback undo` change the table itself, and write only what differs",
  });
}

const nameOf = ({ db, name }: { db: string; name: string }) => `${db}.${name}`;
