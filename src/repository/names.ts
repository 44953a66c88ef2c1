import type { Instant } from "../instant.js";

/**
 * Names of stored objects: sortable, fixed width, and carrying the range of what is inside, so that listing is
 * querying. docs/format.md §2.
 */
export const repositoryName = "repository.json";

const width = { epoch: 8, instant: 15, sequence: 10, part: 6 } as const;

const pad = (value: number, digits: number) => String(value).padStart(digits, "0");

export const writerName = (epoch: number) => `writers/${pad(epoch, width.epoch)}.json`;

/** The epoch of a claim's name; undefined for any other name. */
export function parseWriterName(name: string): number | undefined {
  const match = /^writers\/(\d{8})\.json$/.exec(name);
  return match ? Number(match[1]) : undefined;
}

/** What a segment's name says. */
export interface SegmentName {
  name: string;
  epoch: number;
  /** The closed interval of capture times that the segment covers. */
  from: Instant;
  to: Instant;
  /** Counts the segments of an epoch from 1, without a gap. */
  sequence: number;
}

export function segmentName(epoch: number, from: Instant, to: Instant, sequence: number): string {
  const range = `${pad(from, width.instant)}-${pad(to, width.instant)}`;
  return `log/${pad(epoch, width.epoch)}/${range}-${pad(sequence, width.sequence)}.zst`;
}

export function parseSegmentName(name: string): SegmentName | undefined {
  const match = /^log\/(\d{8})\/(\d{15})-(\d{15})-(\d{10})\.zst$/.exec(name);
  if (!match) return undefined;
  const [epoch, from, to, sequence] = match.slice(1).map(Number) as [
    number,
    number,
    number,
    number,
  ];
  return { name, epoch, from, to, sequence };
}

/** Prefix of everything of one base. The epoch tells apart bases that two writers make of the same instant. */
export function basePrefix(table: string, instant: Instant, unique: string): string {
  return `bases/${table}/${pad(instant, width.instant)}-${unique}/`;
}

export const basePartName = (prefix: string, part: number) =>
  `${prefix}part-${pad(part, width.part)}.zst`;
export const baseKeysName = (prefix: string, part: number) =>
  `${prefix}part-${pad(part, width.part)}.keys.zst`;
export const baseManifestName = (prefix: string) => `${prefix}manifest.json`;

/** The table and instant of a base manifest's name; undefined for any other name. */
export function parseManifestName(
  name: string,
): { name: string; table: string; instant: Instant } | undefined {
  const match = /^bases\/([A-Za-z0-9-]+)\/(\d{15})-[a-z0-9]+\/manifest\.json$/.exec(name);
  return match ? { name, table: match[1]!, instant: Number(match[2]) } : undefined;
}

/** Evidence of a missed change, found at the version of `table` with this time and sequence. */
export function evidenceName(table: string, at: Instant, sequence: number): string {
  return `evidence/${table}/${pad(at, width.instant)}-${pad(sequence, width.sequence)}.json`;
}

/** A note on the hole of `table` that has this interval. */
export function acknowledgementName(table: string, from: Instant, to: Instant): string {
  return `acknowledged/${table}/${pad(from, width.instant)}-${pad(to, width.instant)}.json`;
}

/** The proof of a drill that ended at `ended`. */
export function drillName(ended: Instant, unique: string): string {
  return `drills/${pad(ended, width.instant)}-${unique}.json`;
}
