/** The ids of points. Nothing else is named like one: an id means the one point, whatever marks and pins are called. */
import { sha256 } from "../digest.js";
import type { Instant } from "../instant.js";
import type { BurstKind } from "./burst-counts.js";

/** What an id says by itself. */
export type PointId =
  | { of: "catalog" }
  | { of: "burst"; kind: BurstKind; from: Instant }
  | { of: "mark" | "pin" | "operation" | "drill"; key: string };

/** Undefined for any other text. */
export function parsePointId(text: string): PointId | undefined {
  if (/^(?:drop|dropdb|rename|index|hook|config)-[0-9a-f]{6}$/.test(text)) return { of: "catalog" };
  const burst = /^(deletes|overwrites)-([0-9a-z]{7,9})-[0-9a-f]{6}$/.exec(text);
  if (burst) {
    const [, kind, from] = burst as unknown as [string, BurstKind, string];
    return { of: "burst", kind, from: Number.parseInt(from, 36) };
  }
  const mark = /^mark-([0-9a-f]{8})$/.exec(text);
  if (mark) return { of: "mark", key: mark[1]! };
  const operation = /^(?:undo|rewind)-([0-9a-f]{8})$/.exec(text);
  if (operation) return { of: "operation", key: operation[1]! };
  const drill = /^drill-([0-9a-f]{12})$/.exec(text);
  if (drill) return { of: "drill", key: drill[1]! };
  const pin = /^pin-([a-z0-9][a-z0-9-]*)$/.exec(text);
  return pin ? { of: "pin", key: pin[1]! } : undefined;
}

export const isPointId = (text: string) => parsePointId(text) !== undefined;

export const operationPointId = ({ id, type }: { id: string; type: string }) =>
  `${type === "rewind" ? "rewind" : "undo"}-${id}`;

/**
 * The id of a burst. It holds its time, so that nothing needs to be counted again to know when it was, and digits by
 * which one that is mistyped, or is of another repository, is told from one that `points` has given.
 */
export function burstId(kind: BurstKind, table: string, from: Instant): string {
  const check = sha256(Buffer.from(`${kind} ${table} ${from}`)).slice(0, 6);
  return `${kind}-${from.toString(36)}-${check}`;
}
