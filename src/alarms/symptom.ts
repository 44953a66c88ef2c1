import type { Instant } from "../instant.js";
import type { AlarmKind } from "./kinds.js";

/** Something that is wrong now. */
export interface Symptom {
  kind: AlarmKind;
  /** What it is about, where there may be several of a kind: the id of a table, a name; else "". */
  of: string;
  since: Instant;
  /** What happened, for people. */
  text: string;
}

/** All that is wrong now, as far as it can be told. */
export interface Symptoms {
  found: Symptom[];
  /** Kinds of which it cannot be told now whether they are there: another trouble hides them, or causes them. */
  unjudged: ReadonlySet<AlarmKind>;
}

export const keyOf = ({ kind, of }: { kind: string; of: string }) => `${kind} ${of}`;
