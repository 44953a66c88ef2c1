/** The life of a process that captures: it waits for its turn, captures, and begins again where it can. */
import type { Clock } from "../clock.js";
import { isFenced } from "../errors.js";
import type { Repository } from "../format/description.js";
import type { WriterMayRun } from "../repository/log/claim-epoch.js";
import type { Wish } from "../repository/registers/handovers.js";
import type { Source } from "../rethinkdb/source.js";
import { failureOf } from "../storage/object-store.js";
import { beginAgain } from "./begin-again.js";
import { Capture, incomplete } from "./capture.js";
import type { CaptureObserver, CaptureOptions } from "./capture-options.js";
import { isKept, LogLost } from "./own-log.js";
import { hasSuccessor, standBy } from "./stand-by.js";
import { isTransient } from "./transient.js";

/** What all of a process goes by. */
interface Setting {
  source: Source;
  repository: Repository;
  clock: Clock;
  observer: CaptureObserver;
  signal: AbortSignal;
  /** The writer that had fallen silent when this process began last, and could not. */
  silent: WriterMayRun | undefined;
}

/**
 * Captures until the signal aborts, or another process goes on; with `standby` only until the signal aborts.
 * @returns the process that goes on, if this one was asked to end for one
 */
export async function runCapture(
  source: Source,
  repository: Repository,
  clock: Clock,
  options: CaptureOptions,
  observer: CaptureObserver,
  signal: AbortSignal,
): Promise<Wish | undefined> {
  const setting: Setting = { source, repository, clock, observer, signal, silent: undefined };
  let next = await inTurn(setting, options);
  while (!signal.aborted && (standsBy(options) || (next && (await isForNobody(setting, next))))) {
    // Where the repository is away nobody goes on either: it is an error, unless this process stands by.
    if (!standsBy(options)) await options.reopen();
    next = await inTurn(setting, afterwards(options));
  }
  return next;
}

const standsBy = ({ standby, isShared }: CaptureOptions) => standby && isShared?.() !== true;

/** True if the process that this one has ended for does not go on. */
async function isForNobody(setting: Setting, next: Wish): Promise<boolean> {
  const { repository, clock, observer, signal } = setting;
  const isFollowed = hasSuccessor(repository.store, clock, next.epoch, signal);
  // A store that is away, or a signal, ends the waiting: whoever has asked was there a moment ago.
  if (await isFollowed.catch(() => true)) return false;
  observer.nobodyGoesOn(next);
  return true;
}

/** Who has begun meanwhile is not shut out. */
const afterwards = (options: CaptureOptions): CaptureOptions => {
  return { ...options, takeOver: false, gone: undefined, forgetServers: [] };
};

/** How long a process that stands by waits before it tries again what has failed. */
const standbyPauseMs = 5000;

/** Captures when it is this process's turn. With `standby` it is no error if another one is faster, or shuts it out. */
async function inTurn(setting: Setting, options: CaptureOptions): Promise<Wish | undefined> {
  try {
    return await captureOnce(setting, options);
  } catch (error) {
    if (!standsBy(options) || !mayPass(error)) throw error;
    const { clock, observer, signal } = setting;
    observer.beginsLater(error as Error);
    await clock.sleep(standbyPauseMs, signal).catch(() => undefined);
    return undefined;
  }
}

/** The store or the source is away, or another one captures. */
export function mayPass(error: unknown): boolean {
  return isFenced(error) || isTransient(error) || failureOf(error) === "unavailable";
}

/** Captures in one epoch, and in further ones if what it has stored is lost. */
async function captureOnce(setting: Setting, options: CaptureOptions): Promise<Wish | undefined> {
  const { source, clock, observer, signal } = setting;
  let capture = await begin(setting, options).catch((error: unknown) => {
    if (!signal.aborted) throw error;
  });
  if (!capture) {
    // Stopped while it waited for another writer.
    if (options.once) throw incomplete("stopped before every table had a complete base");
    return undefined;
  }
  for (;;) {
    try {
      return await capture.run(signal);
    } catch (error) {
      if (!(error instanceof LogLost) || signal.aborted) throw error;
      observer.logLost(error);
      const another = afterwards(options);
      const beginAt = async (place: Repository) => {
        const isLost = !(await isKept(place.store, error.end.segment.name));
        const lost = isLost ? error.end : undefined;
        return Capture.begin(source, place, clock, another, observer, signal, { lost });
      };
      const waits = (reason: Error) => observer.beginsLater(reason);
      const beginning = beginAgain({ open: options.reopen, begin: beginAt, waits }, clock, signal);
      capture = await beginning.catch((failure) => {
        throw signal.aborted ? error : failure;
      });
      observer.beginsAgain();
    }
  }
}

async function begin(setting: Setting, options: CaptureOptions): Promise<Capture> {
  const { source, repository, clock, observer, signal } = setting;
  const { store } = repository;
  const { owner, reopen } = options;
  const isThere = () =>
    reopen().then(
      () => true,
      () => false,
    );
  const isWaiting = standsBy(options) && !options.takeOver;
  const silent = isWaiting
    ? await standBy(store, isThere, clock, owner, observer, signal, setting.silent)
    : options.gone;
  setting.silent = silent;
  return Capture.begin(source, repository, clock, options, observer, signal, { silent });
}
