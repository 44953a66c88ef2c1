/** The pieces that the log is read from: folded segments, and single segments where there are no folded ones. */
import type { UnusableObject } from "../../errors.js";
import type { FoldedName, Place } from "../../format/names.js";
import type { Instant } from "../../instant.js";
import type { FoldedManifest } from "./folded.js";

/** A folded segment that is used in place of the segments that it stands for. */
export interface FoldedPiece {
  kind: "folded";
  name: string;
  from: Instant;
  to: Instant;
  first: Place;
  last: Place;
  manifest: FoldedManifest;
  /** Versions up to and including this instant are read from the piece before; -1 if there is no piece before. */
  after: Instant;
  /** The tables with a lost part, each with the error. */
  damage: Map<string, UnusableObject>;
}

export interface SegmentPiece {
  kind: "segment";
  name: string;
  from: Instant;
  to: Instant;
  first: Place;
  last: Place;
}

export type LogPiece = FoldedPiece | SegmentPiece;

/** A folded segment that cannot be used, and why. */
export interface DamagedManifest {
  name: FoldedName;
  error: UnusableObject;
}
