/**
 * What damage costs: instants of tables that cannot be restored because of it. They are computed from the coverage as
 * it is without anything that is damaged.
 */

import { parseFoldedName, parseSegmentName } from "../format/names.js";
import type { BaseInventory } from "../repository/bases/base.js";
import { isWhole, type TableCoverage } from "../repository/coverage/coverage.js";
import type { Coverage } from "../repository/coverage/coverage-reader.js";
import type { LogView } from "../repository/log/log-view.js";
import { lostCatalogs } from "../repository/log/lost-catalogs.js";
import { RepositoryView } from "../repository/repository-view.js";
import type { ListedStore } from "../storage/listed-store.js";
import type { ObjectStore } from "../storage/object-store.js";
import { WithoutStore } from "../storage/without-store.js";
import { type Finding, Findings } from "./findings.js";
import type { Manifests } from "./manifests.js";
import { directoryOf, kindOf } from "./object-kinds.js";
import { commonSpans, joinSpans, type Span, spansWithout } from "./spans.js";

/** A repository as it can be read without what is damaged. */
export interface Standing {
  store: ObjectStore;
  look: RepositoryView;
  view: LogView;
  coverage: Map<string, TableCoverage>;
  /** Of the catalog; undefined if nothing says that it was read. */
  catalog: TableCoverage | undefined;
  /** Of users and grants; undefined if they were never read. */
  access: TableCoverage | undefined;
  bases: BaseInventory;
}

/** Throws if what is missing or hidden is such that nothing can be read. */
export async function readStanding(
  listed: ListedStore,
  damaged: Iterable<string>,
): Promise<Standing> {
  // The keys of a base that are there make no difference to what can be restored.
  const hidden = new Set([...damaged].filter((name) => kindOf(name) !== "base keys"));
  const store = new WithoutStore(listed, hidden);
  const look = await RepositoryView.of(store);
  const { tables, catalog, access } = await look.coverage();
  return {
    store,
    look,
    view: look.log,
    coverage: tables,
    catalog,
    access,
    bases: await look.bases(),
  };
}

/** Instants of a table, by its id; or instants whose catalog, and so everything, cannot be had. */
export interface Cost extends Span {
  table: string;
}

/** Stands for the catalog where a table's id is expected. */
export const catalogCost = "catalog";

export class Costs {
  /** What cannot be restored, by table; and of the catalog, by what holds it. */
  private readonly lost = new Map<string, Span[]>();
  private readonly lostCatalog: { object: string; span: Span }[] = [];
  /** Where the log has nothing, by table: in the middle, and where it ended before. */
  private readonly holes = new Map<string, Span[]>();

  private constructor(
    private readonly standing: Standing,
    private readonly manifests: Manifests,
  ) {}

  /**
   * @param claimed what is claimed as long as nobody looks inside; undefined if that cannot be computed
   * @param damaged all that is hidden from `standing`
   */
  static async of(
    standing: Standing,
    claimed: Coverage | undefined,
    manifests: Manifests,
    damaged: Finding[],
  ): Promise<Costs> {
    const costs = new Costs(standing, manifests);
    const ranges = joinSpans(damaged.map(rangeOf).filter((range) => range !== undefined));
    const tables = [...standing.coverage.keys(), ...standing.bases.usable.keys()];
    for (const table of new Set([...tables, ...(claimed?.tables.keys() ?? [])])) {
      const now = standing.coverage.get(table);
      costs.compare(table, now, claimed?.tables.get(table));
      const unclaimed = costs.unclaimed(table, ranges, now ? restorable(now) : []);
      costs.lost.set(table, joinSpans([...costs.lost.get(table)!, ...unclaimed]));
    }
    costs.compare(catalogCost, standing.catalog, claimed?.catalog);
    for await (const lost of lostCatalogs(standing.view)) costs.lostCatalog.push(lost);
    return costs;
  }

  /** What was claimed and is not any more, and what is known to be damaged. */
  private compare(
    table: string,
    now: TableCoverage | undefined,
    before: TableCoverage | undefined,
  ): void {
    this.holes.set(table, holesOf(this.standing, table));
    const left = now ? restorable(now) : [];
    const lost = before ? spansWithout(restorable(before), left) : [];
    this.lost.set(table, joinSpans([...lost, ...(now ? damagedSpans(now) : [])]));
  }

  /**
   * Where records of the coverage are lost, nothing is claimed any more, and nobody says that something is damaged: from
   * there to the next instant that is claimed.
   */
  private unclaimed(table: string, ranges: Span[], left: Span[]): Span[] {
    const { bases, coverage, view } = this.standing;
    const first = view.expiry?.horizons[table]?.from ?? bases.usable.get(table)?.at(0)?.instant;
    if (first === undefined) return [];
    const state = coverage.get(table);
    const isOver = state && (!state.watched || state.state === "dropped");
    const unclaimed = commonSpans(ranges, this.holes.get(table) ?? [])
      .filter(({ from }) => !isOver || from <= (view.to ?? -1))
      .map(({ from, to }) => {
        const next = left.find((span) => span.to > to)?.from ?? to + 1;
        return { from: Math.max(from, first), to: Math.max(next - 1, to) };
      });
    return spansWithout(unclaimed, left);
  }

