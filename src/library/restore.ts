import { randomUUID } from "node:crypto";
import { systemClock } from "../clock.js";
import { type ErrorCode, ThinkbackError } from "../errors.js";
import type { Repository as StoredRepository } from "../format/description.js";
import type { Instant } from "../instant.js";
import type { AsOf as StoredAsOf } from "../repository/coverage/as-of.js";
import { placeHold } from "../repository/registers/holds.js";
import { lookAt } from "../repository/repository-view.js";
import { restoreAccess } from "../restore/access.js";
import type { HeldBack as StoredHeldBack } from "../restore/held-back.js";
import * as planning from "../restore/plan.js";
import * as restoring from "../restore/restore.js";
import { whenProven } from "../restore/when-proven.js";
import { formatAddresses, parseAddresses } from "../rethinkdb/address.js";
import { RethinkTarget } from "../rethinkdb/rethink-target.js";
import { clusterDialer } from "../rethinkdb/servers.js";
import type { Target } from "../rethinkdb/target.js";
import { refuseWithoutReader } from "../storage/object-store.js";
import { checkOptions, restoreOptions, restoreRequest } from "./options.js";
import type { Repository } from "./repository.js";
import type { CoverageClass } from "./status.js";
import { storedAt } from "./stored-at.js";

/** What to restore. Everything is optional: the default is the whole cluster, to the newest instant. */
export interface RestoreRequest {
  /** If absent, the newest instant to which all that is chosen can be restored. */
  at?: Instant;
  /**
   * "db.table" each, by their names at that instant. If absent or empty: all tables of `databases`, or of the cluster.
   */
  tables?: string[];
  /** Names of databases. Not together with `tables`. */
  databases?: string[];
  /** Old name to new: "db.table" to "db.table", or "db" to "db". Chooses no tables. */
  renames?: Record<string, string>;
  /**
   * For an instant inside a gap: take the last state before the gap, or the first one after it. Otherwise it is
   * refused.
   */
  gap?: "before" | "after";
  /** Take an instant that is not exact; inside a gap, the state before it. */
  allowInexact?: boolean;
  /** If the history is thinned at the instant, take the last kept instant before it. */
  nearest?: boolean;
  /** Leave users and grants out of a restore of the whole cluster. */
  withoutAccess?: boolean;
}

/** The class of the instant, and the instant whose state is taken. */
export interface AsOf {
  class: CoverageClass;
  /** The instant whose state it is: inside a gap, the end of it that was asked for. */
  at: Instant;
  /** Why it is not exact. */
  reason: string | undefined;
  /** If it is late: by how many ms at most. */
  lateMs: number | undefined;
}

export interface PlannedTable extends AsOf {
  /** "db.table" in the repository, and on the target. */
  from: string;
  to: string;
  /** Number of documents in the base that the restore begins with: about as many will be written. */
  documents: number;
  /** Names of its secondary indexes. */
  indexes: string[];
  /** If it is damaged: the objects that are missing, and from when to when changes are not restored because of that. */
  missing: { object: string; from: Instant; to: Instant }[];
}

/** What a restore will do. Only one that `planRestore` gave can be carried out. */
export interface RestorePlan {
  readonly at: Instant;
  /** Databases that will be made where the target has none of that name. */
  readonly databases: string[];
  readonly tables: PlannedTable[];
  /** As of when, and of which class, names, indexes and write hooks are. */
  readonly catalog: AsOf;
  /** The same for users and grants; undefined unless they are restored. */
  readonly access: AsOf | undefined;
  /** "db.table" each: tables that existed, but of which nothing was captured. They are not restored. */
  readonly notCaptured: string[];
  /**
   * Why `at` is not later, though tables are captured to a later instant; undefined if nothing holds it back, or `at`
   * was asked for.
   */
  readonly heldBack: HeldBack | undefined;
}

/** What cannot be restored to as late an instant as the rest. */
export interface HeldBack {
  by: "catalog" | "access" | "table";
  /** "db.table" each; empty unless `by` is "table". */
  tables: string[];
  /** The last instant to which it can be restored; undefined if there is none. */
  knownTo: Instant | undefined;
  /** What is missing, if it is damaged after `knownTo`. */
  damage: string | undefined;
}

export interface RestoreOptions {
  /** `rethinkdb://user:password@host:port`, with `?tls=true` or `?ca=FILE`. */
  target: string | string[];
  /** Ends the restore between two steps, with the signal's reason. What was made by then stays. */
  signal?: AbortSignal;
  /** Called with each step. An error that it throws ends the restore. */
  onEvent?: (event: RestoreEvent) => void;
}

