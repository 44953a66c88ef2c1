/**
 * Recoveries that were asked for: requests in the repository, which workers carry out. Each is a chain of numbered
 * events, see events.ts.
 */
import { randomBytes } from "node:crypto";
import type { Clock } from "../clock.js";
import { sha256 } from "../digest.js";
import { isDamage, ThinkbackError } from "../errors.js";
import { numberedName, recoveriesPrefix, recoveryPrefix } from "../format/names.js";
import type { Instant } from "../instant.js";
import { readSettings } from "../repository/registers/settings.js";
import { readsAtOnce, severalAtOnce } from "../several-at-once.js";
import type { ObjectStore } from "../storage/object-store.js";
import { checkRequest } from "./allowed.js";
import { wantsApproval } from "./approval.js";
import { type Change, nextEvent, planNumberOf } from "./changes.js";
import {
  type Actor,
  type Consent,
  greatestNumbers,
  putEvent,
  type RecoveryCommand,
  type RecoveryError,
  type RecoveryEvent,
  type RecoveryProgress,
  type RecoveryState,
  readEvent,
  readEventIfThere,
  type StoredRequest,
  type WorkerClaim,
} from "./events.js";
import { isSamePerson } from "./person.js";
import { hasPlan } from "./steps.js";

export type { Actor, RecoveryEvent, RecoveryState } from "./events.js";

/** A request as it stands. */
export interface Recovery {
  /** 8 hexadecimal digits. */
  id: string;
  /** Of the event that counts. */
  number: number;
  state: RecoveryState;
  command: RecoveryCommand;
  args: string[];
  /** Who asked for it, and when. */
  by: Actor;
  createdAt: Instant;
  /** When it last changed, or its worker last told of itself. */
  changedAt: Instant;
  /** Its plan has to be confirmed, or had to. */
  confirm: boolean;
  confirmedBy?: Actor;
  /** A second person has to approve it, or had to. */
  needsApproval: boolean;
  approvedBy?: Actor;
  /** What its plan waits for now. */
  waitsFor: Consent[];
  /** Number of the event that made the plan: a confirmation names it. */
  planIn?: number;
  /** What the command would do, as its dry run prints it. */
  plan?: object;
  attempt: number;
  worker?: WorkerClaim;
  progress?: RecoveryProgress;
  result?: object;
  error?: RecoveryError;
}

export interface NewRecovery {
  command: string;
  args: readonly string[];
  by: Actor;
  /** Given again by the same caller with the same body, it names the same recovery. Callers have keys of their own. */
  idempotencyKey?: string | undefined;
  /** True to wait for a confirmation of the plan. */
  confirm?: boolean | undefined;
  /** True to want a second person's approval where the repository's settings do not. They count in any case. */
  needsApproval?: boolean | undefined;
}

/** Two different keys hardly ever want one id; then the second gets the next. */
const idsOfKeyMax = 100;

/**
 * Stores a request.
 * @returns the recovery; the one that is there already, if one was requested by the same key
 * @throws {ThinkbackError} `usage` for a command or an option that may not be asked for, for a confirmation of what has
 * no plan, and for another request by a key that was used
 */
export async function createRecovery(
  store: ObjectStore,
  clock: Clock,
  { command, args, by, idempotencyKey, confirm = false, needsApproval = false }: NewRecovery,
): Promise<Recovery> {
  const asked = checkRequest(command, args);
  if (confirm && !hasPlan(asked.command)) {
    throw new ThinkbackError("usage", `a ${command} has no plan that could be confirmed`, {
      hint: "request it without a confirmation",
    });
  }
  const approval = needsApproval || wantsApproval(await readSettings(store), asked);
  const key = idempotencyKey === undefined ? {} : { key: keyOf(by, idempotencyKey) };
  const request: StoredRequest = { ...asked, approval, ...(confirm ? { confirm } : {}), ...key };
  for (let tries = 0; tries < idsOfKeyMax; tries += 1) {
    const id = idOf(request.key, tries);
    const at = clock.now();
    const first: RecoveryEvent = { id, number: 1, at, state: "planned", by, request, attempt: 0 };
    if (await putEvent(store, first)) return recoveryOf(first, first);
    if (request.key === undefined) continue;
    const there = await readRecoveryAndRequest(store, id);
    if (there?.request.key === request.key) return sameRequest(there, request, needsApproval);
  }
  throw new ThinkbackError("internal", "no id is free for another recovery");
}

