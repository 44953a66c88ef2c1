/** Which changes of a recovery are possible in which state. What is decided here, a conditional create makes so. */
import { ThinkbackError, unreachable } from "../errors.js";
import type {
  Actor,
  Consent,
  RecoveryError,
  RecoveryEvent,
  RecoveryProgress,
  RecoveryState,
  StoredPlan,
  WorkerClaim,
} from "./events.js";
import { isSamePerson } from "./person.js";

/** After so many attempts to make a plan, or to carry it out, that came to no end, a recovery is parked. */
export const attemptsMax = 3;

export type Change =
  /** A worker begins, or takes the place of one that is silent. */
  | { kind: "claim"; worker: WorkerClaim }
  /** The worker is there, and tells how far it is. */
  | { kind: "tell"; worker: WorkerClaim; progress?: RecoveryProgress | undefined }
  /** The plan is made, and waits for these. */
  | { kind: "plan"; plan: StoredPlan; waitsFor: readonly Consent[] }
  /** Somebody wants the plan carried out; `number` is that of the event with the plan that was seen. */
  | { kind: "confirm"; number?: number | undefined }
  | { kind: "approve" }
  /** The command has told what its last step will make. */
  | { kind: "ending"; ending: object }
  | { kind: "done"; result: object }
  | { kind: "fail"; error: RecoveryError; result?: object | undefined }
  /** It did not come to its end; another attempt may. */
  | { kind: "retry"; error: RecoveryError }
  /** The worker ends in order, and leaves it to another one. */
  | { kind: "release" }
  | { kind: "cancel" };

type Kind = Change["kind"];

/** What is possible in each state. */
const possible: Record<RecoveryState, readonly Kind[]> = {
  planned: ["claim", "tell", "plan", "fail", "retry", "release", "cancel"],
  waiting: ["confirm", "approve", "cancel"],
  running: ["claim", "tell", "ending", "done", "fail", "retry", "release", "cancel"],
  // Its worker says what it has left.
  cancelled: ["done", "fail", "retry", "release"],
  parked: ["cancel"],
  done: [],
  failed: [],
};

/** True if nothing more will happen to a recovery in this state, unless its worker says what it has left. */
export function isOver(state: RecoveryState): boolean {
  return state === "done" || state === "failed" || state === "cancelled";
}

/**
 * The event after `last` that makes a change.
 * @throws {ThinkbackError} `usage` if the change is not possible now
 */
export function nextEvent(
  last: RecoveryEvent,
  change: Change,
  by: Actor,
  at: number,
): RecoveryEvent {
  if (!possible[last.state].includes(change.kind)) throw refused(last, change.kind);
  const planIn = planNumberOf(last);
  // What was confirmed and approved is one plan.
  if (change.kind === "plan" && planIn !== undefined) throw refused(last, change.kind);
  if (change.kind === "confirm" || change.kind === "approve") checkConsent(last, change, by);
  const { request: _, plan: __, waitsFor: ___, result: ____, error: _____, ...rest } = last;
  const { progress: ______, ...kept } = rest;
  const base: RecoveryEvent = {
    ...kept,
    ...(planIn === undefined ? {} : { planIn }),
    number: last.number + 1,
    at,
    by,
  };
  return changed(base, last, change);
}

/** The number of the event that made the plan; undefined if there is none yet. */
export function planNumberOf({ number, plan, planIn }: RecoveryEvent): number | undefined {
  return plan ? number : planIn;
}

/**
 * Throws if it is not waited for, if it is of another plan, or if who gives it has given the other one: an approval is
 * a second person's, whichever comes first.
 */
function checkConsent(
  last: RecoveryEvent,
  change: Extract<Change, { kind: "confirm" | "approve" }>,
  by: Actor,
): void {
  const { id, approvedBy, confirmedBy } = last;
  const isConfirmation = change.kind === "confirm";
  const consent = isConfirmation ? "confirmation" : "approval";
  if (!last.waitsFor?.includes(consent)) throw refused(last, change.kind);
  const other = isConfirmation ? approvedBy : confirmedBy;
  if (other && isSamePerson(other, by)) {
    const [has, cannot] = isConfirmation ? ["approved", "confirm"] : ["confirmed", "approve"];
    const text = `${by.name} has ${has} recovery ${id}, and cannot ${cannot} it`;
    throw new ThinkbackError("usage", text, { hint: "that wants another person" });
  }
  const planIn = planNumberOf(last);
  if (isConfirmation && change.number !== undefined && change.number !== planIn) {
    const text = `the plan of recovery ${id} is in event ${planIn}, and not in event ${change.number}`;
    throw new ThinkbackError("usage", text, {
      hint: `look at its plan before you confirm it: \`thinkback recoveries show ${id}\``,
    });
  }
}

