/**
 * The log as it is stored: folded segments where there are some, and single segments elsewhere. A listing may be stale,
 * so this code never takes it as complete. What proves that no piece is missing is the chain of numbers and checksums.
 */
import { damaged, UnusableObject } from "../../errors.js";
import {
  type FoldedName,
  type Place,
  parseSegmentName,
  type SegmentName,
} from "../../format/names.js";
import type { Instant } from "../../instant.js";
import { readsAtOnce, severalAtOnce } from "../../several-at-once.js";
import type { ObjectStore } from "../../storage/object-store.js";
import { type Expiry, latestExpiry } from "../registers/expiry.js";
import { addClaimsUpTo, type EpochClaim, isDisowned, listClaims } from "./claims.js";
import { type FoldedManifest, foldedNames, readFoldedManifest } from "./folded.js";
import { listSegments, openSegment, type Segment } from "./log.js";
import { choosePieces } from "./log-cover.js";
import type { DamagedManifest, FoldedPiece, LogPiece } from "./pieces.js";
import { byPlaceInLog, follows } from "./places.js";

/** A stretch of the log whose versions are lost, of all tables or of one. */
export interface LogHole {
  from: Instant;
  to: Instant;
  /** The one table that it concerns; absent if it concerns all. */
  table?: string;
  /** Names the first missing object, as far as its name is known. */
  missing: string;
  /** A text that says what is wrong and names an object. */
  reason: string;
}

export interface LogViewOptions {
  /** An earlier view of the same store. Objects do not change, so the manifests that it has read are used again. */
  earlier?: LogView | undefined;
  /** Epochs whose claims are about to be withdrawn. */
  withdrawn?: number[];
  /** The expiry to use in place of the stored one. */
  expiry?: Expiry;
}

/** The content of a view, without the store that it was read from. */
export interface ReadLog {
  /** In the order of the log. */
  readonly pieces: LogPiece[];
  readonly claims: EpochClaim[];
  /** The expiry that counts; undefined if nothing was expired. */
  readonly expiry: Expiry | undefined;
  /** All segments and folded segments that are believed, including those that a folded segment stands for. */
  readonly believed: { segments: SegmentName[]; folded: FoldedName[] };
  /** Manifests of folded segments that cannot be used. */
  readonly damaged: DamagedManifest[];
  /** Holes that a chain skips, see `passing`. */
  readonly passed?: readonly LogHole[];
}

/** The same log, but its chains skip the holes in `passed`, as if nothing had been captured in them. */
export function passing(log: ReadLog, passed: readonly LogHole[]): ReadLog {
  const isPassed = (piece: FoldedPiece, table: string) =>
    passed.some((hole) => hole.table === table && hole.from === piece.from && hole.to === piece.to);
  const pieces = log.pieces.map((piece) => {
    if (piece.kind === "segment") return piece;
    return [...piece.damage.keys()]
      .filter((table) => isPassed(piece, table))
      .reduce(withoutTable, piece);
  });
  return { ...log, pieces, passed };
}

export class LogView {
  /** @param store where the objects of `read` are read from */
  constructor(
    readonly store: ObjectStore,
    readonly read: ReadLog,
  ) {}

  get pieces(): LogPiece[] {
    return this.read.pieces;
  }

  get claims(): EpochClaim[] {
    return this.read.claims;
  }

  get expiry(): Expiry | undefined {
    return this.read.expiry;
  }

  get believed(): ReadLog["believed"] {
    return this.read.believed;
  }

  get damaged(): DamagedManifest[] {
    return this.read.damaged;
  }

  static async read(store: ObjectStore, options: LogViewOptions = {}): Promise<LogView> {
    const { earlier, withdrawn = [] } = options;
    const claims = await listClaims(store);
    const latestClaim = claims.at(-1);
    if (latestClaim && withdrawn.length > 0) {
      const withdraws = [...(latestClaim.withdraws ?? []), ...withdrawn];
      claims[claims.length - 1] = { ...latestClaim, withdraws };
    }
    const expiry = options.expiry ?? (await latestExpiry(store));
    const kept = ({ to }: { to: Instant }) => to > (expiry?.logTo ?? -1);
    const sizes = new Map<string, number>();
    for await (const { name, size } of store.list("folded/")) sizes.set(name, size);
    const segments = (await listSegments(store, claims)).filter(kept);
    const listed = foldedNames(sizes.keys());
    const latest = listed.reduce((epoch, { last }) => Math.max(epoch, last.epoch), 0);
    await addClaimsUpTo(store, latest, claims);
    const isUsable = (one: FoldedName) =>
      kept(one) && !Object.hasOwn(expiry?.folded ?? {}, one.name) && !isDisowned(one.last, claims);
    const folded = listed.filter(isUsable);
    const known = new Map<string, FoldedManifest>();
    for (const piece of earlier?.pieces ?? []) {
      if (piece.kind === "folded") known.set(piece.name, piece.manifest);
    }
    const read = (name: FoldedName) => known.get(name.name) ?? readFoldedManifest(store, name);
    const chosen = await choosePieces(read, segments, folded, sizes);
    return new LogView(store, { ...chosen, claims, expiry, believed: { segments, folded } });
  }

