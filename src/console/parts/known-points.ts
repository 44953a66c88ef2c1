/** The points of the last week, asked for once for all parts of a page that want them. */
import { useEffect } from "preact/hooks";
import type { Point, Points } from "../app/answers.js";
import { type Asked, ask, Problem } from "../app/ask.js";
import { signedIn } from "../app/session.js";
import { Shared, useShared } from "../app/store.js";

/** The log is read for them, so they are asked for again only when they are older. */
const freshMs = 30_000;

interface Known {
  data: Points | undefined;
  error: Problem | undefined;
  isAsking: boolean;
}

const nothing: Known = { data: undefined, error: undefined, isAsking: false };
const known = new Shared<Known>(nothing);
let askedMs = Number.NEGATIVE_INFINITY;

function read(): void {
  askedMs = performance.now();
  known.set({ ...known.value, isAsking: true });
  ask<Points>("/v1/points").then(
    (data) => known.set({ data, error: undefined, isAsking: false }),
    (error: unknown) => {
      askedMs = Number.NEGATIVE_INFINITY;
      const problem = error instanceof Problem ? error : new Problem(0, "defect", String(error));
      known.set({ ...known.value, error: problem, isAsking: false });
    },
  );
}

// Whoever signs in anew is told what the new token may see.
signedIn.onChange(() => {
  askedMs = Number.NEGATIVE_INFINITY;
  known.set(nothing);
});

/** @param isWanted false as long as nobody looks at them: then they are not asked for */
export function useKnownPoints(isWanted = true): Asked<Points> {
  const value = useShared(known);
  const who = useShared(signedIn);
  useEffect(() => {
    if (isWanted && who.state === "in" && performance.now() - askedMs > freshMs) read();
  }, [isWanted, who]);
  return { ...value, again: read };
}

/** The tables that a point is about; empty if it is about everything, or about none. */
export const tablesOf = ({ table, tables }: Point): string[] =>
  tables ?? (table === null ? [] : [table]);

/** The points that may be meant by `before:NAME`: by id, text of a mark, name of a pin, or id of an operation. */
export function pointsCalled(name: string, points: readonly Point[]): Point[] {
  const byId = points.filter(({ id }) => id === name);
  if (byId.length > 0) return byId;
  return points.filter(
    ({ id, kind, text }) =>
      (kind === "mark" && text === name) ||
      (kind === "pin" && id === `pin-${name}`) ||
      ((kind === "undo" || kind === "rewind") && id === `${kind}-${name}`) ||
      (kind === "dropdb" && text === `database ${name} dropped`),
  );
}

/** Pins and drills are about an instant, and stand for that one; before everything else is the instant before it. */
const standsForItself = ({ kind }: Point) => kind === "pin" || kind === "drill";

/** What choosing the point means: "just before: 412 documents deleted in 2 s, shop.orders". */
export function pointText(point: Point): string {
  const { kind, text } = point;
  const tables = tablesOf(point);
  const of = tables.length === 0 ? "" : `, ${tables.slice(0, 3).join(", ")}${tables[3] ? "…" : ""}`;
  if (kind === "pin") return `pin ${text}`;
  if (kind === "mark") return `just before the mark ${text}`;
  return standsForItself(point) ? `${text}${of}` : `just before: ${text}${of}`;
}
