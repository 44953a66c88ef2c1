/**
 * Ends the log before what a key has signed that is not to be believed any more, so that others can go on after the
 * rest. What a reader has folded stays: it has signed it itself.
 *
 * Invariant: a log is ended before the key set that removes the key is put. Break it, and for the time between the two
 * nobody can read the log: its claims are not believed, and nothing says that they need not be.
 */
import { randomBytes } from "node:crypto";
import { encodeStored } from "../../format/json-object.js";
import { writerName } from "../../format/names.js";
import type { ObjectReference } from "../../format/segment.js";
import type { Instant } from "../../instant.js";
import { type Owner, spaceOf } from "../../owner.js";
import { readEnd, signerIn } from "../../sealing/sealed-object.js";
import { readsAtOnce, severalAtOnce } from "../../several-at-once.js";
import { ObjectExists, type ObjectStore } from "../../storage/object-store.js";
import { claimKind, type EpochClaim } from "./claims.js";
import { openSegment } from "./log.js";
import { LogView } from "./log-view.js";

/** How often to try again when somebody claims an epoch at the same time. */
const triesMax = 5;

/**
 * Puts a claim that ends the log in a sealed store, if the key has signed claims there that count.
 * @param verify the key, hexadecimal
 * @returns true if it did
 */
export async function endLogOf(
  store: ObjectStore,
  verify: string,
  owner: Owner,
  now: Instant,
): Promise<boolean> {
  for (let tries = 1; ; tries += 1) {
    const view = await LogView.read(store);
    // They are named again: the key may have signed the claim that named them.
    const known = new Set(view.claims.flatMap(({ distrusts = [] }) => distrusts));
    const claims = view.claims.filter(({ epoch }) => !known.has(epoch));
    const signed = await signedBy(verify, claims, store);
    const newest = view.claims.at(-1);
    if (signed.length === 0 || !newest) return false;
    const { include, exclude } = newest;
    const withdraws = signed.flatMap((claim) => claim.withdraws ?? []);
    const claim: EpochClaim = {
      epoch: newest.epoch + 1,
      started: now,
      host: owner.host,
      process: owner.process,
      space: spaceOf(owner),
      unique: randomBytes(8).toString("hex"),
      previous: await endWithout(new Set(signed.map(({ epoch }) => epoch)), view),
      ...(include ? { include } : {}),
      ...(exclude ? { exclude } : {}),
      ...(withdraws.length > 0 ? { withdraws } : {}),
      distrusts: [...known, ...signed.map(({ epoch }) => epoch)],
    };
    try {
      await store.put(writerName(claim.epoch), encodeStored(claimKind, claim));
      return true;
    } catch (error) {
      if (!(error instanceof ObjectExists) || tries === triesMax) throw error;
    }
  }
}

async function signedBy(
  verify: string,
  claims: EpochClaim[],
  { sealing }: ObjectStore,
): Promise<EpochClaim[]> {
  const found: EpochClaim[] = [];
  const reading = severalAtOnce(claims, readsAtOnce, async (claim) => {
    const name = writerName(claim.epoch);
    const bytes = await sealing!.below.get(name);
    return { claim, signer: signerIn(readEnd(name, bytes, bytes.length)) };
  });
  for await (const { claim, signer } of reading) if (signer === verify) found.push(claim);
  return found;
}

/**
 * The segment before the first of these epochs that no reader has folded. What others have written after that one
 * stands on it, and ends with it.
 */
async function endWithout(
  epochs: ReadonlySet<number>,
  { pieces, store }: LogView,
): Promise<ObjectReference | null> {
  const first = pieces.findIndex(({ kind, last }) => kind === "segment" && epochs.has(last.epoch));
  const last = first < 0 ? pieces.at(-1) : pieces[first - 1];
  if (!last) return null;
  const { name, checksum } =
    last.kind === "folded" ? last.manifest.lastSegment : await openSegment(store, last.name);
  return { name, checksum };
}
