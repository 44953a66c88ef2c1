/**
 * Waits until the writer before is known to run or to be gone, where neither its clock nor its process can tell: it may
 * be in another container of the same host name, or on another machine. What it stores tells: a writer that runs stores
 * something at least as often as its claim says.
 */
import type { Clock } from "../clock.js";
import { parseSegmentName, segmentPrefix } from "../format/names.js";
import { silenceMsOf } from "../repository/capture-state.js";
import type { OwnEpoch } from "../repository/log/claim-epoch.js";
import { WriterMayRun } from "../repository/log/claim-epoch.js";
import type { ObjectStore } from "../storage/object-store.js";

/** How often the log is listed meanwhile. */
const lookEveryMs = 2000;

export interface WriterObserver {
  /** The writer before may still run: for so long it is looked whether it stores anything. */
  waitsForWriter(writer: { host: string; process: number }, ms: number): void;
}

/**
 * Claims an epoch, after the writer before has stored nothing for long enough if it may still run.
 * @param claim claims; throws WriterMayRun, or passes over a writer that has stored nothing since it threw
 * @param known the writer, if it has been silent for long enough already
 * @throws {WriterMayRun} if the writer runs; the signal's reason if that aborts first
 */
export async function claimAfterSilence(
  store: ObjectStore,
  clock: Clock,
  claim: (silent: WriterMayRun | undefined) => Promise<OwnEpoch>,
  observer: WriterObserver,
  signal: AbortSignal,
  known?: WriterMayRun,
): Promise<OwnEpoch> {
  let silent = known;
  for (;;) {
    try {
      return await claim(silent);
    } catch (error) {
      if (!(error instanceof WriterMayRun) || error.isCertain) throw error;
      // It has stored something since it was looked at: it runs.
      if (silent) throw error;
      silent = error;
      await untilSilent(store, clock, error, observer, signal);
    }
  }
}

/** How long a writer that runs does not keep silent. */
export const silenceOf = ({ claim }: WriterMayRun) => silenceMsOf(claim);

async function untilSilent(
  store: ObjectStore,
  clock: Clock,
  may: WriterMayRun,
  observer: WriterObserver,
  signal: AbortSignal,
): Promise<void> {
  const { claim, last } = may;
  const silentMs = silenceOf(may);
  observer.waitsForWriter(claim, silentMs);
  const endMs = clock.monotonicMs() + silentMs;
  while (clock.monotonicMs() < endMs) {
    await clock.sleep(lookEveryMs, signal);
    const options = last ? { after: last.name, signal } : { signal };
    for await (const { name } of store.list(segmentPrefix(claim.epoch), options)) {
      if (parseSegmentName(name) && name !== last?.name) throw may;
    }
  }
}
