/**
 * What was written for a manifest that is not there: left over by who was cut short, or written by somebody who is still
 * at work. Nobody can tell the two apart by looking, so what may still be published stays.
 */

import { parseCopyUnique } from "../format/names.js";
import type { Instant } from "../instant.js";
import type { EpochClaim } from "../repository/log/log.js";
import type { LogView } from "../repository/log/log-view.js";
import { unendedLeases } from "../repository/registers/lease.js";
import type { ObjectStore } from "../storage/object-store.js";

/** True for an instant that is a grace time ago, and before which nobody began who still reads. */
export type IsPast = (at: Instant) => boolean;

/** No list of claims is so many writers behind. */
const epochsBehindMax = 100;

export class Leftovers {
  /** What is known of prefixes. */
  private readonly known = new Map<string, boolean>();

  private readonly store: ObjectStore;
  private readonly claims: EpochClaim[];
  /** What the names of folds have that may not have ended; read where something is left over. */
  private folds: Promise<ReadonlySet<string>> | undefined;

  constructor(
    { claims, store }: LogView,
    private readonly isPast: IsPast,
    private readonly now: Instant,
    /** Names a fold that writes nothing more, though its lease has not ended. */
    private readonly ended: string | undefined,
  ) {
    this.store = store;
    this.claims = claims;
  }

  /**
   * True if what lies below `prefix` may have a manifest yet; or has one that is not listed, unless that is `leaving`.
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

  /** True if what is named so may still be published: by the writer who copies, or by the fold. */
  private async isUnderWay(unique: string): Promise<boolean> {
    const epoch = parseCopyUnique(unique);
    const latest = this.claims.at(-1)?.epoch ?? 0;
    if (epoch !== undefined && epoch <= latest + epochsBehindMax) {
      const next = this.claims.find((claim) => claim.epoch > epoch);
      if (!next || !this.isPast(next.started)) return true;
    }
    // Some of what a fold makes has more behind what tells it apart.
    this.folds ??= unendedLeases(this.store, this.now);
    const folds = [...(await this.folds)].filter((fold) => fold !== this.ended);
    return folds.some((fold) => unique.startsWith(fold));
  }
}
