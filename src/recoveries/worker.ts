/**
 * Carries out the recoveries that are requested in a repository: makes their plans, and runs them one after the other.
 * Each is a command of the command line in a process of its own; what the command does, it does not know.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Clock } from "../clock.js";
import { CommandFailed, type Commands } from "../commands.js";
import type { Waker } from "../coordination/wake.js";
import { type ErrorCode, messageOf, ThinkbackError } from "../errors.js";
import { recoveriesPrefix } from "../format/names.js";
import { isGone, type Owner, spaceOf } from "../owner.js";
import { readSettings } from "../repository/registers/settings.js";
import { isOfOneObject, type ObjectStore } from "../storage/object-store.js";
import { targetOf } from "./allowed.js";
import { consentsFor, hasConsents } from "./approval.js";
import { isOver, nextEvent, planNumberOf } from "./changes.js";
import { Claim } from "./claim.js";
import {
  greatestNumbers,
  putEvent,
  type RecoveryError,
  type RecoveryEvent,
  readEvent,
  readEventIfThere,
  type StoredRequest,
  type WorkerClaim,
} from "./events.js";
import { fetchPlan, storePlan } from "./plan-parts.js";
import { exactArgs, hasPlanFile, keptOf, planningWords } from "./steps.js";
import { recoveriesSubject, WakeUps } from "./wake-ups.js";

/** How long after an attempt that failed the next one is made. */
const retryMs = 10_000;

/** A worker rests for so many times as long as it has looked: what has ended is listed too, and may be much. */
const restPerLook = 9;
/** A store that hung for once must not keep a worker from looking for long. */
const restMsMax = 10_000;

export interface WorkerObserver {
  begins(id: string, what: "plan" | "recovery", request: StoredRequest): void;
  ended(event: RecoveryEvent): void;
  /** Another process goes on with it, or the store does not answer; or no worker here knows its target. */
  left(id: string, reason: string): void;
  /** The recoveries cannot be looked at. They are again, later. */
  fails(error: unknown): void;
}

export interface WorkerOptions {
  store: ObjectStore;
  clock: Clock;
  commands: Commands;
  waker: Waker;
  owner: Owner;
  /** Tells this worker from all others. */
  unique: string;
  /** By name: the environment in which a command reaches that target. */
  targets: ReadonlyMap<string, Record<string, string>>;
  /** How often it looks for requests, and at most tells how far it is, in ms. */
  pollMs: number;
  tellMs: number;
  observer: WorkerObserver;
}

/** What a worker knows of a recovery that is listed; times are by its monotonic clock. */
interface Seen {
  event: RecoveryEvent;
  /** Since when. */
  seenMs: number;
  /** When its worker, on this machine, was found to have ended; undefined if it was not. */
  goneMs: number | undefined;
  /** It was told that no target of its name is known here. */
  isLeft: boolean;
}

type Phase = "plan" | "recovery";

export class RecoveryWorker {
  /** By id: the recoveries that were listed last, and no others. */
  private readonly seen = new Map<string, Seen>();
  /** Plans are made beside a recovery that runs, so that whoever is to look at one does not wait for it. */
  private readonly underWay = new Map<Phase, { id: string; ended: Promise<void> }>();

  constructor(private readonly options: WorkerOptions) {}

  /** Works until the signal aborts; then stops what is under way, which another worker goes on with. Never rejects. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, waker, pollMs, observer } = this.options;
    const wakeUps = new WakeUps(clock, waker);
    while (!signal.aborted) {
      const beganMs = clock.monotonicMs();
      await this.look(signal).catch((error: unknown) => {
        if (!signal.aborted) observer.fails(error);
      });
      const tookMs = clock.monotonicMs() - beganMs;
      await wakeUps.wait(Math.max(pollMs, Math.min(restMsMax, restPerLook * tookMs)), signal);
    }
    wakeUps.end();
    await Promise.all([...this.underWay.values()].map(({ ended }) => ended));
  }

  /** Looks at all recoveries, and begins what can be begun. */
  private async look(signal: AbortSignal): Promise<void> {
    const { store, clock } = this.options;
    const greatest = await greatestNumbers(store, recoveriesPrefix);
    for (const id of this.seen.keys()) if (!greatest.has(id)) this.seen.delete(id);
    for (const [id, number] of greatest) {
      const known = this.seen.get(id);
      if (known && known.event.number >= number) continue;
      // One that is damaged is in no other's way.
      const event = await readEvent(store, id, number).catch((error: unknown) => {
        if (!isOfOneObject(error)) throw error;
        this.options.observer.fails(error);
      });
      const { isLeft = false } = known ?? {};
      const seenMs = clock.monotonicMs();
      if (event) this.seen.set(id, { event, seenMs, goneMs: undefined, isLeft });
    }
    await this.sayUnended();
    const open = [...this.seen.values()].filter(({ event }) => !isOver(event.state));
    open.sort((a, b) => a.event.at - b.event.at);
    for (const seen of open) {
      const { event } = seen;
      if (!this.isClaimable(seen)) continue;
      const phase = planNumberOf(event) === undefined ? "plan" : "recovery";
      if (this.underWay.has(phase)) continue;
      await this.begin(seen, phase, signal).catch((error: unknown) => {
        if (!isOfOneObject(error)) throw error;
        this.options.observer.fails(error);
      });
    }
  }

