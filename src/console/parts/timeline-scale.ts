/** Which time the timeline shows, and where its axis has marks. Pure. */

/** A closed stretch of time, in ms. */
export interface View {
  from: number;
  to: number;
}

/** So much is shown at least: two seconds. */
const spanMsMin = 2000;

export const spanOf = ({ from, to }: View): number => to - from;

/** The view within what there is: as long as before if that fits. */
export function within(view: View, whole: View): View {
  const span = Math.min(Math.max(spanMsMin, spanOf(view)), Math.max(spanMsMin, spanOf(whole)));
  const from = Math.min(Math.max(view.from, whole.from), Math.max(whole.from, whole.to - span));
  return { from, to: from + span };
}

/** Closer by `factor` about an instant, which stays where it is on the screen; farther if the factor is below 1. */
export function zoomed(view: View, factor: number, about: number, whole: View): View {
  const span = Math.max(spanMsMin, spanOf(view) / factor);
  const share = (about - view.from) / spanOf(view);
  const from = about - share * span;
  return within({ from, to: from + span }, whole);
}

export const moved = (view: View, ms: number, whole: View): View =>
  within({ from: view.from + ms, to: view.to + ms }, whole);

/** The view with an instant in it: moved as little as that takes. */
export function showing(view: View, at: number, whole: View): View {
  if (at < view.from) return moved(view, at - view.from, whole);
  return at > view.to ? moved(view, at - view.to, whole) : view;
}

const second = 1000;
const minute = 60 * second;
const hour = 60 * minute;
const day = 24 * hour;

const evenSteps = [
  ...[1, 2, 5, 10, 15, 30].map((count) => count * second),
  ...[1, 2, 5, 10, 15, 30].map((count) => count * minute),
  ...[1, 2, 3, 6, 12].map((count) => count * hour),
  ...[1, 2, 7].map((count) => count * day),
];
/** In months. */
const monthSteps = [1, 3, 6, 12, 24, 60, 120];

export interface Marks {
  at: number[];
  /** How the marks are named: by the year, the month, the day, or the time. */
  by: "year" | "month" | "day" | "minute" | "second";
}

/** Marks in even steps of the calendar in UTC, so many at most. */
export function marksIn(view: View, most: number): Marks {
  const stepMs = evenSteps.find((step) => spanOf(view) / step <= most);
  if (stepMs !== undefined) {
    const by = stepMs < minute ? "second" : stepMs < day ? "minute" : "day";
    return { at: evenly(view, stepMs), by };
  }
  const months = monthSteps.find((step) => spanOf(view) / (step * 30.4 * day) <= most) ?? 240;
  return { at: monthly(view, months), by: months >= 12 ? "year" : "month" };
}

function evenly({ from, to }: View, stepMs: number): number[] {
  const at: number[] = [];
  // The epoch was a Thursday: weeks begin on Monday.
  const shift = stepMs === 7 * day ? 4 * day : 0;
  for (let one = Math.ceil((from - shift) / stepMs) * stepMs + shift; one <= to; one += stepMs) {
    at.push(one);
  }
  return at;
}

function monthly({ from, to }: View, months: number): number[] {
  const at: number[] = [];
  const first = new Date(from);
  let index = Math.floor((first.getUTCFullYear() * 12 + first.getUTCMonth()) / months) * months;
  for (;;) {
    const one = Date.UTC(Math.floor(index / 12), index % 12, 1);
    if (one > to) return at;
    if (one >= from) at.push(one);
    index += months;
  }
}

/** What stands at a mark, in UTC. */
export function markText(at: number, by: Marks["by"]): string {
  const iso = new Date(at).toISOString();
  switch (by) {
    case "year":
      return iso.slice(0, 4);
    case "month":
      return iso.slice(0, 7);
    case "day":
      return iso.slice(0, 10);
    case "minute":
      return iso.slice(11, 16) === "00:00" ? iso.slice(0, 10) : iso.slice(11, 16);
    case "second":
      return iso.slice(11, 19);
  }
}
