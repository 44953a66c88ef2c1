/** Draws an instant to restore by lot. */
import { hasLeft } from "../format/coverage-record.js";
import type { Instant } from "../instant.js";
import type { TableCoverage } from "../repository/coverage/coverage.js";

/** A closed interval. */
export interface Span {
  from: Instant;
  to: Instant;
}

/**
 * The instants to which tables can be restored exactly. With `all`, to which every table can be; otherwise, to which
 * all tables that had been captured by then can be, if there was at least one.
 */
export function exactSpans(tables: TableCoverage[], all: boolean): Span[] {
  const steps = tables.flatMap(stepsOf).sort((a, b) => a.at - b.at);
  const spans: Span[] = [];
  let [exact, other] = [0, 0];
  let from: Instant | undefined;
  for (const [i, step] of steps.entries()) {
    exact += step.exact;
    other += step.other;
    // Several tables may step at the same instant.
    if (steps[i + 1]?.at === step.at) continue;
    const admitted = other === 0 && exact > 0 && (!all || exact === tables.length);
    if (admitted) {
      from ??= step.at;
    } else if (from !== undefined) {
      spans.push({ from, to: step.at - 1 });
      from = undefined;
    }
  }
  return spans;
}

/** By how much, at `at`, the number of exact tables changes, and the number of tables captured but not exact. */
interface Step {
  at: Instant;
  exact: number;
  other: number;
}

function stepsOf({ intervals, frontier, watched, state }: TableCoverage): Step[] {
  const steps = intervals.flatMap(({ from, to, class: of }) => {
    const [exact, other] = of === "exact" ? [1, 0] : [0, 1];
    return [
      { at: from, exact, other },
      { at: to + 1, exact: -exact, other: -other },
    ];
  });
  // After its last proof, a table that still exists cannot be restored.
  const end = intervals.at(-1)?.to ?? frontier;
  if (watched && !hasLeft(state) && end !== undefined) {
    steps.push({ at: end + 1, exact: 0, other: 1 });
  }
  return steps;
}

/** The spans that both lists cover. Each list MUST be in order, without overlap. */
export function commonSpans(a: Span[], b: Span[]): Span[] {
  const common: Span[] = [];
  let [i, j] = [0, 0];
  while (i < a.length && j < b.length) {
    const [one, other] = [a[i]!, b[j]!];
    const both = { from: Math.max(one.from, other.from), to: Math.min(one.to, other.to) };
    if (both.from <= both.to) common.push(both);
    if (one.to < other.to) i += 1;
    else j += 1;
  }
  return common;
}

/**
 * An instant of the spans, drawn so that each is equally likely; undefined if there is none.
 * @param random from 0 to below 1
 */
export function drawInstant(spans: Span[], random: () => number): Instant | undefined {
  const lengths = spans.map(({ from, to }) => to - from + 1);
  let left = Math.floor(random() * lengths.reduce((sum, length) => sum + length, 0));
  for (const [i, { from }] of spans.entries()) {
    if (left < lengths[i]!) return from + left;
    left -= lengths[i]!;
  }
  return undefined;
}
