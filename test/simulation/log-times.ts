/**
 * What virtual moment an instant of the log is. Capture times come from a clock that jumps, and never go back; so each time
 * that a writer gives is noted beside the moment at which it gave it. Between two of them time went on, also where the
 * writer stood still: that is what makes a standstill show.
 */
import { LogWriter } from "../../src/repository/log/log-writer.js";

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

  /**
   * The moment at which `instant` passed for the writer of `epoch`: nothing that it was given later has a label up to
   * then. Undefined before its first time.
   */
  momentOf(epoch: number, instant: number): number | undefined {
    const samples = this.epochs.get(epoch) ?? [];
    let [low, high] = [0, samples.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (samples[middle]!.time <= instant) low = middle + 1;
      else high = middle;
    }
    const last = samples[low - 1];
    if (!last) return undefined;
    const next = samples[low]?.atMs ?? Infinity;
    return Math.min(last.atMs + instant - last.time, next);
  }
}

let listening: LogTimes | undefined;
const own = methodsOf(LogWriter.prototype);

LogWriter.prototype.stamp = function (this: LogWriter) {
  const given = own.stamp.call(this);
  listening?.note(this.epoch, given.time);
  return given;
};

LogWriter.prototype.mark = function (this: LogWriter) {
  const mark = own.mark.call(this);
  listening?.note(this.epoch, mark);
  return mark;
};

LogWriter.prototype.closeTick = function (this: LogWriter, facts) {
  const closed = own.closeTick.call(this, facts);
  listening?.note(this.epoch, closed.to);
  return closed;
};

function methodsOf({ stamp, mark, closeTick }: Pick<LogWriter, "stamp" | "mark" | "closeTick">) {
  return { stamp, mark, closeTick };
}

/** From now on the times of all writers are noted here. One simulation at a time. */
export function listenToLogTimes(times: LogTimes): void {
  listening = times;
}
