/** The kinds of data objects, and the schema of each kind's index. */
import * as v from "valibot";
import {
  anyObject,
  count,
  fields,
  flag,
  instant,
  isCount,
  list,
  type Of,
  ordinal,
  type Schema,
  text,
} from "./fields.js";
import { segmentFooter } from "./segment.js";

export const bundleFooter = fields({
  /** Id of the repository. */
  repository: text,
  /** Counts the bundles from 1. */
  number: ordinal,
  /** When it was made. */
  at: instant,
});

export const kinds = {
  segment: { code: 1, footer: segmentFooter },
  basePart: { code: 2, footer: anyObject },
  baseKeys: { code: 3, footer: anyObject },
  run: { code: 4, footer: anyObject },
  foldedPart: { code: 5, footer: anyObject },
  foldedRecords: { code: 6, footer: anyObject },
  bundle: { code: 7, footer: bundleFooter },
  operation: { code: 8, footer: anyObject },
  plan: { code: 9, footer: anyObject },
} satisfies Record<string, { code: number; footer: Schema<object> }>;

export type Kind = keyof typeof kinds;
export type FooterOf<K extends Kind> = Of<(typeof kinds)[K]["footer"]>;

export const frameEntry = fields({
  /** Position and length in the object, bytes. */
  offset: count,
  length: count,
  /** Length of the lines, bytes. */
  size: count,
  rows: count,
  /** SHA-256 of the compressed frame, hexadecimal. */
  checksum: text,
  /** Segments only: the table or system stream that all lines of the frame belong to. */
  table: v.exactOptional(text),
  /** In sealed repositories: the lines give the digest of each document in its place. Absent for all other frames. */
  keys: v.exactOptional(flag),
  /** Sorted objects only: JSON text of the first line's key. */
  firstKey: v.exactOptional(text),
  /** Least and greatest `t` in the frame. */
  minTime: v.exactOptional(instant),
  maxTime: v.exactOptional(instant),
});
/** The entry of one frame in the index. */
export type FrameEntry = Of<typeof frameEntry>;

export interface DataIndex<Footer> {
  frames: FrameEntry[];
  footer: Footer;
}

/** The schema of the index of objects of a kind. */
export function indexOf<K extends Kind>(kind: K): Schema<DataIndex<FooterOf<K>>> {
  return indexes[kind] as Schema<DataIndex<FooterOf<K>>>;
}

const sound = v.any();
const unsound = list(frameEntry);
/**
 * Checks the same as `unsound` in a twentieth of the time. That matters because a segment has a frame for each table,
 * while a reader wants those of one.
 */
const frames = v.lazy((value) => (Array.isArray(value) && value.every(isFrame) ? sound : unsound));

const indexes = Object.fromEntries(
  Object.entries(kinds).map(([kind, { footer }]) => [kind, fields({ frames, footer })]),
) as unknown as Record<Kind, Schema>;

/** True if `frameEntry` accepts the value. */
function isFrame(value: unknown): boolean {
  const frame = (value ?? {}) as Partial<FrameEntry>;
  return (
    [frame.offset, frame.length, frame.size, frame.rows].every(isCount) &&
    typeof frame.checksum === "string" &&
    [frame.table, frame.firstKey].every((name) => name === undefined || typeof name === "string") &&
    (frame.keys === undefined || typeof frame.keys === "boolean") &&
    [frame.minTime, frame.maxTime].every((time) => time === undefined || isCount(time))
  );
}
