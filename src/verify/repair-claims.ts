/** Rebuilds missing epoch claims from the segments of their writers, which repeat what the claims said. */
import { encodeStored } from "../format/json-object.js";
import { parseSegmentName, parseWriterName, writerName } from "../format/names.js";
import type { ObjectReference } from "../format/segment.js";
import type { Instant } from "../instant.js";
import { claimKind, type EpochClaim, rebuiltUnique } from "../repository/log/claims.js";
import { openSegment } from "../repository/log/log.js";
import type { ObjectStore } from "../storage/object-store.js";
import { Findings } from "./findings.js";
import type { Verified } from "./verify.js";

/** The missing claims that can be rebuilt. A claim that is there but damaged is not replaced. */
export async function claimsToRepair(verified: Verified): Promise<EpochClaim[]> {
  const claims: EpochClaim[] = [];
  for (const { object } of verified.report.damage) {
    const epoch = parseWriterName(object);
    if (epoch === undefined || verified.listed.has(object)) continue;
    const facts = (await knownBySegments(verified, epoch)) ?? knownByNext(verified, epoch);
    if (facts) claims.push(claimOf(epoch, facts));
  }
  return claims;
}

/**
 * The rebuilt claim. With it, readers believe the same segments of older epochs as when the epoch was claimed, and no
 * others. It withdraws all claims between the segment that it continues and itself, whether they came late or not:
 * those that came in time shut out nothing that this claim does not shut out too.
 */
function claimOf(epoch: number, { started, previous }: Known): EpochClaim {
  const last = previous && parseSegmentName(previous.name);
  const claim = {
    epoch,
    started,
    host: "unknown",
    process: 0,
    space: "unknown",
    unique: rebuiltUnique,
  };
  // What the epoch continues was expired, and with it all of older epochs that counts.
  if (!last || last.epoch === epoch) return { ...claim, previous: null };
  const withdraws: number[] = [];
  for (let between = last.epoch + 1; between < epoch; between += 1) withdraws.push(between);
  return { ...claim, previous, ...(withdraws.length > 0 ? { withdraws } : {}) };
}

export async function repairClaim(store: ObjectStore, claim: EpochClaim): Promise<void> {
  await store.put(writerName(claim.epoch), encodeStored(claimKind, claim));
}

interface Known {
  started: Instant;
  previous: ObjectReference | null;
}

/** What the claim said, by the first segment of its epoch: that follows the segment which the claim names. */
async function knownBySegments(
  { listed, manifests, small }: Verified,
  epoch: number,
): Promise<Known | undefined> {
  const isFirst = (sequence: number, previous: ObjectReference | null) => {
    // Where the first segment was expired, all that the claim shuts out was expired too, and a later one will do.
    const before = previous && parseSegmentName(previous.name);
    return sequence === 1 || (before && before.to <= (small.expiry?.logTo ?? -1));
  };
  for (const { manifest } of manifests.folded.values()) {
    if (manifest?.first.epoch !== epoch) continue;
    const { first, previous, from } = manifest;
    if (isFirst(first.sequence, previous)) return { started: from, previous };
  }
  const earliest = listed.names("log/").find((name) => parseSegmentName(name)?.epoch === epoch);
  const segment = earliest && (await new Findings().during(() => openSegment(listed, earliest)));
  if (!segment) return undefined;
  const { sequence, from, previous } = segment.index.footer;
  return isFirst(sequence, previous) ? { started: from, previous } : undefined;
}

/**
 * What the claim said, by the next claim: where nothing is left of what an epoch wrote, the next epoch continues the
 * same segment, or one that was expired. Undefined if the next claim does not tell.
 */
function knownByNext({ listed, manifests, small }: Verified, epoch: number): Known | undefined {
  const next = small.claims.find((claim) => claim.epoch === epoch + 1);
  const last = next?.previous && parseSegmentName(next.previous.name);
  const isLeft =
    listed.names("log/").some((name) => parseSegmentName(name)?.epoch === epoch) ||
    [...manifests.folded.values()].some(
      ({ parsed }) => parsed.first.epoch <= epoch && epoch <= parsed.last.epoch,
    );
  const isLost = last?.epoch === epoch && last.to > (small.expiry?.logTo ?? -1);
  if (!next || isLeft || isLost) return undefined;
  return { started: next.started, previous: next.previous };
}
