/** Requests recoveries, and shows what became of them. */
import { systemClock } from "../clock.js";
import { type ErrorCode, exitStatus, ThinkbackError } from "../errors.js";
import { formatInstant } from "../instant.js";
import { isOver } from "../recoveries/changes.js";
import type { Consent, RecoveryEvent } from "../recoveries/events.js";
import {
  type Actor,
  approve,
  cancel,
  confirm,
  createRecovery,
  eventsOf,
  listRecoveries,
  type Recovery,
  readRecovery,
  unknown,
} from "../recoveries/recoveries.js";
import { idlePaceMs } from "../repository/registers/idle-pace.js";
import {
  type Approval,
  approvalOf,
  approvals,
  declareApproval,
  readSettings,
} from "../repository/registers/settings.js";
import { openRepository } from "../repository/repository.js";
import type { ObjectStore } from "../storage/object-store.js";
import { formatTable, type Output, shellWord } from "./output.js";
import { progressBar } from "./progress.js";
import { recoveryLines } from "./recovery-text.js";
import { countedStore } from "./store-use-text.js";
import { userName } from "./user-name.js";

interface OnRepository {
  repo: string;
}

/** How often a recovery that is followed is looked at. */
const followMs = 1000;

/** The user of this machine. */
const actor = (): Actor => ({ name: userName(), via: "cli" });

async function opened(
  { repo }: OnRepository,
  given: Output,
): Promise<{ store: ObjectStore; output: Output }> {
  const { store: place, output } = countedStore(repo, given);
  const { store } = await openRepository(place);
  return { store, output };
}

export async function listRecoveriesCommand(args: OnRepository, given: Output): Promise<void> {
  const { store, output } = await opened(args, given);
  const { recoveries, damaged } = await listRecoveries(store);
  const rows = recoveries.map((one) => [
    one.id,
    formatInstant(one.createdAt),
    one.by.name,
    stateText(one),
    commandText(one),
  ]);
  const titles = ["id", "requested", "by", "state", "command"];
  output.line(rows.length === 0 ? "no recoveries" : formatTable(titles, rows));
  for (const id of damaged) {
    output.note(`thinkback: recovery ${id} is damaged: \`thinkback verify\` names the object`);
  }
  output.result({ recoveries: recoveries.map(recoveryResult), damaged });
}

export async function showRecoveryCommand(
  id: string,
  args: OnRepository & { follow?: boolean },
  given: Output,
): Promise<void> {
  const { store, output } = await opened(args, given);
  if (args.follow) await follow(store, id, output);
  const recovery = await readRecovery(store, id);
  if (!recovery) throw unknown(id);
  print(recovery, output);
  output.result(recoveryResult(recovery));
  if (args.follow) refuseUnended(recovery);
}

/** Prints the events of a recovery until nothing more will happen to it by itself. */
async function follow(store: ObjectStore, id: string, output: Output): Promise<void> {
  const paceMs = store.chargesRequests ? idlePaceMs(store) : followMs;
  let last: RecoveryEvent | undefined;
  let heardMs = systemClock.monotonicMs();
  for (;;) {
    for (const event of await eventsOf(store, id, last?.number ?? 0)) {
      output.note(eventText(event, last));
      last = event;
      heardMs = systemClock.monotonicMs();
    }
    if (!last) throw unknown(id);
    const { state, worker } = last;
    const isQuiet = state === "waiting" || state === "parked" || isOver(state);
    // The worker of one that was cancelled says what it has left, if it is still there.
    const isSilent = systemClock.monotonicMs() - heardMs > (worker?.silentMs ?? 0);
    if (isQuiet && isSilent) return;
    await systemClock.sleep(paceMs);
  }
}

/** The error of the command that was carried out, so that it is the status of this one. */
function refuseUnended({ id, state, error }: Recovery): void {
  if (state === "done" || state === "waiting") return;
  const { message, hint } = error ?? { message: `recovery ${id} is ${state}` };
  const code = error && error.code in exitStatus ? (error.code as ErrorCode) : "incomplete";
  throw new ThinkbackError(code, message, hint === undefined ? {} : { hint });
}

export async function requestRecoveryCommand(
  words: readonly string[],
  args: OnRepository & { idempotencyKey?: string; confirm?: boolean },
  given: Output,
): Promise<void> {
  const { store, output } = await opened(args, given);
  const [command = "", ...rest] = words;
  const by = actor();
  const { idempotencyKey, confirm: isToConfirm } = args;
  const asked = { command, args: rest, by, idempotencyKey, confirm: isToConfirm };
  const recovery = await createRecovery(store, systemClock, asked);
  output.line(`recovery ${recovery.id} is ${recovery.state}: ${commandText(recovery)}`);
  if (recovery.confirm) output.line("it wants a confirmation of its plan");
  if (recovery.needsApproval) output.line("it wants the approval of a second person");
  output.line(`see it: thinkback recoveries show ${recovery.id} --follow`);
  output.result(recoveryResult(recovery));
}

function numberOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (/^[1-9]\d{0,9}$/.test(text)) return Number(text);
  throw new ThinkbackError("usage", `--number ${text} is not the number of an event`, {
    hint: "give the one that `thinkback recoveries show` prints with the plan",
  });
}