/** Two callers who take the same text mean two recoveries, also if one comes by the API and one by the command line. */
const keyOf = ({ via, name }: Actor, text: string): string =>
  sha256(Buffer.from(JSON.stringify([via, name, text])));

function idOf(key: string | undefined, tries: number): string {
  if (key === undefined) return randomBytes(4).toString("hex");
  return sha256(Buffer.from(`${key}:${tries}`)).slice(0, 8);
}

/**
 * The settings may have changed since the request was stored. So an approval that it wants, and that is not asked for
 * now, makes no difference; but nobody gets a recovery without the approval that they ask for.
 */
function sameRequest(
  { request, recovery }: { request: StoredRequest; recovery: Recovery },
  asked: StoredRequest,
  needsApproval: boolean,
): Recovery {
  const body = ({ command, args, confirm = false }: StoredRequest) =>
    JSON.stringify([command, args, confirm]);
  const isSame = body(request) === body(asked) && (request.approval || !needsApproval);
  if (isSame) return recovery;
  const text = `the idempotency key was used for another request, recovery ${recovery.id}`;
  throw new ThinkbackError("usage", text, { hint: "give another key for another request" });
}

/** The recovery of this id; undefined if there is none. */
export async function readRecovery(store: ObjectStore, id: string): Promise<Recovery | undefined> {
  return (await readRecoveryAndRequest(store, checkedId(id)))?.recovery;
}

async function readRecoveryAndRequest(
  store: ObjectStore,
  id: string,
): Promise<{ request: StoredRequest; recovery: Recovery } | undefined> {
  const last = await lastEvent(store, id);
  // Maintenance deletes the first event before the last.
  const first = last && (last.number === 1 ? last : await readEventIfThere(store, id, 1));
  if (!first) return undefined;
  return { request: first.request!, recovery: await withPlan(store, first, last) };
}

/** The event of a recovery that counts; undefined if there is no such recovery. */
export async function lastEvent(
  store: ObjectStore,
  id: string,
): Promise<RecoveryEvent | undefined> {
  const number = (await greatestNumbers(store, recoveryPrefix(id))).get(id) ?? 0;
  let last = number === 0 ? undefined : await readEvent(store, id, number);
  // A listing may be behind.
  for (;;) {
    const next = await readEventIfThere(store, id, (last?.number ?? 0) + 1);
    if (!next) return last;
    last = next;
  }
}

/** All recoveries, the newest first; and the ids of those of which an event is damaged. */
export async function listRecoveries(
  store: ObjectStore,
): Promise<{ recoveries: Recovery[]; damaged: string[] }> {
  const greatest = await greatestNumbers(store, recoveriesPrefix);
  const recoveries: Recovery[] = [];
  const damaged: string[] = [];
  const read = async ([id, number]: [string, number]) => {
    const first = await readEventIfThere(store, id, 1);
    // Maintenance has begun to delete it.
    if (!first) return undefined;
    return withPlan(store, first, number === 1 ? first : await readEvent(store, id, number));
  };
  const reading = severalAtOnce(greatest, readsAtOnce, (one) =>
    read(one).catch((error: unknown) => {
      if (!isDamage(error)) throw error;
      damaged.push(one[0]);
      return undefined;
    }),
  );
  for await (const recovery of reading) if (recovery) recoveries.push(recovery);
  recoveries.sort((a, b) => b.createdAt - a.createdAt || (a.id < b.id ? -1 : 1));
  return { recoveries, damaged: damaged.sort() };
}

async function withPlan(
  store: ObjectStore,
  first: RecoveryEvent,
  last: RecoveryEvent,
): Promise<Recovery> {
  const { plan, planIn } = last;
  if (plan || planIn === undefined) return recoveryOf(first, last, plan?.summary);
  return recoveryOf(first, last, (await readEvent(store, last.id, planIn)).plan?.summary);
}

