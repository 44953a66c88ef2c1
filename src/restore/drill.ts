/**
 * A drill: a restore made on purpose, into scratch databases that are dropped again, compared document by document with
 * the repository, and stored as proof.
 *
 * Invariant: a drill writes only into databases whose names begin with its own prefix, and drops them however it ends.
 * Break it and a drill fills a server with copies, or touches what is not its own.
 */
import { type Clock, withTimeout } from "../clock.js";
import { ThinkbackError } from "../errors.js";
import type { Repository } from "../format/description.js";
import type { Drill } from "../repository/records/drills.js";
import { placeHold } from "../repository/registers/holds.js";
import { lookAt } from "../repository/repository-view.js";
import type { Target } from "../rethinkdb/target.js";
import { isScratchDatabase, scratchPrefix } from "../scratch-database.js";
import type { DrillChecks } from "./drill-checks.js";
import { type DrillChoice, planDrill } from "./drill-plan.js";
import type { RestorePlan } from "./plan.js";
import { type ProofContext, type ProofObserver, prove } from "./proof.js";
import { whenProven } from "./when-proven.js";

export interface DrillOptions extends DrillChoice {
  /** 12 hexadecimal digits that no other drill has. */
  unique: string;
  /** Drop what earlier drills left on the target. MUST NOT be set while another drill runs there. */
  clean: boolean;
  /** What is expected of the restored tables; undefined for nothing. */
  checks?: DrillChecks | undefined;
  clock: Clock;
  /** From 0 to below 1. */
  random: () => number;
}

export interface DrillObserver extends ProofObserver {
  /** The target has scratch databases of other drills, which still run, or ended before they could drop them. */
  leftovers(databases: string[], dropped: boolean): void;
  /** The instant is not proven yet: the drill waits for the proof, up to `ms`. */
  waits(ms: number): void;
  planned(plan: RestorePlan): void;
  /** No hold could be placed, so what the drill reads may be deleted meanwhile. */
  notHeld(error: Error): void;
  /** Databases of this drill could not be dropped. */
  notDropped(databases: string[], error: Error): void;
}

/** How long a stopped drill waits for the step that is under way. */
const stepMsMax = 10_000;
/** How long dropping all its databases may take. */
const dropMsMax = 60_000;

/**
 * Carries out a drill. Resolves with the stored drill, also if tables differ: then its `ok` is false.
 * Rejects if it could not compare; if that is the repository's fault, a failed drill is stored nevertheless.
 * @param signal stops the drill: the scratch databases are dropped, and the drill rejects with code "incomplete"
 */
export async function drill(
  repository: Repository,
  target: Target,
  options: DrillOptions,
  observer: DrillObserver,
  signal: AbortSignal,
): Promise<Drill> {
  const { clock, unique, checks } = options;
  const begun = clock.now();
  try {
    signal.throwIfAborted();
    const { at } = options;
    const asked = typeof at === "number" ? at : undefined;
    const look = () =>
      lookAt(repository, (view) => planDrill(view, options, unique, options.random));
    const plan = await whenProven(repository, asked, look, clock, (ms) => observer.waits(ms));
    // What the drill reads must not be deleted meanwhile: that would look like damage.
    const onRefused = (error: Error) => observer.notHeld(error);
    const { store } = repository;
    const hold = await placeHold(store, clock, unique, plan.instant, onRefused);
    try {
      await tidyUp(target, options, observer);
      observer.planned(plan);
      return await proveAndDrop(
        { repository, target, plan, unique, begun, clock, observer, checks, signal },
        options,
        observer,
      );
    } finally {
      await hold.end();
    }
  } catch (error) {
    if (!signal.aborted) throw error;
    throw new ThinkbackError("incomplete", "the drill was stopped before its end", {
      hint: "a stopped drill proves nothing; run it again",
      cause: error,
    });
  }
}

/** Makes the proof, and drops the scratch databases however it ends. */
async function proveAndDrop(
  context: ProofContext,
  options: DrillOptions,
  observer: DrillObserver,
): Promise<Drill> {
  const { target, signal, clock } = context;
  const stopping = stopped(signal);
  const proving = prove(context);
  try {
    return await Promise.race([proving, stopping.promise]);
  } finally {
    stopping.forget();
    // Otherwise the step that is under way could make a database again after it is dropped here.
    if (signal.aborted) await ended(proving, clock);
    await dropScratch(target, options, observer);
  }
}

/** A promise that rejects when the signal aborts, unless `forget` was called before. */
function stopped(signal: AbortSignal): { promise: Promise<never>; forget: () => void } {
  let forget: () => void = () => undefined;
  const promise = new Promise<never>((_, reject) => {
    const onAbort = () => reject(signal.reason as Error);
    signal.addEventListener("abort", onAbort, { once: true });
    forget = () => signal.removeEventListener("abort", onAbort);
    if (signal.aborted) onAbort();
  });
  return { promise, forget };
}

/** Resolves when `work` has resolved or rejected, or has taken too long. */
async function ended(work: Promise<unknown>, clock: Clock): Promise<void> {
  const settled = work.then(
    () => undefined,
    () => undefined,
  );
  const late = () => new Error("the step under way takes too long to wait for");
  await withTimeout(clock, stepMsMax, settled, late).catch(() => undefined);
}

/** Reports the scratch databases of other drills, and drops them with `clean`. */
async function tidyUp(
  target: Target,
  { clean, unique }: DrillOptions,
  observer: DrillObserver,
): Promise<void> {
  const own = scratchPrefix(unique);
  const leftovers = (await target.databases()).filter((name) => isScratchDatabase(name, "drill"));
  if (!isScratchDatabase(own, "drill") || leftovers.some((name) => name.startsWith(own))) {
    throw new ThinkbackError("internal", `${unique} does not tell this drill from others`);
  }
  if (leftovers.length === 0) return;
  if (clean) for (const name of leftovers) await target.dropDatabase(name);
  observer.leftovers(leftovers, clean);
}

/** Drops the databases of this drill; reports those that it could not drop. */
async function dropScratch(
  target: Target,
  { unique, clock }: DrillOptions,
  observer: DrillObserver,
): Promise<void> {
  const own = scratchPrefix(unique);
  let left = [`${own}…`];
  const dropAll = async () => {
    left = (await target.databases()).filter((name) => name.startsWith(own));
    while (left.length > 0) {
      await target.dropDatabase(left[0]!);
      left = left.slice(1);
    }
  };
  try {
    await withTimeout(clock, dropMsMax, dropAll(), () => new Error("the target does not answer"));
  } catch (error) {
    observer.notDropped(left, error as Error);
  }
}
