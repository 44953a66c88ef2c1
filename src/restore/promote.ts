/**
 * Swaps a restored table with the live one, by their names.
 *
 * A server renames one table at a time. Between the two renames the live name names no table, and a query of it fails;
 * nothing is written anywhere then. Invariant: from the names alone it shows how far a swap has come, so that whoever
 * begins it again goes on where it was. So grants are carried over first, then the live table gives its name away, then
 * the other one takes it. Break the order and a swap that was killed leaves a table without grants under the live name.
 */
import type { TableConfig } from "../catalog-record.js";
import type { Clock } from "../clock.js";
import { ThinkbackError } from "../errors.js";
import type { TableName, Target } from "../rethinkdb/target.js";
import { lackingOf, liveNameOf, wasLive } from "./beside.js";
import { compareSettings } from "./comparison.js";
import { tagOf } from "./tag.js";

export interface Swap {
  /** The name that both tables share, one after the other. */
  live: TableName;
  /** The name of the table that takes it. */
  next: string;
}

export interface SwapPlan extends Swap {
  promoted: TableConfig;
  /** The table that is live now. Undefined if a swap was ended between its renames, or the live table was dropped. */
  replaced: TableConfig | undefined;
  /** Users whose grants on the live table are carried over. */
  grants: string[];
  /** What the promoted table has otherwise than the live one, one sentence each. */
  differences: string[];
  /** How many documents the tables have; null for a live table that is not there. */
  documents: { promoted: number; live: number | null };
  /** Why the table should not take the live one's place; undefined if nothing speaks against it. */
  lacking: string | undefined;
  /** Other tables whose names say that they stand beside the live one, "db.table" each. */
  beside: string[];
}

export interface Swapped {
  live: string;
  /** The name that the promoted table had before. */
  promoted: string;
  /** Where the table is that was live until now; undefined if there was none. */
  kept: string | undefined;
  /** How long the live name named no table; 0 if it named none before. */
  goneMs: number;
}

/** So often, and with so long between, the second rename is tried: nobody should stay between the two. */
const triesMax = 5;
const betweenTriesMs = 1000;

/**
 * Looks at what a swap would do, and changes nothing.
 * @throws {ThinkbackError} `unknown` if there is no table to promote, `target` if it is half-filled or has another
 * primary key than the live one
 */
export async function planSwap(target: Target, { live, next }: Swap): Promise<SwapPlan> {
  const { db } = live;
  const tables = (await target.tables()).filter((one) => one.db === db);
  const named = (name: string) => tables.find((one) => one.name === name);
  const [promoted, replaced] = [named(next), named(live.name)];
  if (!promoted) throw nothingToPromote(db, next, live.name, tables);
  if (tagOf(promoted.write_hook)) throw notWhole(`${db}.${next}`);
  const beside = tables
    .map(({ name }) => name)
    .filter((name) => name !== next && liveNameOf(name) === live.name)
    .map((name) => `${db}.${name}`)
    .sort();
  const documents = {
    promoted: await target.count({ db, name: next }),
    live: replaced ? await target.count(live) : null,
  };
  const lacking = lackingIn(next, documents);
  const plan = { live, next, promoted, replaced, beside, documents, lacking };
  if (!replaced) return { ...plan, grants: [], differences: [] };
  if (promoted.primary_key !== replaced.primary_key) throw otherKey(promoted, replaced);
  const grants = (await target.tableGrants(live)).map(({ user }) => user);
  const [wanted, held] = [await target.settings(live), await target.settings({ db, name: next })];
  return { ...plan, grants, differences: compareSettings(wanted, held) };
}

/** What the name says counts however many documents there are; others are suspected by their number. */
function lackingIn(next: string, { promoted, live }: SwapPlan["documents"]): SwapPlan["lacking"] {
  const lacking = lackingOf(next);
  if (lacking === "part") return "it was restored in part";
  if (lacking === "masked") return "its documents are masked";
  if (live !== null && promoted < live / 2) return "it has less than half of the live documents";
  return undefined;
}