function recoveryOf(first: RecoveryEvent, last: RecoveryEvent, plan?: object): Recovery {
  const { id, by, at: createdAt } = first;
  const { command, args, approval, confirm = false } = first.request!;
  const { number, state, at: changedAt, attempt, waitsFor = [] } = last;
  const { confirmedBy, approvedBy, worker, progress, result, error } = last;
  const needsApproval = approval || waitsFor.includes("approval") || approvedBy !== undefined;
  const planIn = planNumberOf(last);
  return {
    id,
    number,
    state,
    command,
    args,
    by,
    createdAt,
    changedAt,
    confirm,
    ...(confirmedBy ? { confirmedBy } : {}),
    needsApproval,
    ...(approvedBy ? { approvedBy } : {}),
    waitsFor,
    ...(planIn === undefined ? {} : { planIn }),
    ...(plan ? { plan } : {}),
    attempt,
    ...(worker ? { worker } : {}),
    ...(progress ? { progress } : {}),
    ...(result ? { result } : {}),
    ...(error ? { error } : {}),
  };
}

/** The events of a recovery with numbers greater than `after`, in order. */
export async function eventsOf(
  store: ObjectStore,
  id: string,
  after: number,
): Promise<RecoveryEvent[]> {
  const prefix = recoveryPrefix(checkedId(id));
  const events: RecoveryEvent[] = [];
  const next = () => readEventIfThere(store, id, after + events.length + 1);
  // Whoever follows asks often, and mostly in vain: then one request is enough.
  const first = await next();
  if (!first) return events;
  events.push(first);
  let listed = after + 1;
  for await (const { name } of store.list(prefix, { after: numberedName(prefix, listed) })) {
    if (name === numberedName(prefix, listed + 1)) listed += 1;
  }
  const numbers = Array.from({ length: listed - after - 1 }, (_, i) => after + 2 + i);
  const reading = severalAtOnce(numbers, readsAtOnce, (number) => readEvent(store, id, number));
  for await (const event of reading) events.push(event);
  // A listing may be behind.
  for (let event = await next(); event; event = await next()) events.push(event);
  return events;
}

/**
 * Confirms the plan of a recovery that waits for it.
 * @param number of the event with the plan that was seen; undefined for whichever it has
 * @throws {ThinkbackError} `usage` if it does not wait, has another plan, or the one who confirms has approved it;
 * `unknown` if there is none
 */
export async function confirm(
  store: ObjectStore,
  clock: Clock,
  id: string,
  by: Actor,
  number?: number,
): Promise<Recovery> {
  return changeRecovery(store, clock, id, by, { kind: "confirm", number });
}

/**
 * Approves the plan of a recovery that waits for it.
 * @throws {ThinkbackError} `usage` if it does not wait, or the one who approves has asked for it or confirmed it;
 * `unknown` if there is none
 */
export async function approve(
  store: ObjectStore,
  clock: Clock,
  id: string,
  by: Actor,
): Promise<Recovery> {
  const first = await readEventIfThere(store, checkedId(id), 1);
  if (first && isSamePerson(first.by, by)) {
    throw new ThinkbackError(
      "usage",
      `${first.by.name} has asked for recovery ${id}, and cannot approve it`,
      {
        hint: "a second person has to look at its plan, and approve it",
      },
    );
  }
  return changeRecovery(store, clock, id, by, { kind: "approve" });
}

/**
 * Cancels a recovery. What it has written by then stays; its worker says what that is.
 * @throws {ThinkbackError} `usage` if it has ended; `unknown` if there is none
 */
export async function cancel(
  store: ObjectStore,
  clock: Clock,
  id: string,
  by: Actor,
): Promise<Recovery> {
  return changeRecovery(store, clock, id, by, { kind: "cancel" });
}

async function changeRecovery(
  store: ObjectStore,
  clock: Clock,
  id: string,
  by: Actor,
  change: Change,
): Promise<Recovery> {
  for (;;) {
    const last = await lastEvent(store, checkedId(id));
    if (!last) throw unknown(id);
    // If the number is taken, its worker has told something meanwhile: look again.
    if (!(await putEvent(store, nextEvent(last, change, by, clock.now())))) continue;
    return (await readRecovery(store, id))!;
  }
}

function checkedId(id: string): string {
  if (/^[0-9a-f]{8}$/.test(id)) return id;
  throw new ThinkbackError("usage", `"${id}" is not the id of a recovery`, {
    hint: "give its 8 hexadecimal digits, as `thinkback recoveries list` prints them",
  });
}

export function unknown(id: string): ThinkbackError {
  return new ThinkbackError("unknown", `there is no recovery ${id}`, {
    hint: "`thinkback recoveries list` lists them",
  });
}
