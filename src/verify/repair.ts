/**
 * Repairs a repository: rebuilds damaged objects under new names from what other objects hold, and expires the damaged
 * ones; a sweep deletes them. What no other object holds is left as it is.
 *
 * Invariant: an object is expired only after all that it held can be read elsewhere. Break it, and putting back a copy
 * of the object, which somebody may have, is of no use any more.
 */
import type { Clock } from "../clock.js";
import { ThinkbackError } from "../errors.js";
import type { LaneOf, Repository } from "../format/description.js";
import { repositoryName, writerName } from "../format/names.js";
import type { Owner } from "../owner.js";
import { renewBundle } from "../repository/bundle-writer.js";
import {
  type Expiry,
  latestExpiry,
  nextExpiry,
  putExpiry,
} from "../repository/registers/expiry.js";
import { withLease } from "../repository/registers/lease.js";
import { RepositoryView } from "../repository/repository-view.js";
import type { ObjectStore } from "../storage/object-store.js";
import { WithoutStore } from "../storage/without-store.js";
import { readPolicy } from "../upkeep/maintain.js";
import { Belonging } from "./belonging.js";
import { restorable } from "./costs.js";
import { Findings } from "./findings.js";
import { manifestsOf } from "./manifests.js";
import { ObjectCheck } from "./object-check.js";
import { kindOf } from "./object-kinds.js";
import {
  type DamagedBase,
  damagedBases,
  isRepairable,
  isWholeBase,
  repairBase,
} from "./repair-bases.js";
import { claimsToRepair, repairClaim } from "./repair-claims.js";
import { type DamagedFolded, damagedFolded, foldAnew, objectsOf } from "./repair-log.js";
import { spansWithout } from "./spans.js";
import {
  type Damage,
  type Verified,
  type VerifyObserver,
  type VerifyReport,
  verify,
} from "./verify.js";

export interface RepairOptions {
  clock: Clock;
  owner: Owner;
  /** Letters and digits that no other object's name has. */
  unique: string;
  /** Read every object to its end to find what is damaged. */
  data: boolean;
  /** Segments younger than this are not folded. */
  settleMs: number;
  observer?: VerifyObserver & { onRows(table: string, rows: number): void };
  /** Set if the store holds one lane of a repository. */
  lane?: LaneOf | undefined;
}

/** What a repair does, or would do, with a damaged object. */
export interface Repaired extends Damage {
  /**
   * "rebuilt": other objects take its place; "not needed": others hold what it held, and it is expired, or a sweep
   * deletes it anyway; "left": no other object holds what it held.
   */
  outcome: "rebuilt" | "not needed" | "left";
  /** Names of the objects that take its place, where it was rebuilt. */
  by: string[];
}

export interface RepairReport {
  repaired: Repaired[];
  /** Names of tables, by id. */
  names: VerifyReport["names"];
}

/** Says what could be repaired, without changing anything. */
export async function planRepair(
  store: ObjectStore,
  options: RepairOptions,
): Promise<RepairReport> {
  const plan = await Repair.begin(store, options);
  const claims = (await claimsToRepair(plan.verified)).map(({ epoch }) => writerName(epoch));
  return plan.report(claims);
}

/** Repairs what can be repaired. Throws, with code "fenced", if another process holds the maintenance lease. */
export function repair(store: ObjectStore, options: RepairOptions): Promise<RepairReport> {
  const { clock, lane, owner, unique } = options;
  return withLease(lane?.root ?? store, clock, owner, unique, async (gone, lease) => {
    const signal = { throwIfAborted: () => lease.check(gone) };
    const first = await verify(store, verifying(options));
    const claims = await claimsToRepair(first);
    for (const claim of claims) {
      signal.throwIfAborted();
      await repairClaim(store, claim);
    }
    const work = await Repair.begin(store, options, claims.length > 0 ? undefined : first);
    await work.rebuild(signal);
    await work.expire(signal);
    await work.renewBundle(signal);
    const names = claims.map(({ epoch }) => writerName(epoch));
    const ofClaims = first.report.damage.filter(({ object }) => names.includes(object));
    const report = work.report(names);
    const rebuilt = ofClaims.map((damage) => ({
      ...damage,
      outcome: "rebuilt" as const,
      by: [damage.object],
    }));
    return { ...report, repaired: [...rebuilt, ...report.repaired] };
  });
}

