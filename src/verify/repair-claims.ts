/** Claims that are missing: what one said, the segments of its writer say again. */
import { encodeStored } from "../format/json-object.js";
import { parseSegmentName, parseWriterName, writerName } from "../format/names.js";
import type { ObjectReference } from "../format/segment.js";
import type { Instant } from "../instant.js";
import { claimKind, type EpochClaim, openSegment } from "../repository/log/log.js";
import type { ObjectStore } from "../storage/object-store.js";
import { Findings } from "./findings.js";
import type { Verified } from "./verify.js";

/** The claims that can be said again, of those that are missing. One that is there but damaged is not replaced. */
export async function claimsToRepair(verified: Verified): Promise<EpochClaim[]> {
  const claims: EpochClaim[] = [];
  for (const { object } of verified.report.damage) {
    const epoch = parseWriterName(object);
    if (epoch === undefined || verified.listed.has(object)) continue;
    const said = (await saidBySegments(verified, epoch)) ?? saidByNext(verified, epoch);
    if (said) claims.push(claimOf(epoch, said));
  }
  return claims;
}

/**
 * What was believed when the epoch was claimed is believed again, and nothing else of older epochs. The claims between
 * the segment that it continues and itself may be withdrawn, whether they came late or not: those that came in time shut
 * out nothing that this one does not shut out, too.
 */
function claimOf(epoch: number, { started, previous }: Said): EpochClaim {
  const last = previous && parseSegmentName(previous.name);
  const claim = { epoch, started, host: "unknown", process: 0, unique: "repaired" };
  // What the epoch continues was expired, and with it all that counts of older ones.
  if (!last || last.epoch === epoch) return { ...claim, previous: null };
  const withdraws: number[] = [];
  for (let between = last.epoch + 1; between < epoch; between += 1) withdraws.push(between);
  return { ...claim, previous, ...(withdraws.length > 0 ? { withdraws } : {}) };
}

export async function repairClaim(store: ObjectStore, claim: EpochClaim): Promise<void> {
  await store.put(writerName(claim.epoch), encodeStored(claimKind, claim));
}

interface Said {
  started: Instant;
  previous: ObjectReference | null;
}

/** The first segment of an epoch follows the one that its claim names. */
async function saidBySegments(
  { listed, manifests, small }: Verified,
  epoch: number,
): Promise<Said | undefined> {
  const isFirst = (sequence: number, previous: ObjectReference | null) => {
    // Where the first one was expired, all that the claim shuts out was expired too.
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

/** Where nothing is left of what an epoch wrote, the next one continues what this one did, or what was expired. */
function saidByNext({ listed, manifests, small }: Verified, epoch: number): Said | undefined {
  const next = small.claims.find((claim) => claim.epoch === epoch + 1);
  const last = next?.previous && parseSegmentName(next.previous.name);
  const isLeft =
    listed.names("log/").some((name) => parseSegmentName(name)?.epoch === epoch) ||
    [...manifests.folded.values()].some(
      ({ said }) => said.first.epoch <= epoch && epoch <= said.last.epoch,
    );
  const isLost = last?.epoch === epoch && last.to > (small.expiry?.logTo ?? -1);
  if (!next || isLeft || isLost) return undefined;
  return { started: next.started, previous: next.previous };
}
