/** How many changes are captured in a second, as two looks of the server tell. */
import { looks } from "../app/live.js";
import { Shared } from "../app/store.js";

export interface Rate {
  perSecond: number;
  /** Between these two looks. */
  since: number;
  to: number;
}

/** Undefined before the second look. */
export const changeRate = new Shared<Rate | undefined>(undefined);

/** A rate is of the last minutes, so that it follows what happens. */
const spanMsMax = 300_000;

let samples: { at: number; changes: number }[] = [];

looks.onChange(() => {
  const { value } = looks;
  if (!value?.status) return;
  const newest = { at: Date.parse(value.now), changes: value.status.changes };
  samples = sampled(samples, newest);
  changeRate.set(rateOf(samples));
});

/** The looks that count with a new one: none from before the sums fell, as they do if another repository is served. */
function sampled(before: typeof samples, newest: (typeof samples)[number]): typeof samples {
  const last = before.at(-1);
  if (last && (newest.changes < last.changes || newest.at < last.at)) return [newest];
  return [...before.filter(({ at }) => newest.at - at <= spanMsMax), newest];
}

function rateOf(all: typeof samples): Rate | undefined {
  const [first, last] = [all[0], all.at(-1)];
  if (!first || !last || last.at <= first.at) return undefined;
  const perSecond = ((last.changes - first.changes) / (last.at - first.at)) * 1000;
  return { perSecond, since: first.at, to: last.at };
}