/** Throws unless the lease is still held; checked before each step that other processes see. */
type Held = Pick<AbortSignal, "throwIfAborted">;

const verifying = ({ data, lane, observer }: RepairOptions) => ({
  share: data ? 1 : 0,
  random: () => 0,
  lane,
  ...(observer ? { observer } : {}),
});

class Repair {
  /** Names of manifests and bundles that can be rebuilt; and of those that were, with what took their place. */
  private readonly repairable = new Set<string>();
  private readonly rebuilt = new Map<string, string[]>();
  private isDone = false;

  private constructor(
    private readonly store: ObjectStore,
    private readonly options: RepairOptions,
    readonly verified: Verified,
    private readonly damaged: ReadonlySet<string>,
    private readonly folded: DamagedFolded[],
    private readonly bases: DamagedBase[],
  ) {}

  static async begin(
    store: ObjectStore,
    options: RepairOptions,
    known?: Verified,
  ): Promise<Repair> {
    const verified = known ?? (await verify(store, verifying(options)));
    const { damage } = verified.report;
    const damaged = new Set(damage.flatMap(({ object, isOfKeys }) => (isOfKeys ? [] : [object])));
    const named = damage.map(({ object }) => object);
    const isReadable = verified.standing && !damaged.has(repositoryName);
    if (!isReadable) return new Repair(store, options, verified, damaged, [], []);
    const folded = await damagedFolded(verified, damaged, named);
    const standIns = objectsOf(folded.flatMap((of) => of.standIns ?? []));
    // If a stand-in is damaged too, all damage must be known before anything is rebuilt.
    if (!options.data && !(await areWhole(verified, standIns))) {
      return Repair.begin(store, { ...options, data: true });
    }
    const bases = damagedBases(verified, damaged);
    const begun = new Repair(store, options, verified, damaged, folded, bases);
    for (const { parsed, standIns } of folded) if (standIns) begun.repairable.add(parsed.name);
    for (const name of damaged) if (isBundle(name)) begun.repairable.add(name);
    for (const base of bases) {
      const can = await new Findings().during(() => isRepairable(base, begun.repository()));
      if (can) begun.repairable.add(base.name);
    }
    return begun;
  }

  /** Rebuilds the folded segments and bases that can be rebuilt. */
  async rebuild(signal: Held): Promise<void> {
    const held = this.folded.filter(({ standIns }) => standIns);
    const { options, damaged } = this;
    this.isDone = true;
    if (held.length + this.bases.length === 0) return;
    const repository = this.repository();
    if (held.length > 0) {
      const now = options.clock.now();
      const { settleMs, unique } = options;
      const publishedAt = () => options.clock.now();
      const view = await RepositoryView.of(repository.store, options.lane?.root);
      const policy = await readPolicy(view, now);
      const made = await foldAnew(repository, held, {
        now,
        publishedAt,
        settleMs,
        unique,
        policy,
        signal,
      });
      for (const { parsed } of held) {
        const by = made.filter(({ from, to }) => from <= parsed.to && parsed.from <= to);
        this.rebuilt.set(
          parsed.name,
          by.map(({ name }) => name),
        );
      }
    }
    const onRows = (table: string, rows: number) => options.observer?.onRows(table, rows);
    for (const [i, base] of this.bases.entries()) {
      signal.throwIfAborted();
      const unique = `${options.unique}${i}`;
      const baseRepair = { repository, damaged, unique, onRows, signal };
      const by = await new Findings().during(() => repairBase(base, baseRepair));
      const isWhole = by !== undefined && (await isWholeBase(repository.store, by));
      if (isWhole) this.rebuilt.set(base.name, [by]);
    }
  }

  /** Expires the damaged folded segments and bases that are not needed any more. */
  async expire(signal: Held): Promise<void> {
    const { store, options } = this;
    const manifests = [...this.folded.map(({ parsed }) => parsed), ...this.bases].map(
      (of) => of.name,
    );
    // Without a rebuilt one, others are known to hold the same only if they were read to their ends.
    const idle = manifests.filter(
      (name) => this.rebuilt.has(name) || (options.data && this.isIdle(name)),
    );
    if (idle.length === 0) return;
    const before = await latestExpiry(store);
    const next = nextExpiry(before, options.clock.now());
    for (const name of idle) {
      if (kindOf(name) === "folded manifest") next.folded[name] = next.at;
      else next.bases[name] = next.at;
    }
    await this.refuseLoss(next);
    signal.throwIfAborted();
    if (await putExpiry(store, next)) return;
    throw new ThinkbackError("fenced", "another process published an expiry meanwhile", {
      hint: "run the command again: it verifies the repository anew",
    });
  }

