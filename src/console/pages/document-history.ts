/** The history of a document as the API answers it, with every value as it is stored. */
import { StoredJson, type StoredPath } from "../parts/stored-json.js";

export interface Version {
  /** Of this version among all that were answered. */
  id: string;
  captured: string;
  kind: string;
  /** The undo or rewind that has written it. */
  operation: { id: string; type: string } | null;
  /** The fields in which it differs from the version before; none where there was no document before or after. */
  fields: StoredPath[];
  /** Null for none. */
  document: StoredJson | null;
  /** It is older than the stretch that was asked for, and what the stretch began with. */
  isEarlier: boolean;
}

export interface Lacking {
  from: string;
  to: string;
  class: string;
  reason: string | null;
  resolutionMs: number | null;
}

export interface DocumentHistory {
  table: string;
  to: string;
  /** The newest first. */
  versions: Version[];
  lacking: Lacking[];
  proven: { from: string; to: string; complete: boolean } | null;
}

/** @param text the answer of the API */
export function readHistory(text: string): DocumentHistory {
  const answer = StoredJson.of(text);
  const of = <T>(name: string) => answer.field(name)!.parsed<T>();
  const versions = answer.field("versions")!.items.map((one, i) => versionOf(one, `${i}`, false));
  const earlier = answer.field("earlier")!;
  if (earlier.kind === "object") versions.unshift(versionOf(earlier, "earlier", true));
  return {
    table: of("table"),
    to: of("to"),
    versions: versions.reverse(),
    lacking: of("lacking"),
    proven: of("proven"),
  };
}

function versionOf(one: StoredJson, id: string, isEarlier: boolean): Version {
  const document = one.field("document")!;
  return {
    id,
    captured: one.field("captured")!.parsed(),
    kind: one.field("kind")!.parsed(),
    operation: one.field("operation")?.parsed<Version["operation"]>() ?? null,
    fields: one
      .field("fields")!
      .items.map((field) => field.field("path")!.items.map(({ text }) => text)),
    document: document.kind === "null" ? null : document,
    isEarlier,
  };
}

/** A line of the list. */
export type Line =
  | { is: "version"; at: string; version: Version }
  /** From here back to `from` not every version is known or kept. */
  | { is: "lacking"; at: string; lacking: Lacking }
  /** Nothing after this is proven; null: nothing at all is. */
  | { is: "unproven"; at: string | null; isOld: boolean }
  /** Nothing before this is proven. */
  | { is: "begin"; at: string };

/**
 * The versions, the newest first, with what is lacking at its place: a stretch stands above the versions that were
 * captured in it.
 */
export function linesOf({ versions, lacking, proven, to }: DocumentHistory): Line[] {
  const lines: Line[] = [
    ...lacking.map((one): Line => ({ is: "lacking", at: one.to, lacking: one })),
    ...(proven === null || proven.to < to
      ? [{ is: "unproven", at: proven?.to ?? null, isOld: isOld(proven?.to, to) } satisfies Line]
      : []),
    ...(proven ? [{ is: "begin", at: proven.from } satisfies Line] : []),
    ...versions.map((version): Line => ({ is: "version", at: version.captured, version })),
  ];
  const top = (line: Line) => line.at ?? "~";
  // What is equal stays in the order above: a stretch that ends with a version stands above it.
  return lines.sort((a, b) => (top(a) < top(b) ? 1 : top(a) > top(b) ? -1 : 0));
}

/** What a capture that is well has proven is some seconds old at most. */
const provenMsMax = 60_000;
const isOld = (proven: string | undefined, to: string) =>
  proven === undefined || Date.parse(to) - Date.parse(proven) > provenMsMax;

/** The last instant at which a version was not there yet. */
export const instantBefore = (captured: string): number => Date.parse(captured) - 1;
