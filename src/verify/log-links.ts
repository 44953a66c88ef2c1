/** Checks that the segments of the log name each other correctly, and finds out which are missing between them. */
import { type FoldedName, parseFoldedName, parseSegmentName, writerName } from "../format/names.js";
import type { ObjectReference } from "../format/segment.js";
import { type EpochClaim } from "../repository/log/claims.js";
import { openSegment, type Segment } from "../repository/log/log.js";
import { type LogHole, type LogView, previousOf } from "../repository/log/log-view.js";
import type { LogPiece } from "../repository/log/pieces.js";
import { byPlaceInLog } from "../repository/log/places.js";
import type { ListedStore } from "../storage/listed-store.js";
import { Findings } from "./findings.js";
import type { Manifests } from "./manifests.js";
import { directoryOf } from "./object-kinds.js";
import { commonSpans, type Span, spansWithout } from "./spans.js";

export class LogLinks {
  /** By a segment's name: the checksum that another object names for it, and that object's name. */
  private readonly named = new Map<string, { checksum: string; by: string }>();
  private last: Segment | undefined;

  constructor(
    claims: EpochClaim[],
    { folded }: Manifests,
    private readonly findings: Findings,
  ) {
    for (const { epoch, previous } of claims) {
      if (previous) this.name(previous, writerName(epoch));
    }
    for (const [by, { manifest }] of folded) {
      if (manifest?.previous) this.name(manifest.previous, by);
      if (manifest) this.name(manifest.lastSegment, by);
    }
  }

  /** Checks the next segment. Call it for all segments that can be opened, in the order of the log. */
  next(segment: Segment): void {
    const { findings, last } = this;
    const { name, checksum } = segment;
    const { epoch, sequence, previous, links } = segment.index.footer;
    const named = this.named.get(name);
    if (named && named.checksum !== checksum) {
      findings.add(name, `it is not the object that ${named.by} names`);
    }
    const before = previous && parseSegmentName(previous.name);
    if (!previous || !before) {
      if (last || sequence > 1)
        findings.add(name, "it names no segment before it, but is not the first");
    } else if (previous.name === last?.name) {
      if (previous.checksum !== last.checksum) {
        findings.add(last.name, `it is not the object that ${name} follows`);
      }
    } else {
      const isNext = before.epoch === epoch && before.sequence + 1 === sequence;
      const isFirst = sequence === 1 && before.epoch < epoch;
      if (!isNext && !isFirst) findings.add(name, `it cannot follow ${previous.name}`);
      this.name(previous, name);
    }
    for (const link of Object.values(links)) {
      const target = link === null ? undefined : parseSegmentName(link);
      if (link !== null && (!target || byPlaceInLog(target, { epoch, sequence }) >= 0)) {
        findings.add(name, `its link ${link} is not before it`);
      }
    }
    this.last = segment;
  }

  private name({ name, checksum }: ObjectReference, by: string): void {
    const known = this.named.get(name);
    if (!known) this.named.set(name, { checksum, by });
    else if (known.checksum !== checksum) {
      this.findings.add(by, `it names ${name} with another checksum than ${known.by} does`);
    }
  }
}

/** Adds findings for what is missing in the log, named as exactly as the rest of the log allows. */
export async function findMissing(
  view: LogView,
  store: ListedStore,
  findings: Findings,
): Promise<void> {
  for (const hole of view.holes()) {
    if (hole.table !== undefined) continue;
    for (const manifest of lostManifests(store)) {
      if (commonSpans([hole], [parseFoldedName(manifest)!]).length === 0) continue;
      findings.add(manifest, "it is missing, although its parts are there");
    }
    // What a damaged folded segment was made of may have been deleted on purpose, so it is not reported as missing.
    const folded = damagedFolded(findings);
    for (const span of spansWithout([hole], folded)) {
      if (folded.some((one) => beginsLog(one) && span.to < one.from)) continue;
      const { object, what } = await nameHole(view, hole, span);
      const named = parseSegmentName(object);
      if (named && commonSpans([named], folded).length > 0) continue;
      findings.add(object, what, span);
    }
  }
}

/** True if it begins the log, so that nothing can be missing before it. */
function beginsLog({ first }: FoldedName): boolean {
  return first.epoch === 1 && first.sequence === 1;
}

function damagedFolded(findings: Findings): FoldedName[] {
  return findings
    .all()
    .map(({ object }) => parseFoldedName(`${directoryOf(object)}manifest.json`))
    .filter((parsed) => parsed !== undefined);
}

async function nameHole(
  view: LogView,
  hole: LogHole,
  span: Span,
): Promise<{ object: string; what: string }> {
  const next = view.pieces.find(({ from }) => from === span.to + 1);
  const last = view.pieces.findLast(({ to }) => to < hole.from)?.last;
  const previous = next && (await previousOfPiece(view, next));
  const missing = previous && parseSegmentName(previous);
  if (!missing || (last && byPlaceInLog(missing, last) <= 0)) {
    return { object: hole.missing, what: "it is missing" };
  }
  const first = last?.epoch === missing.epoch ? last.sequence + 1 : 1;
  const count = missing.sequence - first;
  const before = last && last.epoch < missing.epoch - 1 ? "all of the log" : `${count} more`;
  const more = count > 0 || before.startsWith("all") ? `, and ${before} right before it` : "";
  return { object: missing.name, what: `it is missing${more}` };
}

async function previousOfPiece(view: LogView, piece: LogPiece): Promise<string | undefined> {
  if (piece.kind === "folded") return previousOf(piece)?.name;
  const opened = await new Findings().during(() => openSegment(view.store, piece.name));
  return opened && previousOf(opened)?.name;
}

/** Names of manifests that are missing, although parts of their folded segments are there. */
function lostManifests(store: ListedStore): Set<string> {
  const lost = new Set<string>();
  for (const name of store.names("folded/")) {
    const manifest = `${directoryOf(name)}manifest.json`;
    if (!store.has(manifest) && parseFoldedName(manifest)) lost.add(manifest);
  }
  return lost;
}
