import type { Instant } from "../instant.js";

/**
 * Names of stored objects. Their numbers have a fixed width, so names sort in the order of what they name. A name says
 * which range its object holds, so that a listing answers most questions. docs/format.md §2.
 */
export const repositoryName = "repository.json";

const width = { epoch: 8, instant: 15, sequence: 10, part: 6, number: 10, resolution: 12 } as const;

const pad = (value: number, digits: number) => String(value).padStart(digits, "0");

/** Of all lanes but lane 0, whose objects lie beside this prefix. */
export const lanesPrefix = "lanes/";
/** Of a lane from 1 on. Below it lie the same names as in a repository of its own. */
export const lanePrefix = (lane: number) => `${lanesPrefix}${lane}/`;

/** The lane in the name of one of its objects; undefined for any other name. */
export function parseLaneName(name: string): number | undefined {
  const match = /^lanes\/([1-9]\d{0,3})\//.exec(name);
  return match ? Number(match[1]) : undefined;
}

export const writerName = (epoch: number) => `writers/${pad(epoch, width.epoch)}.json`;

/** The epoch in the name of an epoch claim; undefined for any other name. */
export function parseWriterName(name: string): number | undefined {
  const match = /^writers\/(\d{8})\.json$/.exec(name);
  return match ? Number(match[1]) : undefined;
}

/** The content of a segment's name. */
export interface SegmentName {
  name: string;
  epoch: number;
  /** The closed interval of capture times that the segment covers. */
  from: Instant;
  to: Instant;
  /** Counts the segments of an epoch from 1, without a gap. */
  sequence: number;
}

/** Of the segments of an epoch. */
export const segmentPrefix = (epoch: number) => `log/${pad(epoch, width.epoch)}/`;