  /** Ends what was cancelled and whose process has ended before it said what it has left: nobody else would. */
  private async sayUnended(): Promise<void> {
    const { store, clock, observer } = this.options;
    for (const seen of this.seen.values()) {
      const { event } = seen;
      const { worker } = event;
      if (event.state !== "cancelled" || !worker || !this.isSilent(worker, seen)) continue;
      const error: RecoveryError = {
        code: "incomplete",
        message: `it was cancelled, and process ${worker.process} on ${worker.host} ended before it said what it has left`,
        hint: "a table that is not whole refuses writes; an undo or a rewind can be taken back by its id, see `thinkback points`",
      };
      const by = { name: this.options.unique, via: "worker" } as const;
      const said = nextEvent(event, { kind: "fail", error }, by, clock.now());
      if (await putEvent(store, said)) observer.ended(said);
    }
  }

  private isClaimable(seen: Seen): boolean {
    const { id, state, worker, error } = seen.event;
    if (state !== "planned" && state !== "running") return false;
    if ([...this.underWay.values()].some((one) => one.id === id)) return false;
    if (worker) return this.isSilent(worker, seen);
    return error === undefined || this.options.clock.monotonicMs() - seen.seenMs >= retryMs;
  }

  /** True if the worker of a recovery says nothing more. */
  private isSilent(worker: WorkerClaim, seen: Seen): boolean {
    const sinceMs = this.options.clock.monotonicMs() - seen.seenMs;
    return sinceMs > worker.silentMs || this.hasEnded(worker, seen);
  }

  /** True if the worker's process has ended on this machine, and its command has had the time to end after it. */
  private hasEnded(worker: WorkerClaim, seen: Seen): boolean {
    if (!isGone(this.options.owner, worker)) return false;
    const now = this.options.clock.monotonicMs();
    seen.goneMs ??= now;
    return now - seen.goneMs > endedMs;
  }

  private async begin(seen: Seen, phase: Phase, signal: AbortSignal): Promise<void> {
    const { store, clock, tellMs, observer } = this.options;
    const { event } = seen;
    const first = event.number === 1 ? event : await readEvent(store, event.id, 1);
    const request = first.request!;
    if (!this.knowsTarget(seen, request)) return;
    if (phase === "recovery") {
      const planned = event.plan ? event : await readEvent(store, event.id, event.planIn!);
      if (!hasConsents(first, planned, event)) return;
    }
    // A listing may be behind: what it lacks decides.
    if (await readEventIfThere(store, event.id, event.number + 1)) return;
    const claim = await Claim.of(store, clock, this.who(), tellMs, event);
    if (!claim) return;
    if (!(claim instanceof Claim)) {
      observer.ended(claim);
      return;
    }
    observer.begins(event.id, phase, request);
    const ended = this.work(claim, request, phase, signal).finally(() => {
      claim.end();
      this.underWay.delete(phase);
      this.options.waker.wake(recoveriesSubject);
    });
    this.underWay.set(phase, { id: event.id, ended });
  }

  private who() {
    const { unique, owner } = this.options;
    return { unique, host: owner.host, process: owner.process, space: spaceOf(owner) };
  }

  private knowsTarget(seen: Seen, request: StoredRequest): boolean {
    const target = targetOf(request);
    if (target === undefined || this.options.targets.has(target)) return true;
    if (!seen.isLeft)
      this.options.observer.left(seen.event.id, `no target is called ${target} here`);
    seen.isLeft = true;
    return false;
  }

  /** Does the work of a claim to its end, and says what became of it. Never rejects. */
  private async work(
    claim: Claim,
    request: StoredRequest,
    phase: Phase,
    signal: AbortSignal,
  ): Promise<void> {
    const { observer } = this.options;
    void claim.keep(this.options.waker);
    try {
      if (phase === "plan") await this.makePlan(claim, request, signal);
      else await this.carryOut(claim, request, signal);
    } catch (error) {
      await this.sayFailed(claim, request, phase, error, signal);
    }
    if (!claim.lost.signal.aborted) observer.ended(claim.last);
    else observer.left(claim.last.id, messageOf(claim.lost.signal.reason));
  }

  private async makePlan(claim: Claim, request: StoredRequest, signal: AbortSignal): Promise<void> {
    const { store } = this.options;
    const { command, args } = request;
    await this.withFile(hasPlanFile(command), async (file) => {
      const words = planningWords(command, args, file);
      const printed = words ? await this.runCommand(claim, request, words, signal) : {};
      const summary = keptOf(command, printed);
      const parts = hasPlanFile(command) ? await storePlan(store, claim.begun, file) : [];
      const plan = { summary, args: exactArgs(command, args, summary), parts };
      const waitsFor = consentsFor(request, await readSettings(store));
      await claim.put({ kind: "plan", plan, waitsFor });
    });
  }