/**
 * Swaps the tables. Neither loses a document. If it was ended between the renames, a new plan does what is left.
 * @param aside the name that the table which is live now gets
 * @throws {ThinkbackError} `target` if the server refuses a step
 */
export async function swap(
  target: Target,
  { live, next, promoted, replaced }: SwapPlan,
  aside: string,
  clock: Clock,
): Promise<Swapped> {
  const { db } = live;
  const result = { live: `${db}.${live.name}`, promoted: `${db}.${next}` };
  if (!replaced) {
    await takeName(target, promoted, live.name, clock);
    return { ...result, kept: undefined, goneMs: 0 };
  }
  await carryGrants(target, live, { db, name: next });
  const began = clock.monotonicMs();
  await target.renameTable(replaced.id, live.name, aside);
  await takeName(target, promoted, live.name, clock);
  return { ...result, kept: `${db}.${aside}`, goneMs: clock.monotonicMs() - began };
}

async function takeName(
  target: Target,
  { id, db, name }: TableConfig,
  live: string,
  clock: Clock,
): Promise<void> {
  for (let tries = 1; ; tries += 1) {
    try {
      await target.renameTable(id, name, live);
      return;
    } catch (error) {
      if (tries >= triesMax) throw stuck(db, name, live, error);
      await clock.sleep(betweenTriesMs);
    }
  }
}

/** Grants are on a table's id: so they are given again on the table that takes its name, and nothing more. */
async function carryGrants(target: Target, from: TableName, to: TableName): Promise<void> {
  const [wanted, held] = [await target.tableGrants(from), await target.tableGrants(to)];
  const scope = { db: to.db, table: to.name };
  const users: string[] = [];
  for (const { user, permissions } of wanted) {
    const none = { read: null, write: null, config: null };
    await target.grant(user, scope, { ...none, ...permissions });
    users.push(user);
  }
  for (const { user } of held) {
    if (users.includes(user)) continue;
    await target.grant(user, scope, { read: null, write: null, config: null });
  }
}

/** The name of the table that was live under a name until the last swap. */
export function lastBefore(tables: readonly TableName[], live: string): string | undefined {
  const names = tables.map(({ name }) => name).filter((name) => wasLive(name, live));
  // Without the Z at its end, a name with milliseconds comes after one without.
  return names.sort((a, b) => (a.slice(0, -1) < b.slice(0, -1) ? -1 : 1)).at(-1);
}

function nothingToPromote(
  db: string,
  next: string,
  live: string,
  tables: readonly TableName[],
): ThinkbackError {
  const kept = lastBefore(tables, live);
  const hint =
    kept === undefined
      ? "restore it first: thinkback restore --beside; `--from` names a table of another name"
      : `${db}.${kept} is there: if ${db}.${next} was promoted already, nothing is left to do`;
  return new ThinkbackError("unknown", `the target has no table ${db}.${next}`, { hint });
}

function notWhole(name: string): ThinkbackError {
  return new ThinkbackError("target", `${name} is half-filled by a restore that was ended`, {
    hint: "give the command of that restore again, and promote the table when it is whole",
  });
}

function otherKey(promoted: TableConfig, replaced: TableConfig): ThinkbackError {
  const [next, live] = [promoted, replaced].map(({ db, name }) => `${db}.${name}`);
  return new ThinkbackError(
    "target",
    `${next} has the primary key ${promoted.primary_key}, and ${live} has ${replaced.primary_key}`,
    {
      hint: `no client of ${live} would find its documents; promote a table that has the same primary key`,
    },
  );
}

function stuck(db: string, name: string, live: string, cause: unknown): ThinkbackError {
  const why = cause instanceof Error ? `: ${cause.message}` : "";
  return new ThinkbackError("target", `${db}.${name} could not take the name ${live}${why}`, {
    hint: `until it does, ${db}.${live} may name no table: give the same command again`,
    cause,
  });
}
