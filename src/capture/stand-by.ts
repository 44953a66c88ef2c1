/**
 * Waits as long as another capture runs: until it has ended for nobody, or has stored nothing for so long that it is
 * gone.
 */
import type { Clock } from "../clock.js";
import { writerName } from "../format/names.js";
import { isGone, type Owner } from "../owner.js";
import { WriterMayRun } from "../repository/log/claim-epoch.js";
import { listClaims } from "../repository/log/claims.js";
import { newestSegment, openSegment } from "../repository/log/log.js";
import { endOfLog } from "../repository/log/log-end.js";
import { LogView } from "../repository/log/log-view.js";
import { isHandedOver } from "../repository/registers/handovers.js";
import { failureOf, type ObjectStore } from "../storage/object-store.js";
import { silenceOf } from "./wait-for-writer.js";

export interface StandbyObserver {
  /** Another capture runs: this one goes on when that one has ended, or has stored nothing for so long. */
  standsBy(writer: { host: string; process: number }, ms: number): void;
  /** The capture before is gone: this one goes on after its last proof, with a gap. */
  goesOnAfter(gone: { host: string; process: number }): void;
  /** This capture goes on in this lane no more: another process does. */
  hasHandedOver(to: { host: string; process: number }): void;
  /** This capture has ended for a process that has not gone on: it goes on itself. */
  nobodyGoesOn(asked: { host: string; process: number }): void;
}

/** How often the log is listed; in a store that charges for requests a little more rarely. */
const lookEveryMs = 5000;
const lookChargedMs = 15_000;
/** How long the process that a capture has ended for is given to go on. */
const successorMs = 60_000;
const successorPollMs = 500;

/**
 * Resolves when no other capture runs, as far as anybody can tell. It is told that one runs unless that is the writer
 * that is known to be silent, and as long as it stores nothing.
 * @param known the writer that was found silent the last time
 * @param isThere false while the repository is away, or another one is in its place: then nothing can be told
 * @returns the writer that has stored nothing, if it has not closed its log
 * @throws the signal's reason if that aborts first
 */
export async function standBy(
  store: ObjectStore,
  isThere: () => Promise<boolean>,
  clock: Clock,
  owner: Owner,
  observer: StandbyObserver,
  signal: AbortSignal,
  known?: WriterMayRun,
): Promise<WriterMayRun | undefined> {
  let silent: Silent | undefined;
  for (;;) {
    while (!(await isThere())) {
      silent = undefined;
      await clock.sleep(lookMsIn(store), signal);
    }
    const claim = (await listClaims(store)).at(-1);
    if (!claim) return undefined;
    const end = await endOfLog(await LogView.read(store));
    const last = end?.epoch === claim.epoch ? end : undefined;
    if (last?.closed) {
      const isHanded = await isHandedOver(store, claim.epoch);
      if (isHanded && (await hasSuccessor(store, clock, claim.epoch, signal))) continue;
      return undefined;
    }
    if (isGone(owner, claim)) return undefined;
    const may = new WriterMayRun(claim, last, last?.to ?? claim.started, false);
    if (silent?.epoch === claim.epoch && silent.newest === last?.name) return may;
    const isNews = !known?.isStillAt(claim, last);
    silent = await untilSilent(store, clock, may, isNews, observer, signal);
  }
}

const lookMsIn = ({ chargesRequests }: ObjectStore) =>
  chargesRequests ? lookChargedMs : lookEveryMs;

/** A writer that has stored nothing for long after its newest segment, if it has stored any. */
interface Silent {
  epoch: number;
  newest: string | undefined;
}

/**
 * Resolves when the writer stores nothing more; with undefined if it has closed its log.
 * @param isNews false while nobody is to be told of the writer
 */
async function untilSilent(
  store: ObjectStore,
  clock: Clock,
  may: WriterMayRun,
  isNews: boolean,
  observer: StandbyObserver,
  signal: AbortSignal,
): Promise<Silent | undefined> {
  const { claim, last } = may;
  const silentMs = silenceOf(may);
  if (isNews) observer.standsBy(claim, silentMs);
  let isTold = isNews;
  let known = last?.name;
  let endMs = clock.monotonicMs() + silentMs;
  while (clock.monotonicMs() < endMs) {
    await clock.sleep(lookMsIn(store), signal);
    const newest = await newestSegment(store, claim.epoch, known, signal).catch(
      (error: unknown) => {
        // A store that is away says nothing of the writer.
        if (failureOf(error) !== "unavailable") throw error;
        endMs = clock.monotonicMs() + silentMs;
        return known;
      },
    );
    if (newest === undefined || newest === known) continue;
    if (!isTold) observer.standsBy(claim, silentMs);
    isTold = true;
    known = newest;
    endMs = clock.monotonicMs() + silentMs;
    if ((await openSegment(store, newest)).index.footer.closed) return undefined;
  }
  return { epoch: claim.epoch, newest: known };
}

/** True once the process that the writer of an epoch has ended for goes on; false if it does not. */
export async function hasSuccessor(
  store: ObjectStore,
  clock: Clock,
  epoch: number,
  signal: AbortSignal,
): Promise<boolean> {
  const endMs = clock.monotonicMs() + successorMs;
  while (clock.monotonicMs() < endMs) {
    if ((await store.size(writerName(epoch + 1))) !== undefined) return true;
    await clock.sleep(successorPollMs, signal);
  }
  return false;
}