  /** Everything that is lost, by table and time. */
  all(): Cost[] {
    const catalog = this.lostCatalog.map(({ span }) => ({ table: catalogCost, ...span }));
    const others = [...this.lost].flatMap(([table, spans]) =>
      spans.map((span) => ({ table, ...span })),
    );
    return joinCosts([...catalog, ...others]);
  }

  /** What the loss of one object has to do with that. */
  ofObject(finding: Finding): Cost[] {
    const { object } = finding;
    if (object.startsWith("bases/")) return this.ofBase(object);
    const range = rangeOf(finding);
    // Of a part only its table, of all else the segment or folded segment as a whole.
    return range ? this.ofLog(object, range, this.manifests.referred.get(object)?.table) : [];
  }

  /**
   * Where the log has nothing in place of the object, its own time is lost; and what comes after it, up to the next
   * base that does not need it.
   */
  private ofLog(object: string, range: Span, onlyTable?: string): Cost[] {
    const { bases } = this.standing;
    const costs: Cost[] = [];
    for (const [table, lost] of this.lost) {
      if (onlyTable !== undefined && table !== onlyTable) continue;
      for (const { from, to } of commonSpans([range], this.holes.get(table)!)) {
        const usable = bases.usable.get(table) ?? [];
        const next = usable.find(({ logFrom }) => logFrom >= to)?.instant;
        const reach = { from, to: (next ?? Number.MAX_SAFE_INTEGER) - 1 };
        costs.push(...commonSpans(lost, [reach]).map((span) => ({ table, ...span })));
      }
    }
    for (const { object: missing, span } of this.lostCatalog) {
      const place = parseSegmentName(missing);
      const isIn =
        object === missing || (place && place.from >= range.from && place.to <= range.to);
      if (isIn) costs.push({ table: catalogCost, ...span });
    }
    return joinCosts(costs);
  }

  /** From the base's instant on, up to the next base, unless an older one and the log do. */
  private ofBase(object: string): Cost[] {
    const { bases } = this.standing;
    const by = this.manifests.referred.get(object)?.by ?? [object];
    const costs: Cost[] = [];
    for (const manifest of by) {
      const [, table, begun] = /^bases\/([^/]+)\/(\d{15})-/.exec(manifest) ?? [];
      if (table === undefined) continue;
      const instant = Number(begun);
      const next = bases.usable.get(table)?.find((base) => base.instant >= instant)?.instant;
      const hole = this.holes.get(table)?.find(({ to }) => to > instant)?.from;
      const to = Math.min(next ?? Number.MAX_SAFE_INTEGER, hole ?? Number.MAX_SAFE_INTEGER) - 1;
      const lost = commonSpans(this.lost.get(table) ?? [], [{ from: instant, to }]);
      costs.push(...lost.map((span) => ({ table, ...span })));
    }
    return costs;
  }
}

/** The same instants, of the catalog first. */
function joinCosts(costs: Cost[]): Cost[] {
  const tables = new Set([catalogCost, ...costs.map(({ table }) => table)]);
  return [...tables].flatMap((table) => {
    const spans = joinSpans(costs.filter((cost) => cost.table === table));
    return spans.map((span) => ({ table, ...span }));
  });
}

/** The instants of which a state can be had, be it late, or that of before a gap. */
export function restorable({ intervals }: TableCoverage): Span[] {
  const of = intervals.filter((one) => isWhole(one) || one.class === "gap");
  return joinSpans(of.map(({ from, to }) => ({ from, to })));
}

function damagedSpans({ intervals }: TableCoverage): Span[] {
  const of = intervals.filter((one) => one.class === "damaged");
  return joinSpans(of.map(({ from, to }) => ({ from, to })));
}

/** The time that an object of the log covers; undefined for any other. */
function rangeOf({ object, span }: Finding): Span | undefined {
  return span ?? parseSegmentName(object) ?? parseFoldedName(`${directoryOf(object)}manifest.json`);
}

function holesOf({ view }: Standing, table: string): Span[] {
  const holes = view.holes().filter((hole) => hole.table === undefined || hole.table === table);
  return joinSpans([...holes, { from: (view.to ?? -1) + 1, to: Number.MAX_SAFE_INTEGER }]);
}

/** What readers do as long as nobody has looked inside of what they read. */
export interface Unaware {
  /** What is claimed; undefined if that cannot be computed even without the objects that are in the way. */
  claimed: Coverage | undefined;
  /** Objects without which, if they are moved away, readers go on; with which they do not. */
  inTheWay: Set<string>;
  /** Names of the segments, folded segments and bases that are read. */
  read: Set<string>;
}

export async function readUnaware(listed: ListedStore): Promise<Unaware> {
  const unaware: Unaware = { claimed: undefined, inTheWay: new Set(), read: new Set() };
  const store = new WithoutStore(listed, unaware.inTheWay);
  for (;;) {
    const found = new Findings();
    unaware.claimed = await found.during(async () => (await RepositoryView.of(store)).coverage());
    const [next] = found.all();
    if (unaware.claimed || !next || unaware.inTheWay.has(next.object)) break;
    unaware.inTheWay.add(next.object);
  }
  await new Findings().during(async () => {
    const look = await RepositoryView.of(store);
    for (const { name } of look.log.pieces) unaware.read.add(name);
    for (const { name } of (await look.bases()).names.values()) unaware.read.add(name);
  });
  return unaware;
}
