/** What kinds of data objects there are, and what the index of each says. */
import * as v from "valibot";
import {
  anyObject,
  count,
  fields,
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
  /** Counts the bundles. */
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
  /** Segments only: the table all lines of the frame belong to. */
  table: v.exactOptional(text),
  /** Sorted objects only: JSON text of the first line's key. */
  firstKey: v.exactOptional(text),
  /** Least and greatest `t` in the frame. */
  minTime: v.exactOptional(instant),
  maxTime: v.exactOptional(instant),
});
/** What the index says of one frame. */
export type FrameEntry = Of<typeof frameEntry>;

export interface DataIndex<Footer> {
  frames: FrameEntry[];
  footer: Footer;
}

/** What the index of an object of a kind says. */
export function indexOf<K extends Kind>(kind: K): Schema<DataIndex<FooterOf<K>>> {
  return indexes[kind] as Schema<DataIndex<FooterOf<K>>>;
}

const sound = v.any();
const unsound = list(frameEntry);
/** The same as `unsound` says, in a twentieth of the time: a segment has a frame of each table, and is read for one of them. */
const frames = v.lazy((value) => (Array.isArray(value) && value.every(isFrame) ? sound : unsound));

const indexes = Object.fromEntries(
  Object.entries(kinds).map(([kind, { footer }]) => [kind, fields({ frames, footer })]),
) as unknown as Record<Kind, Schema>;

/** True for what `frameEntry` takes. */
function isFrame(value: unknown): boolean {
  const frame = (value ?? {}) as Partial<FrameEntry>;
  return (
    [frame.offset, frame.length, frame.size, frame.rows].every(isCount) &&
    typeof frame.checksum === "string" &&
    [frame.table, frame.firstKey].every((of) => of === undefined || typeof of === "string") &&
    [frame.minTime, frame.maxTime].every((of) => of === undefined || isCount(of))
  );
}