  /** The last instant that the log holds; undefined if it holds nothing. */
  get to(): Instant | undefined {
    return this.pieces.at(-1)?.to;
  }

  /** The epoch in whose log `instant` lies. */
  epochAt(instant: Instant): number | undefined {
    const piece = this.pieces.findLast(({ from }) => from <= instant);
    if (!piece) return undefined;
    if (piece.kind === "segment") return piece.last.epoch;
    const { epochs } = piece.manifest;
    return (epochs.find(({ to }) => to >= instant) ?? epochs.at(-1))?.epoch;
  }

  /**
   * An instant, in the log's own time, by which the writer of an epoch had certainly written: the end of the epoch in
   * the first kept piece that holds some of it. Undefined if no piece does.
   */
  wroteBy(epoch: number): Instant | undefined {
    const piece = this.pieces.find(
      ({ first, last }) => first.epoch <= epoch && epoch <= last.epoch,
    );
    if (piece?.kind !== "folded") return piece?.to;
    return piece.manifest.epochs.find((one) => one.epoch === epoch)?.to;
  }

  /** The holes of the log: between pieces, in folded segments, and at the ends of epochs. */
  holes(): LogHole[] {
    const holes: LogHole[] = [];
    const expiredTo = Math.max(0, this.expiry?.logTo ?? 0);
    let before: LogPiece | undefined;
    for (const piece of this.pieces) {
      const missing = missingBetween(before, piece, this.expiry);
      if (missing) holes.push(this.hole((before?.to ?? expiredTo) + 1, piece.from - 1, missing));
      if (piece.kind === "folded") {
        for (const [table, { object, message }] of piece.damage) {
          const { from, to } = piece;
          holes.push({ from, to, table, missing: object, reason: message });
        }
      }
      before = piece;
    }
    return [...holes, ...this.lostTails()];
  }

  /** A hole. If a damaged folded segment lies in it, the hole names that and not the segments that it stood for. */
  private hole(from: Instant, to: Instant, missing: string): LogHole {
    const broken = this.damaged.find(({ name }) => name.from <= to && from <= name.to)?.error;
    const reason = broken?.message ?? `object ${missing} is missing`;
    return { from, to, missing: broken?.object ?? missing, reason };
  }

  /** Holes at the ends of epochs: a claim names the last segment that it continues, and that segment is missing. */
  private lostTails(): LogHole[] {
    const holes: LogHole[] = [];
    for (const { previous } of this.claims) {
      const last = previous && parseSegmentName(previous.name);
      if (!last || last.to <= (this.expiry?.logTo ?? -1)) continue;
      // A later claim continues an earlier segment.
      if (isDisowned(last, this.claims)) continue;
      if (this.pieces.some((piece) => contains(piece, last))) continue;
      const before = this.pieces.findLast((piece) => byPlaceInLog(piece.last, last) < 0);
      holes.push(this.hole((before?.to ?? last.from - 1) + 1, last.to, last.name));
    }
    return holes;
  }

  /**
   * Yields the pieces that hold versions captured after `after` and up to `until`, in order. Each is proven to follow
   * the one before by number and checksum. Throws if one is missing, or is not the one that its successor names.
   */
  async *chain(after: Instant, until: Instant): AsyncGenerator<Segment | FoldedPiece> {
    await this.checkNoneMissing(after, until);
    let before: { name: string; checksum: string } | undefined;
    const wanted = this.pieces.filter(({ from, to }) => to > after && from <= until);
    const opening = severalAtOnce(wanted, readsAtOnce, async (piece) => {
      return { piece, opened: await this.open(piece) };
    });
    for await (const { piece, opened } of opening) {
      await this.checkFollows(before, previousOf(opened), piece, after);
      before = lastOf(opened);
      yield opened;
    }
  }

  private async open(piece: LogPiece): Promise<Segment | FoldedPiece> {
    return piece.kind === "folded" ? piece : openSegment(this.store, piece.name);
  }