export async function confirmRecoveryCommand(
  id: string,
  args: OnRepository & { number?: string },
  given: Output,
): Promise<void> {
  const number = numberOf(args.number);
  const { store, output } = await opened(args, given);
  const recovery = await confirm(store, systemClock, id, actor(), number);
  output.line(`recovery ${id} is confirmed`);
  for (const line of waitingLines(recovery)) output.line(line);
  output.result(recoveryResult(recovery));
}

export async function approveRecoveryCommand(
  id: string,
  args: OnRepository,
  given: Output,
): Promise<void> {
  const { store, output } = await opened(args, given);
  const recovery = await approve(store, systemClock, id, actor());
  output.line(`recovery ${id} is approved`);
  for (const line of waitingLines(recovery)) output.line(line);
  output.result(recoveryResult(recovery));
}

export async function cancelRecoveryCommand(
  id: string,
  args: OnRepository,
  given: Output,
): Promise<void> {
  const { store, output } = await opened(args, given);
  const recovery = await cancel(store, systemClock, id, actor());
  output.line(`recovery ${id} is cancelled`);
  if (recovery.worker) output.line("its process stops, and says then what it has left");
  output.result(recoveryResult(recovery));
}

/** Shows or declares which recoveries want an approval. */
export async function approvalCommand(
  which: string | undefined,
  args: OnRepository,
  given: Output,
): Promise<void> {
  const wanted = approvals.find((one) => one === which);
  if (which !== undefined && wanted === undefined) {
    throw new ThinkbackError("usage", `"${which}" does not say which recoveries want an approval`, {
      hint: `give one of ${approvals.join(", ")}`,
    });
  }
  const { store, output } = await opened(args, given);
  const before = approvalOf(await readSettings(store));
  if (wanted !== undefined) await declareApproval(store, wanted, systemClock.now());
  const approval = wanted ?? before;
  output.line(approvalTexts[approval]);
  output.result({ approval, before });
}

const approvalTexts: Record<Approval, string> = {
  none: "no recovery wants the approval of a second person",
  live: "recoveries that change live data want the approval of a second person",
  all: "every recovery wants the approval of a second person",
};

function print(recovery: Recovery, output: Output): void {
  const { id, by, createdAt, confirmedBy, approvedBy, worker, progress, error } = recovery;
  output.line(`recovery ${id}: ${commandText(recovery)}`);
  output.line(`requested by ${by.name} (${by.via}) at ${formatInstant(createdAt)}`);
  printLines("plan", recovery, output);
  if (confirmedBy) output.line(`confirmed by ${confirmedBy.name} (${confirmedBy.via})`);
  if (approvedBy) output.line(`approved by ${approvedBy.name} (${approvedBy.via})`);
  for (const line of waitingLines(recovery)) output.line(line);
  if (worker) output.line(`process ${worker.process} on ${worker.host} works on it`);
  if (progress) output.line(progressText(progress));
  const attempt = recovery.attempt > 1 ? `, attempt ${recovery.attempt}` : "";
  output.line(`${stateText(recovery)}${attempt}`);
  printLines("result", recovery, output);
  if (error) output.line(`error: ${error.message}${error.hint ? `\n  → ${error.hint}` : ""}`);
}

/** What can be done about a recovery that waits, one line for each. */
function waitingLines({ id, planIn, waitsFor }: Recovery): string[] {
  const lines: Record<Consent, string> = {
    confirmation: `waits for a confirmation of its plan: thinkback recoveries confirm ${id} --number ${planIn}`,
    approval: `waits for the approval of somebody else: thinkback recoveries approve ${id}`,
  };
  return waitsFor.map((one) => lines[one]);
}

const stateText = ({ state, waitsFor }: Pick<Recovery, "state" | "waitsFor">) =>
  waitsFor.length === 0 ? state : `${state} for ${waitsFor.join(" and ")}`;

function printLines(what: "plan" | "result", recovery: Recovery, output: Output): void {
  const [first, ...lines] = recoveryLines(recovery.command, what, recovery[what]);
  if (first === undefined) return;
  output.line(`${what}: ${first}`);
  for (const line of lines) output.line(line.replaceAll(/^/gm, "  "));
}

function eventText(event: RecoveryEvent, before: RecoveryEvent | undefined): string {
  const { at, state, waitsFor = [], by, progress, error, worker, confirmedBy, approvedBy } = event;
  const said =
    error?.message ??
    (progress && progress.text !== before?.progress?.text ? progressText(progress) : undefined) ??
    (worker && !before?.worker
      ? `process ${worker.process} on ${worker.host} begins`
      : undefined) ??
    (event.plan ? "the plan is made" : undefined) ??
    (confirmedBy && !before?.confirmedBy ? `confirmed by ${by.name}` : undefined) ??
    (approvedBy && !before?.approvedBy ? `approved by ${by.name}` : undefined) ??
    `by ${by.name}`;
  return `${formatInstant(at)} ${stateText({ state, waitsFor })}: ${said}`;
}

function progressText({ share, text }: { share: number | null; text: string }): string {
  return share === null ? text : `${progressBar(share)} ${text}`;
}

function commandText({ command, args }: Pick<Recovery, "command" | "args">): string {
  return [command, ...args.map(shellWord)].join(" ");
}

function recoveryResult({ createdAt, changedAt, ...rest }: Recovery): object {
  return { ...rest, createdAt: formatInstant(createdAt), changedAt: formatInstant(changedAt) };
}
