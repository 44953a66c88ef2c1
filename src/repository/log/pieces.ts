/** What the log is read from: folded segments, and single segments where there are none. */
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
  /** What lies up to here the piece before it holds too, and is read there; -1 if there is none. */
  after: Instant;
  /** Tables of which a part is lost. */
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

/** A manifest of a folded segment that cannot be used. */
export interface DamagedManifest {
  name: FoldedName;
  error: UnusableObject;
}
