/** Closed spans of instants, and arithmetic with lists of them. Lists are in order, without overlap. */
import type { Instant } from "../instant.js";

export interface Span {
  from: Instant;
  to: Instant;
}

/** The same instants in order, each span as long as it can be. */
export function joinSpans(spans: Span[]): Span[] {
  const joined: Span[] = [];
  for (const { from, to } of [...spans].sort((a, b) => a.from - b.from)) {
    const last = joined.at(-1);
    if (from > to) continue;
    if (last && from <= last.to + 1) last.to = Math.max(last.to, to);
    else joined.push({ from, to });
  }
  return joined;
}

/** The instants of `spans` that lie in `others` too. */
export function commonSpans(spans: Span[], others: Span[]): Span[] {
  return joinSpans(
    spans.flatMap((a) =>
      others.map((b) => ({ from: Math.max(a.from, b.from), to: Math.min(a.to, b.to) })),
    ),
  );
}

/** The instants of `spans` that do not lie in `others`. */
export function spansWithout(spans: Span[], others: Span[]): Span[] {
  let left = joinSpans(spans);
  for (const { from, to } of others) {
    left = left.flatMap((span) => [
      { from: span.from, to: Math.min(span.to, from - 1) },
      { from: Math.max(span.from, to + 1), to: span.to },
    ]);
    left = joinSpans(left);
  }
  return left;
}