export type RestoreEvent =
  | { kind: "reading"; segmentsRead: number; segments: number }
  /** What is written so far. `bytes` counts the documents' JSON text. */
  | { kind: "writing"; table: string; documents: number; bytes: number }
  | { kind: "finishing"; table: string; step: string }
  /** No hold could be placed in the repository: let nothing expire until the restore ends. */
  | { kind: "notHeld"; reason: string };

export interface RestoredTable {
  from: string;
  to: string;
  documents: number;
  /** Bytes of the documents' JSON text. */
  bytes: number;
  seconds: number;
  indexes: number;
  /** True if the target, read back, held what was written. */
  matches: boolean;
  /** Documents that the target refused to store: the JSON text of the key, and why. */
  leftOut: { key: string; reason: string }[];
}

export interface RestoreReport {
  tables: RestoredTable[];
  /** Undefined unless users and grants were restored. */
  access: RestoredAccess | undefined;
}

export interface RestoredAccess {
  /** Users that were made, with a password that nobody knows: set one before they can connect. */
  usersWithoutPassword: string[];
  /** Users that were there already: they keep their passwords and grants. */
  usersKept: string[];
  grants: number;
}

/** The error of a restore that reached its end, but with flaws. `report` says what is on the target. */
export class FlawedRestore extends ThinkbackError {
  constructor(
    code: ErrorCode,
    message: string,
    readonly report: RestoreReport,
    options: { hint?: string; cause?: unknown } = {},
  ) {
    super(code, message, options);
  }
}

/** The inner plan of each plan that was returned. Its shape is no part of the library. */
const planned = new WeakMap<
  RestorePlan,
  { repository: StoredRepository; plan: planning.RestorePlan }
>();

/**
 * Plans a restore from stored objects alone; writes nothing. If the instant is not proven yet, waits for the proof, up
 * to 15 s, or longer if the capture stores proofs more rarely.
 * @throws {ThinkbackError} `usage`, also if the keys of a sealed repository read no document; `instant`, `unknown`,
 * `damaged` or `repository`
 */
export async function planRestore(
  repository: Repository,
  request: RestoreRequest = {},
): Promise<RestorePlan> {
  checkOptions(restoreRequest, request);
  const stored = await storedAt(repository);
  refuseWithoutReader(stored.store);
  const { at, gap, tables = [], databases = [], renames = {} } = request;
  const wanted = {
    ...(at === undefined ? {} : { at: checkedInstant(at) }),
    ...(gap === undefined ? {} : { gap }),
    tables,
    databases,
    renames: checkedRenames(renames),
    allowInexact: request.allowInexact === true,
    nearest: request.nearest === true,
    withoutAccess: request.withoutAccess === true,
  };
  const look = () => lookAt(stored, (view) => planning.planRestore(view, wanted));
  const found = await whenProven(stored, at, look, systemClock, () => undefined);
  const plan = describe(found);
  planned.set(plan, { repository: stored, plan: found });
  return plan;
}

/**
 * Carries out a plan: makes databases, tables, documents, indexes, write hooks, then users and grants; reads the
 * documents back and compares. Nothing is written into a table that exists.
 * @returns the report of a restore without flaws
 * @throws {FlawedRestore} `mismatch` if the target does not hold what was written; `leftOut` if it refused documents;
 * another code if only users and grants failed
 * @throws {ThinkbackError} `target`, `damaged` or `repository`; `usage` if the address or the plan is not valid
 */
export async function restore(plan: RestorePlan, options: RestoreOptions): Promise<RestoreReport> {
  checkOptions(restoreOptions, options);
  const found = planned.get(plan);
  if (!found) {
    throw new ThinkbackError("usage", "this is no plan of a restore", {
      hint: "give `restore` what `planRestore` returned, not a copy of it",
    });
  }
  const addresses = parseAddresses([options.target].flat());
  const dial = clusterDialer(addresses, "target", systemClock);
  const target = new RethinkTarget(formatAddresses(addresses), dial);
  try {
    return await carryOut(found.repository, found.plan, target, options);
  } finally {
    target.close();
  }
}

