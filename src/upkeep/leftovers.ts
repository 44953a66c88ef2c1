/**
 * Objects whose manifest is not there: a process that was cut short has left them, or a process that is still at work
 * has just written them. The objects do not tell which, so whatever may still be published stays.
 */

import { parseCopyUnique } from "../format/names.js";
import type { Instant } from "../instant.js";
import type { EpochClaim } from "../repository/log/claims.js";
import type { LogEnd } from "../repository/log/log-end.js";
import type { LogView } from "../repository/log/log-view.js";
import { unendedLeases } from "../repository/registers/lease.js";
import type { ObjectStore } from "../storage/object-store.js";

/** True for an instant that is at least a grace time ago, if every restore under way began after it. */
export type IsPast = (at: Instant) => boolean;

/** At most so many claims are missing from a listing: a greater number is not an epoch, but part of a fold's name. */
const epochsBehindMax = 100;

export class Leftovers {
  /** Answers of mayBePublished, by prefix. */
  private readonly known = new Map<string, boolean>();

  private readonly store: ObjectStore;
  private readonly claims: EpochClaim[];
  /** Names of the folds that may not have ended; read only if something is left over. */
  private folds: Promise<ReadonlySet<string>> | undefined;

  constructor(
    { claims, store }: LogView,
    /** Where leases are. */
    private readonly common: ObjectStore,
    /** The end of the log; asked for only if something is left over. */
    private readonly end: () => Promise<LogEnd | undefined>,
    private readonly isPast: IsPast,
    private readonly now: Instant,
    /** Name of a fold that writes nothing more, though its lease has not ended. */
    private readonly ended: string | undefined,
  ) {
    this.store = store;
    this.claims = claims;
  }

  /**
   * True if what lies below `prefix` may still get a manifest, or has one that was not listed.
   * @param leaving manifests that are about to be deleted: they do not count
   */
  async mayBePublished(
    prefix: string,
    leaving: ReadonlyMap<string, unknown> = new Map(),
  ): Promise<boolean> {
    let known = this.known.get(prefix);
    if (known === undefined) {
      const manifest = `${prefix}manifest.json`;
      const isThere = !leaving.has(manifest) && (await this.store.size(manifest)) !== undefined;
      known = isThere || (await this.isUnderWay(/([a-z0-9]+)\/$/.exec(prefix)![1]!));
      this.known.set(prefix, known);
    }
    return known;
  }

  /** When the writer of an epoch ended in order: it copies nothing any more. Undefined if it may still run. */
  private async closedAt(epoch: number): Promise<Instant | undefined> {
    const end = await this.end();
    return end?.epoch === epoch && end.closed ? end.to : undefined;
  }

  /** True if the copy or fold of this name may still be published. */
  private async isUnderWay(unique: string): Promise<boolean> {
    const epoch = parseCopyUnique(unique);
    const latest = this.claims.at(-1)?.epoch ?? 0;
    if (epoch !== undefined && epoch <= latest + epochsBehindMax) {
      const next = this.claims.find((claim) => claim.epoch > epoch);
      const endedAt = next ? next.started : await this.closedAt(epoch);
      if (endedAt === undefined || !this.isPast(endedAt)) return true;
    }
    // A process may append to its fold's name for some of what it makes.
    this.folds ??= unendedLeases(this.common, this.now);
    const folds = [...(await this.folds)].filter((fold) => fold !== this.ended);
    return folds.some((fold) => unique.startsWith(fold));
  }
}