  /** Rebuilds a damaged bundle from the objects themselves. No reader uses the damaged one after that. */
  async renewBundle(signal: Held): Promise<void> {
    const bundle = [...this.repairable].find(isBundle);
    if (!bundle) return;
    const { description } = this.repository();
    // The damaged bundle is not hidden: the new one must get a greater number.
    const without = new Set([...this.damaged].filter((name) => !isBundle(name)));
    const store = new WithoutStore(this.store, without);
    const at = this.options.clock.now();
    const repository = { store, description, lane: this.lane };
    const view = await RepositoryView.read(repository);
    const by = await renewBundle(repository, view, { at, anew: true, signal });
    if (by) this.rebuilt.set(bundle, [by]);
  }

  report(claims: string[]): RepairReport {
    const { report } = this.verified;
    const repaired = report.damage.map((damage): Repaired => {
      if (claims.includes(damage.object))
        return { ...damage, outcome: "rebuilt", by: [damage.object] };
      const { object } = damage;
      const manifests = isBundle(object) ? [object] : manifestsOf(object, this.verified.manifests);
      const by = manifests.flatMap((name) => this.rebuilt.get(name) ?? []);
      return { ...damage, outcome: this.outcomeOf(damage, manifests, by), by };
    });
    return { repaired, names: report.names };
  }

  private outcomeOf(damage: Damage, manifests: string[], by: string[]): Repaired["outcome"] {
    if (manifests.length > 0) {
      const made = manifests.filter((name) =>
        this.isDone ? this.rebuilt.has(name) : this.repairable.has(name),
      );
      const isAll = manifests.every((name) => made.includes(name) || this.isIdle(name));
      if (!isAll) return "left";
      return by.length > 0 || (!this.isDone && made.length > 0) ? "rebuilt" : "not needed";
    }
    const isSegment = kindOf(damage.object) === "segment";
    const isHeld = isSegment && damage.costs.length === 0 && damage.refuses === undefined;
    return isHeld ? "not needed" : "left";
  }

  /** True if other objects hold all that a damaged folded segment or base held. */
  private isIdle(name: string): boolean {
    if (this.rebuilt.has(name)) return true;
    if (kindOf(name) === "folded manifest") return false;
    return this.verified.costs?.ofObject({ object: name, what: "", span: undefined }).length === 0;
  }

  /** The repository to write to; when it is read, what is damaged or about to be replaced is hidden. */
  private repository(): Repository {
    const description = this.verified.small.description!;
    const replaced = this.folded
      .filter(({ standIns }) => standIns)
      .map(({ parsed }) => parsed.name);
    const without = new Set([...this.damaged, ...replaced]);
    return { description, store: new WithoutStore(this.store, without), lane: this.lane };
  }

  /** All of the store is one lane's, if nothing else is said. */
  private get lane(): LaneOf {
    return this.options.lane ?? { number: 0, root: this.store };
  }

  /** Throws if `next` would take away anything that can be restored without the damaged objects. */
  private async refuseLoss(next: Expiry): Promise<void> {
    const view = await RepositoryView.of(new WithoutStore(this.store, this.damaged));
    const { tables: coverage } = await (await view.under(next)).coverage();
    for (const [table, before] of this.verified.standing!.coverage) {
      const after = coverage.get(table);
      const lost = spansWithout(restorable(before), after ? restorable(after) : []);
      if (lost.length === 0) continue;
      throw new ThinkbackError(
        "internal",
        `nothing was expired: table ${table} would lose some of its history`,
      );
    }
  }
}

const isBundle = (name: string) => kindOf(name) === "bundle";

/** True if all of these objects can be read to their ends. */
async function areWhole(
  { listed, small, manifests }: Verified,
  only: ReadonlySet<string>,
): Promise<boolean> {
  const findings = new Findings();
  const options = { share: 1, random: () => 0, only, onObject: () => undefined };
  const check = new ObjectCheck(listed, small, manifests, new Belonging(), findings, options);
  await check.checkSegments();
  await check.checkReferred();
  return findings.count === 0;
}