function changed(base: RecoveryEvent, last: RecoveryEvent, change: Change): RecoveryEvent {
  switch (change.kind) {
    case "claim":
      return claimed(base, last, change.worker);
    case "tell": {
      const { worker, progress = last.progress } = change;
      return { ...base, worker, ...(progress ? { progress } : {}) };
    }
    case "plan": {
      const { plan, waitsFor } = change;
      return { ...waitingFor(idle(base), waitsFor), attempt: 0, plan };
    }
    case "confirm":
      return { ...waitingFor(base, without(last, "confirmation")), confirmedBy: base.by };
    case "approve":
      return { ...waitingFor(base, without(last, "approval")), approvedBy: base.by };
    case "ending":
      return {
        ...base,
        ending: change.ending,
        ...(last.progress ? { progress: last.progress } : {}),
      };
    case "done":
      return { ...idle(base), state: over(last, "done"), result: change.result };
    case "fail": {
      const { error, result } = change;
      return { ...idle(base), state: over(last, "failed"), error, ...(result ? { result } : {}) };
    }
    case "retry": {
      const state = last.attempt >= attemptsMax ? "parked" : last.state;
      return { ...idle(base), state: over(last, state), error: change.error };
    }
    case "release":
      return { ...idle(base), attempt: Math.max(0, last.attempt - 1) };
    case "cancel":
      // The worker, if there is one, stays named until it has said what it has left.
      return { ...base, state: "cancelled", ...(last.progress ? { progress: last.progress } : {}) };
    default:
      return unreachable(change);
  }
}

/** What a worker says of a recovery that was cancelled does not change its state. */
function over(last: RecoveryEvent, state: RecoveryState): RecoveryState {
  return last.state === "cancelled" ? "cancelled" : state;
}

function claimed(base: RecoveryEvent, last: RecoveryEvent, worker: WorkerClaim): RecoveryEvent {
  if (last.attempt >= attemptsMax) {
    const who = last.worker ? ` (last process ${last.worker.process} on ${last.worker.host})` : "";
    const error: RecoveryError = {
      code: "incomplete",
      message: `begun ${last.attempt} times, and each time the process ended before it${who}`,
      hint: "look at the logs of the workers; then request it anew",
    };
    return { ...idle(base), state: "parked", error };
  }
  // Its plan is there: what is claimed is carrying it out.
  const state = base.planIn === undefined ? "planned" : "running";
  const { progress } = last;
  return { ...base, state, worker, attempt: last.attempt + 1, ...(progress ? { progress } : {}) };
}

/** The event, of a recovery whose plan waits for these; for a process, if there are none. */
function waitingFor(event: RecoveryEvent, waitsFor: readonly Consent[]): RecoveryEvent {
  if (waitsFor.length === 0) return { ...event, state: "planned" };
  return { ...event, state: "waiting", waitsFor: [...waitsFor] };
}

function without({ waitsFor = [] }: RecoveryEvent, given: Consent): Consent[] {
  return waitsFor.filter((one) => one !== given);
}

/** The event, of a recovery that nobody works on. */
function idle(event: RecoveryEvent): RecoveryEvent {
  const { worker: _, ...rest } = event;
  return rest;
}

const doing: Record<Kind, string> = {
  claim: "claimed",
  tell: "told of",
  plan: "planned",
  confirm: "confirmed",
  approve: "approved",
  ending: "ended",
  done: "ended",
  fail: "ended",
  retry: "tried again",
  release: "left",
  cancel: "cancelled",
};

function refused({ id, state, waitsFor }: RecoveryEvent, kind: Kind): ThinkbackError {
  const what = waitsFor ? `${state} for ${waitsFor.join(" and ")}` : state;
  const text = `recovery ${id} is ${what}, and cannot be ${doing[kind]} now`;
  return new ThinkbackError("usage", text, {
    hint: `\`thinkback recoveries show ${id}\` says what became of it`,
  });
}