  /** Throws unless `piece` follows `before`; for the first piece, unless what precedes it ends at or before `after`. */
  private async checkFollows(
    before: { name: string; checksum: string } | undefined,
    previous: { name: string; checksum: string } | null,
    piece: LogPiece,
    after: Instant,
  ): Promise<void> {
    if (before === undefined) {
      const precedes = previous === null ? undefined : parseSegmentName(previous.name);
      if (precedes === undefined || precedes.to <= after) return;
      if (this.passesOver(after, piece.from)) return;
      throw await this.missing(previous!.name);
    }
    if (previous === null) throw damaged(piece.name, `it does not continue ${before.name}`);
    if (previous.name !== before.name) {
      const named = parseSegmentName(previous.name);
      const last = parseSegmentName(before.name)!;
      // Two folded segments overlap, so nothing is missing between them.
      if (piece.kind === "folded" && named && byPlaceInLog(named, last) < 0) return;
      if (named && this.passesOver(last.to, piece.from)) return;
      throw await this.missing(previous.name);
    }
    if (previous.checksum !== before.checksum) {
      throw damaged(before.name, `it is not the object that ${piece.name} follows`);
    }
  }

  /**
   * Throws if pieces that hold versions captured after `after` and up to `until` are missing right before the first
   * piece after `until`. The chain up to `until` cannot show that, because only that later piece names them.
   */
  async checkNoneMissing(after: Instant, until: Instant): Promise<void> {
    const at = this.pieces.findIndex(({ from }) => from > until);
    const [last, next] = [this.pieces[at - 1], this.pieces[at]];
    if (!next || next.from - 1 <= after || (last && last.to >= until)) return;
    if (last && follows(last.last, next.first)) return;
    const opened = next.kind === "folded" ? next : await openSegment(this.store, next.name);
    const previous = previousOf(opened);
    const precedes = previous && parseSegmentName(previous.name);
    if (!precedes || (last && byPlaceInLog(precedes, last.last) <= 0)) return;
    if (precedes.to <= after || this.passesOver(last?.to ?? after, next.from)) return;
    throw await this.missing(previous.name);
  }

  /** True if a hole that chains skip lies between two instants. */
  private passesOver(after: Instant, before: Instant): boolean {
    return (this.read.passed ?? []).some(
      ({ table, from, to }) => table === undefined && to > after && from < before,
    );
  }

  /** The error for a missing segment. If a damaged folded segment stood for it, the error names the folded segment. */
  async missing(name: string): Promise<UnusableObject> {
    const segment = parseSegmentName(name);
    const broken = this.damaged.find(
      ({ name: folded }) => segment && contains(folded, segment),
    )?.error;
    if (broken) return broken;
    const present = (await this.store.size(name).catch(() => undefined)) !== undefined;
    return damaged(name, present ? "it is out of its place in the log" : "it is missing");
  }
}

/** The piece without anything of the table. */
function withoutTable(piece: FoldedPiece, table: string): FoldedPiece {
  const damage = new Map([...piece.damage].filter(([id]) => id !== table));
  const tables = piece.manifest.tables.filter((one) => one.table !== table);
  return { ...piece, damage, manifest: { ...piece.manifest, tables } };
}

/**
 * True unless the segment of that name is lost: it is stored, or a folded segment stands for it, or it was expired.
 * Throws if the log cannot be read.
 */
export async function isAccountedFor(store: ObjectStore, name: string): Promise<boolean> {
  if ((await store.size(name)) !== undefined) return true;
  const segment = parseSegmentName(name);
  if (!segment) return false;
  const { pieces, expiry } = await LogView.read(store);
  return segment.to <= (expiry?.logTo ?? -1) || pieces.some((piece) => contains(piece, segment));
}

/** The reference to the segment before a piece; null for the first of the repository. */
export function previousOf(piece: Segment | FoldedPiece) {
  return "manifest" in piece ? piece.manifest.previous : piece.index.footer.previous;
}

/** The last segment of a piece: the one that the next segment names as its `previous`. */
export function lastOf(piece: Segment | FoldedPiece) {
  return "manifest" in piece ? piece.manifest.lastSegment : piece;
}

/** True if the piece holds the segment at `place`. */
export function contains(piece: Pick<LogPiece, "first" | "last">, place: Place): boolean {
  return byPlaceInLog(piece.first, place) <= 0 && byPlaceInLog(place, piece.last) <= 0;
}

/** Names the first segment that is missing between two neighbours, by their numbers; undefined if none is. */
function missingBetween(
  before: LogPiece | undefined,
  piece: LogPiece,
  expiry: Expiry | undefined,
): string | undefined {
  const { epoch, sequence } = piece.first;
  if (before && byPlaceInLog(piece.first, before.last) <= 0) return undefined;
  // What precedes the first piece was expired. The chain shows whether more is missing.
  if (!before && expiry && piece.from <= expiry.logTo + 1) return undefined;
  const next = before?.last.epoch === epoch ? before.last.sequence + 1 : 1;
  if (sequence === next) return undefined;
  return `log/${String(epoch).padStart(8, "0")}/… number ${next}`;
}