async function carryOut(
  repository: StoredRepository,
  plan: planning.RestorePlan,
  target: Target,
  { signal, onEvent = () => undefined }: RestoreOptions,
): Promise<RestoreReport> {
  await restoring.refuseExisting(plan, target);
  const unique = randomUUID().replaceAll("-", "");
  const hold = await placeHold(repository.store, systemClock, unique, plan.instant, ({ message }) =>
    onEvent({ kind: "notHeld", reason: message }),
  );
  try {
    const observer = observing(onEvent);
    const restored = await restoring.restore(
      repository,
      plan,
      target,
      systemClock,
      observer,
      signal ? { signal } : {},
    );
    const report: RestoreReport = { tables: restored.map(restoredTable), access: undefined };
    if (plan.accessAsOf) {
      report.access = await restoreAccess(plan.access, target).catch((error: unknown) => {
        throw error instanceof ThinkbackError ? flawed(error, report) : error;
      });
    }
    refuseFlawed(report);
    return report;
  } finally {
    await hold.end();
  }
}

function observing(onEvent: (event: RestoreEvent) => void): restoring.RestoreObserver {
  return {
    reading: (segmentsRead, segments) => onEvent({ kind: "reading", segmentsRead, segments }),
    writing: ({ db, name }, documents, bytes) =>
      onEvent({ kind: "writing", table: `${db}.${name}`, documents, bytes }),
    finishing: ({ db, name }, step) => onEvent({ kind: "finishing", table: `${db}.${name}`, step }),
  };
}

function flawed(error: ThinkbackError, report: RestoreReport): FlawedRestore {
  const { code, message, hint } = error;
  return new FlawedRestore(code, message, report, { ...(hint ? { hint } : {}), cause: error });
}

function refuseFlawed(report: RestoreReport): void {
  const different = report.tables.filter(({ matches }) => !matches).map(({ to }) => to);
  if (different.length > 0) {
    const message = `the target does not hold what was written: ${different.join(", ")}`;
    throw new FlawedRestore("mismatch", message, report, {
      hint: "do not rely on these tables: something else writes to them, or the target stores numbers differently",
    });
  }
  const lacking = report.tables.filter(({ leftOut }) => leftOut.length > 0);
  if (lacking.length > 0) {
    const named = lacking.map(({ to, leftOut }) => `${leftOut.length} of ${to}`);
    throw new FlawedRestore("leftOut", `documents were left out: ${named.join(", ")}`, report, {
      hint: "the target refused them; everything else is restored",
    });
  }
}

function restoredTable(table: restoring.RestoredTable): RestoredTable {
  const { from, to, documents, bytes, seconds, indexes, matches, leftOut } = table;
  return { from, to, documents, bytes, seconds, indexes, matches, leftOut };
}

function describe(plan: planning.RestorePlan): RestorePlan {
  return {
    at: plan.instant,
    databases: plan.databases,
    tables: plan.tables.map(({ from, to, base, indexes, missing, ...of }) => ({
      from: `${from.db}.${from.name}`,
      to: `${to.db}.${to.name}`,
      ...asOf(of),
      documents: base.rows,
      indexes: indexes.map(({ index }) => index),
      missing: missing.map((hole) => ({ object: hole.missing, from: hole.from, to: hole.to })),
    })),
    catalog: asOf(plan.catalog),
    access: plan.accessAsOf && asOf(plan.accessAsOf),
    notCaptured: plan.notCaptured,
    heldBack: plan.heldBack && heldBack(plan.heldBack),
  };
}

function heldBack({ by, table, others = [], knownTo, damage }: StoredHeldBack): HeldBack {
  return { by, tables: table === undefined ? [] : [table, ...others], knownTo, damage };
}

function asOf({ class: of, instant, reason, lateMs }: StoredAsOf): AsOf {
  return { class: of, at: instant, reason, lateMs };
}

function checkedInstant(at: Instant): Instant {
  if (Number.isSafeInteger(at)) return at;
  throw new ThinkbackError("usage", `at is ${at}, which is no instant`, {
    hint: "give whole milliseconds since 1970; `parseInstant` makes them from text",
  });
}

const tableOrDatabase = /^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)?$/;

function checkedRenames(renames: Record<string, string>): Map<string, string> {
  const all = new Map(Object.entries(renames));
  for (const [from, to] of all) {
    const areNames = tableOrDatabase.test(from) && tableOrDatabase.test(to);
    if (areNames && from.includes(".") === to.includes(".")) continue;
    throw new ThinkbackError("usage", `a rename of ${from} to ${to} cannot be made`, {
      hint: 'give { "db.table": "db.table" }, or { "db": "db" }',
    });
  }
  return all;
}
