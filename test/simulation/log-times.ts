/**
 * What virtual moment an instant of the log is. Capture times come from a wall clock that jumps, and never go back; so
 * each time that a writer gives is noted beside the moment at which it gave it.
 */
import { LogWriter } from "../../src/repository/log-writer.js";

interface Sample {
  atMs: number;
  time: number;
}

export class LogTimes {
  private readonly epochs = new Map<number, Sample[]>();

  constructor(private readonly nowMs: () => number) {}

  note(epoch: number, time: number): void {
    let samples = this.epochs.get(epoch);
    if (!samples) this.epochs.set(epoch, (samples = []));
    samples.push({ atMs: this.nowMs(), time });
  }

  /** The last moment at which the writer of `epoch` gave a time at or before `instant`; undefined before its first. */
  momentOf(epoch: number, instant: number): number | undefined {
    const samples = this.epochs.get(epoch) ?? [];
    let [low, high] = [0, samples.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (samples[middle]!.time <= instant) low = middle + 1;
      else high = middle;
    }
    return samples[low - 1]?.atMs;
  }
}

let listening: LogTimes | undefined;
const own = methodsOf(LogWriter.prototype);

LogWriter.prototype.stamp = function (this: LogWriter) {
  const given = own.stamp.call(this);
  listening?.note(this.epoch, given.time);
  return given;
};

LogWriter.prototype.closeTick = function (this: LogWriter, facts) {
  const closed = own.closeTick.call(this, facts);
  listening?.note(this.epoch, closed.to);
  return closed;
};

function methodsOf({ stamp, closeTick }: Pick<LogWriter, "stamp" | "closeTick">) {
  return { stamp, closeTick };
}

/** From now on the times of all writers are noted here. One simulation at a time. */
export function listenToLogTimes(times: LogTimes): void {
  listening = times;
}