export function segmentName(epoch: number, from: Instant, to: Instant, sequence: number): string {
  const range = `${pad(from, width.instant)}-${pad(to, width.instant)}`;
  return `${segmentPrefix(epoch)}${range}-${pad(sequence, width.sequence)}.zst`;
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

/**
 * The prefix of all objects of one base. `unique` tells apart bases that several processes make of the same instant.
 */
export function basePrefix(table: string, instant: Instant, unique: string): string {
  return `bases/${table}/${pad(instant, width.instant)}-${unique}/`;
}

/**
 * The `unique` of a copy's base: it tells a writer's copies apart from each other, from other writers', and from folds.
 */
export const copyUnique = (epoch: number, copy: number) => `${epoch.toString(36)}c${copy}`;

/** The epoch whose writer made the copy with this `unique`; undefined if it is not a copy's. */
export function parseCopyUnique(unique: string): number | undefined {
  const match = /^([a-z0-9]+)c\d+$/.exec(unique);
  return match ? Number.parseInt(match[1]!, 36) : undefined;
}

export const basePartName = (prefix: string, part: number) =>
  `${prefix}part-${pad(part, width.part)}.zst`;
export const baseKeysName = (prefix: string, part: number) =>
  `${prefix}part-${pad(part, width.part)}.keys.zst`;
export const baseManifestName = (prefix: string) => `${prefix}manifest.json`;

/** The table and instant in the name of a base manifest; undefined for any other name. */
export function parseManifestName(
  name: string,
): { name: string; table: string; instant: Instant } | undefined {
  const match = /^bases\/([A-Za-z0-9-]+)\/(\d{15})-[a-z0-9]+\/manifest\.json$/.exec(name);
  return match ? { name, table: match[1]!, instant: Number(match[2]) } : undefined;
}

/** The base directory that a stored object lies in: its prefix, table and `unique`; undefined for other names. */
export function parseBasePrefix(
  name: string,
): { prefix: string; table: string; unique: string } | undefined {
  const match = /^bases\/([A-Za-z0-9-]+)\/\d{15}-([a-z0-9]+)\//.exec(name);
  return match ? { prefix: match[0], table: match[1]!, unique: match[2]! } : undefined;
}

/** Evidence of a missed change, found at the version of `table` with this time and sequence. */
export function evidenceName(table: string, at: Instant, sequence: number): string {
  return `evidence/${table}/${pad(at, width.instant)}-${pad(sequence, width.sequence)}.json`;
}

/** A note on the gap of `table` from `from` to `to`. */
export function acknowledgementName(table: string, from: Instant, to: Instant): string {
  return `acknowledged/${table}/${pad(from, width.instant)}-${pad(to, width.instant)}.json`;
}

/** A place in the log. Segments are in the order of epochs, and within an epoch of sequence numbers. */
export interface Place {
  epoch: number;
  sequence: number;
}

/** The content of a folded segment's name: which segments it stands for. */
export interface FoldedName {
  /** The name of its manifest. */
  name: string;
  /** The closed interval of capture times of those segments. */
  from: Instant;
  to: Instant;
  first: Place;
  last: Place;
  /** It keeps the last version of each key in each span of this many ms; 1 if it keeps every version. */
  resolutionMs: number;
}

/** The prefix of all objects of one folded segment. */
export function foldedPrefix(segment: Omit<FoldedName, "name">, unique: string): string {
  const range = `${pad(segment.from, width.instant)}-${pad(segment.to, width.instant)}`;
  const place = ({ epoch, sequence }: Place) =>
    `${pad(epoch, width.epoch)}.${pad(sequence, width.sequence)}`;
  const resolution = pad(segment.resolutionMs, width.resolution);
  return `folded/${range}-${place(segment.first)}-${place(segment.last)}-${resolution}-${unique}/`;
}

export const foldedManifestName = (prefix: string) => `${prefix}manifest.json`;
/** A part of a folded segment: versions of a table, or records of a system stream. */
export const foldedPartName = (prefix: string, stream: string, part: number) =>
  `${prefix}${stream}-${pad(part, width.part)}.zst`;

/** The content of the name of a folded segment's manifest; undefined for any other name. */
export function parseFoldedName(name: string): FoldedName | undefined {
  const match =
    /^folded\/(\d{15})-(\d{15})-(\d{8})\.(\d{10})-(\d{8})\.(\d{10})-(\d{12})-[a-z0-9]+\/manifest\.json$/.exec(
      name,
    );
  if (!match) return undefined;
  const [from, to, firstEpoch, firstSequence, lastEpoch, lastSequence, resolutionMs] = match
    .slice(1)
    .map(Number) as [number, number, number, number, number, number, number];
  return {
    name,
    from,
    to,
    first: { epoch: firstEpoch, sequence: firstSequence },
    last: { epoch: lastEpoch, sequence: lastSequence },
    resolutionMs,
  };
}

/** The name of one object of a numbered chain, see numbered.ts. */
export function numberedName(prefix: string, number: number): string {
  return `${prefix}${pad(number, width.number)}.json`;
}

/** The number in the name of an object of the chain under `prefix`; undefined for any other name. */
export function parseNumberedName(prefix: string, name: string): number | undefined {
  const match = /^(\d{10})\.json$/.exec(name.startsWith(prefix) ? name.slice(prefix.length) : "");
  return match ? Number(match[1]) : undefined;
}

export const bundlePrefix = "bundles/";
export const bundleName = (number: number) => `${bundlePrefix}${pad(number, width.number)}.zst`;

/** The number in the name of a bundle; undefined for any other name. */
export function parseBundleName(name: string): number | undefined {
  const match = /^bundles\/(\d{10})\.zst$/.exec(name);
  return match ? Number(match[1]) : undefined;
}

/** Of the key sets of a sealed repository. */
export const keysPrefix = "keys/";
export const settingsPrefix = "settings/";
export const expiryPrefix = "expiries/";
export const ratesPrefix = "rates/";
export const foldLeasePrefix = "leases/fold/";
export const pinsPrefix = "pins/";
export const alarmsPrefix = "alarms/";
export const holdPrefix = (unique: string) => `holds/${unique}-`;

export const membersPrefix = "members/";
export const memberPrefix = (unique: string) => `${membersPrefix}${unique}-`;

/** Which process an object under members/ is of, and its number; undefined for any other name. */
export function parseMemberName(name: string): { unique: string; number: number } | undefined {
  const match = /^members\/([a-z0-9]+)-(\d{10})\.json$/.exec(name);
  return match ? { unique: match[1]!, number: Number(match[2]) } : undefined;
}

/** Of the wishes to go on after the writer of an epoch, and of its answers. */
export const handoverPrefix = (epoch: number) => `handovers/${pad(epoch, width.epoch)}-`;
export const wishName = (epoch: number, unique: string) =>
  `${handoverPrefix(epoch)}${unique}.wish.json`;
export const answerName = (epoch: number, unique: string) =>
  `${handoverPrefix(epoch)}${unique}.answer.json`;

/** What an object under handovers/ is, and of which epoch's writer; undefined for any other name. */
export function parseHandoverName(
  name: string,
): { epoch: number; unique: string; kind: "wish" | "answer" } | undefined {
  const match = /^handovers\/(\d{8})-([a-z0-9]+)\.(wish|answer)\.json$/.exec(name);
  if (!match) return undefined;
  const [, epoch, unique, kind] = match as unknown as [string, string, string, "wish" | "answer"];
  return { epoch: Number(epoch), unique, kind };
}

/** The `unique` of the hold to which an object under holds/ belongs; undefined for any other name. */
export function parseHoldName(name: string): string | undefined {
  return /^holds\/([a-z0-9]+)-\d{10}\.json$/.exec(name)?.[1];
}

export const operationsPrefix = "operations/";
/** The prefix of all objects of one round of an operation. */
export const operationPrefix = (made: Instant, id: string, round: number) =>
  `${operationsPrefix}${pad(made, width.instant)}-${id}-${pad(round, width.part)}/`;
export const operationManifestName = (prefix: string) => `${prefix}manifest.json`;
export const operationPartName = (prefix: string, part: number) =>
  `${prefix}part-${pad(part, width.part)}.zst`;
export const operationEndName = (prefix: string) => `${prefix}end.json`;

/** True for the name of a record of what became of a round of an operation. */
export const isOperationEnd = (name: string) => /^operations\/[^/]+\/end\.json$/.test(name);

/** What the name of an operation's manifest says; undefined for any other name. */
export function parseOperationName(
  name: string,
): { prefix: string; made: Instant; id: string; round: number } | undefined {
  const match = /^(operations\/(\d{15})-([0-9a-f]{8})-(\d{6})\/)manifest\.json$/.exec(name);
  if (!match) return undefined;
  return { prefix: match[1]!, made: Number(match[2]), id: match[3]!, round: Number(match[4]) };
}

export const recoveriesPrefix = "recoveries/";
/** Of the events of one recovery. */
export const recoveryPrefix = (id: string) => `${recoveriesPrefix}${id}-`;
/** Of the parts of a plan that was made after the event with this number. */
export const recoveryPlanPartName = (id: string, number: number, part: number) =>
  `${recoveryPrefix(id)}${pad(number, width.number)}/part-${pad(part, width.part)}.zst`;

/** Which recovery an object under recoveries/ is an event of, and its number; undefined for any other name. */
export function parseRecoveryName(name: string): { id: string; number: number } | undefined {
  const match = /^recoveries\/([0-9a-f]{8})-(\d{10})\.json$/.exec(name);
  return match ? { id: match[1]!, number: Number(match[2]) } : undefined;
}

/** The recovery that a part of a plan belongs to; undefined for any other name. */
export function parseRecoveryPlanName(name: string): string | undefined {
  return /^recoveries\/([0-9a-f]{8})-\d{10}\/part-\d{6}\.zst$/.exec(name)?.[1];
}

export const marksPrefix = "marks/";
export const markName = (at: Instant, id: string) =>
  `${marksPrefix}${pad(at, width.instant)}-${id}.json`;

/** What the name of a mark says; undefined for any other name. */
export function parseMarkName(name: string): { at: Instant; id: string } | undefined {
  const match = /^marks\/(\d{15})-([0-9a-f]{8})\.json$/.exec(name);
  return match ? { at: Number(match[1]), id: match[2]! } : undefined;
}

/** Of the tokens of the HTTP API. */
export const tokensPrefix = "tokens/";
export const tokenPrefix = (id: string) => `${tokensPrefix}${id}-`;

/** What the name of an object of a token says; undefined for any other name. */
export function parseTokenName(name: string): { id: string; number: number } | undefined {
  const match = /^tokens\/([0-9a-f]{8})-(\d{10})\.json$/.exec(name);
  return match ? { id: match[1]!, number: Number(match[2]) } : undefined;
}

export const auditPrefix = "audit/";
/** Of an entry of the audit: its instant, the process that wrote it, and how manyeth of that process it is. */
export const auditName = (at: Instant, unique: string, counter: number) =>
  `${auditPrefix}${pad(at, width.instant)}-${unique}-${pad(counter, width.number)}.json`;

/** What all names of entries of that instant begin with, and no name before them. */
export const auditFrom = (at: Instant) => `${auditPrefix}${pad(at, width.instant)}`;

/** What the name of an entry of the audit says; undefined for any other name. */
export function parseAuditName(
  name: string,
): { at: Instant; unique: string; counter: number } | undefined {
  const match = /^audit\/(\d{15})-([0-9a-f]{8})-(\d{10})\.json$/.exec(name);
  if (!match) return undefined;
  return { at: Number(match[1]), unique: match[2]!, counter: Number(match[3]) };
}

/** The name of the record of a drill that ended at `ended`. */
export function drillName(ended: Instant, unique: string): string {
  return `drills/${pad(ended, width.instant)}-${unique}.json`;
}

/** What the name of a drill's record says; undefined for any other name. */
export function parseDrillName(name: string): { ended: Instant; unique: string } | undefined {
  const match = /^drills\/(\d{15})-([0-9a-f]{12})\.json$/.exec(name);
  return match ? { ended: Number(match[1]), unique: match[2]! } : undefined;
}

export const verificationsPrefix = "verifications/";
/** The name of the record of a verification that ended at `ended`. */
export const verificationName = (ended: Instant, unique: string) =>
  `${verificationsPrefix}${pad(ended, width.instant)}-${unique}.json`;

/** What the name of a verification's record says; undefined for any other name. */
export function parseVerificationName(
  name: string,
): { ended: Instant; unique: string } | undefined {
  const match = /^verifications\/(\d{15})-([0-9a-f]{12})\.json$/.exec(name);
  return match ? { ended: Number(match[1]), unique: match[2]! } : undefined;
}