  private async carryOut(claim: Claim, request: StoredRequest, signal: AbortSignal): Promise<void> {
    const { store } = this.options;
    const { id, planIn } = claim.last;
    const { args, parts } = (await readEvent(store, id, planIn!)).plan!;
    const hasFile = parts.length > 0;
    await this.withFile(hasFile, async (file) => {
      if (hasFile) await fetchPlan(store, parts, file);
      const words = [request.command, ...args, ...(hasFile ? [`--plan=${file}`] : [])];
      const printed = await this.runCommand(claim, request, words, signal);
      await this.say(claim, { kind: "done", result: keptOf(request.command, printed) });
    });
  }

  private runCommand(
    claim: Claim,
    request: StoredRequest,
    words: readonly string[],
    signal: AbortSignal,
  ): Promise<object> {
    const target = targetOf(request);
    const killed = new AbortController();
    const { lost, cancelled } = claim;
    const kill = async () => {
      await this.options.clock.sleep(stopMsMax);
      killed.abort(lost.signal.reason);
    };
    lost.signal.addEventListener("abort", () => void kill(), { once: true });
    return this.options.commands.run(words, {
      signal: killed.signal,
      stop: AbortSignal.any([lost.signal, cancelled.signal, signal]),
      environment: target === undefined ? {} : this.options.targets.get(target)!,
      onProgress: (progress) => void (claim.progress = progress),
      onEnding: (ending) => claim.put({ kind: "ending", ending }),
      endingBefore: claim.last.ending,
    });
  }

  private async sayFailed(
    claim: Claim,
    { command }: StoredRequest,
    phase: Phase,
    thrown: unknown,
    signal: AbortSignal,
  ): Promise<void> {
    if (claim.lost.signal.aborted) return;
    const error = errorOf(thrown);
    const result =
      thrown instanceof CommandFailed ? { result: keptOf(command, thrown.result) } : {};
    const isStopped = signal.aborted && !claim.cancelled.signal.aborted;
    // What was cancelled stays so, whatever is said of it.
    if (isStopped) await this.say(claim, { kind: "release" });
    else if (!claim.cancelled.signal.aborted && helpsAgain(thrown, phase))
      await this.say(claim, { kind: "retry", error });
    else await this.say(claim, { kind: "fail", error, ...result });
  }

  /** Says how it ended, until the store has taken it or the claim is lost. */
  private async say(claim: Claim, change: Parameters<Claim["put"]>[0]): Promise<void> {
    while (!claim.lost.signal.aborted) {
      try {
        await claim.put(change);
        return;
      } catch (error) {
        if (claim.lost.signal.aborted) return;
        this.options.observer.fails(error);
        await this.options.clock.sleep(sayAgainMs, claim.lost.signal).catch(() => undefined);
      }
    }
  }

  /** Does the work with the path of a file that is not there yet, and removes the file after it. */
  private async withFile(isNeeded: boolean, work: (file: string) => Promise<void>): Promise<void> {
    if (!isNeeded) return work("");
    const directory = await mkdtemp(scratch);
    try {
      await work(join(directory, "plan.json"));
    } finally {
      await rm(directory, { recursive: true, force: true });
    }
  }
}

/** Where the file of a plan lies for a while, followed by six letters. */
const scratch = join(tmpdir(), "thinkback-recovery-");

/** A text that names the file, without the place. */
const withoutScratch = (text: string) =>
  text
    .split(scratch)
    .map((part, i) => (i === 0 ? part : part.replace(/^\w{6}\//, "")))
    .join("");

/** How soon what could not be said is said again. */
const sayAgainMs = 1000;
/** How long a command of which the claim is lost may take to end by itself. */
const stopMsMax = 10_000;
/** A command whose process has ended notices at once, and ends within ten seconds. */
const endedMs = 11_000;

/** Errors that may be over when it is tried again. */
const passing: readonly ErrorCode[] = [
  "internal",
  "source",
  "repository",
  "full",
  "incomplete",
  "fenced",
  "clock",
];

function helpsAgain(error: unknown, phase: Phase): boolean {
  if (!(error instanceof ThinkbackError)) return true;
  // A table that is in the way when it is planned stays there; a server that fails amidst may come back.
  return passing.includes(error.code) || (error.code === "target" && phase === "recovery");
}

function errorOf(thrown: unknown): RecoveryError {
  const message = withoutScratch(messageOf(thrown));
  if (!(thrown instanceof ThinkbackError)) return { code: "internal", message };
  const { code, hint } = thrown;
  return { code, message, ...(hint === undefined ? {} : { hint: withoutScratch(hint) }) };
}
