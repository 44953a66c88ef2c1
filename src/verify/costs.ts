/**
 * What damage costs: the instants of tables that cannot be restored because of it. They are computed from the coverage
 * that is left without the damaged objects.
 */

import { hasLeft } from "../format/coverage-record.js";
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
  /** Coverage of the catalog; undefined if nothing says that it was read. */
  catalog: TableCoverage | undefined;
  /** Coverage of users and grants; undefined if they were never read. */
  access: TableCoverage | undefined;
  bases: BaseInventory;
}

/** Reads a repository with the damaged objects hidden. Throws if nothing can be read without them. */
export async function readStanding(
  listed: ListedStore,
  damaged: Iterable<string>,
  /** Where registers and pins are, if not there. */
  common?: ObjectStore,
): Promise<Standing> {
  // Damaged keys of a base are not hidden: they make no difference to what can be restored.
  const hidden = new Set([...damaged].filter((name) => kindOf(name) !== "base keys"));
  const store = new WithoutStore(listed, hidden);
  const look = await RepositoryView.of(store, common);
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

/** Instants that cannot be restored: of a table, or of everything because their catalog is lost. */
export interface Cost extends Span {
  /** Id of the table, or `catalogCost`. */
  table: string;
}

/** Stands for the catalog where a table's id is expected. */
export const catalogCost = "catalog";

export class Costs {
  /** What cannot be restored, by table; and instants whose catalog is lost, with the object that is the cause. */
  private readonly lost = new Map<string, Span[]>();
  private readonly lostCatalog: { object: string; span: Span }[] = [];
  /** Where the log holds nothing, by table: the holes in it, and all time after its end. */
  private readonly holes = new Map<string, Span[]>();

  private constructor(
    private readonly standing: Standing,
    private readonly manifests: Manifests,
  ) {}

  /**
   * @param claimed the coverage that readers compute before they meet the damage; undefined if it cannot be computed
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
      const uncovered = costs.uncovered(table, ranges, now ? restorable(now) : []);
      costs.lost.set(table, joinSpans([...costs.lost.get(table)!, ...uncovered]));
    }
    costs.compare(catalogCost, standing.catalog, claimed?.catalog);
    for await (const lost of lostCatalogs(standing.view)) costs.lostCatalog.push(lost);
    return costs;
  }

  /** Notes as lost what was covered and is not covered any more, and what is known to be damaged. */
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
   * The instants that are lost together with coverage records. Such instants are not covered any more, and nothing says
   * that they are damaged: they reach from the lost records to the next covered instant.
   * @param ranges times of the damaged objects of the log
   * @param left what can still be restored
   */
  private uncovered(table: string, ranges: Span[], left: Span[]): Span[] {
    const { bases, coverage, view } = this.standing;
    const first = view.expiry?.horizons[table]?.from ?? bases.usable.get(table)?.at(0)?.instant;
    if (first === undefined) return [];
    const state = coverage.get(table);
    const isOver = state && (!state.watched || hasLeft(state.state));
    const uncovered = commonSpans(ranges, this.holes.get(table) ?? [])
      .filter(({ from }) => !isOver || from <= (view.to ?? -1))
      .map(({ from, to }) => {
        const next = left.find((span) => span.to > to)?.from ?? to + 1;
        return { from: Math.max(from, first), to: Math.max(next - 1, to) };
      });
    return spansWithout(uncovered, left);
  }

  /** Everything that is lost, by table and time. */
  all(): Cost[] {
    const catalog = this.lostCatalog.map(({ span }) => ({ table: catalogCost, ...span }));
    const others = [...this.lost].flatMap(([table, spans]) =>
      spans.map((span) => ({ table, ...span })),
    );
    return joinCosts([...catalog, ...others]);
  }

  /** The part of what is lost to which the loss of one object contributes. */
  ofObject(finding: Finding): Cost[] {
    const { object } = finding;
    if (object.startsWith("bases/")) return this.ofBase(object);
    const range = rangeOf(finding);
    // A part costs only its own table; any other object of the log costs all tables.
    return range ? this.ofLog(object, range, this.manifests.referred.get(object)?.table) : [];
  }

  /**
   * Where the log has nothing in place of the object, the object's own time is lost, and what comes after it up to the
   * next base that does not need it.
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

  /** The lost instants from the base's own on, up to the next usable base or hole in the log. */
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

/** The same instants in joined spans; those of the catalog first. */
function joinCosts(costs: Cost[]): Cost[] {
  const tables = new Set([catalogCost, ...costs.map(({ table }) => table)]);
  return [...tables].flatMap((table) => {
    const spans = joinSpans(costs.filter((cost) => cost.table === table));
    return spans.map((span) => ({ table, ...span }));
  });
}

/** The instants for which a restore gives a state: exact, late, or in a gap that the state before it stands for. */
export function restorable({ intervals }: TableCoverage): Span[] {
  const given = intervals.filter((one) => isWhole(one) || one.class === "gap");
  return joinSpans(given.map(({ from, to }) => ({ from, to })));
}

function damagedSpans({ intervals }: TableCoverage): Span[] {
  const found = intervals.filter((one) => one.class === "damaged");
  return joinSpans(found.map(({ from, to }) => ({ from, to })));
}

/** The time that an object of the log covers; undefined for any other object. */
function rangeOf({ object, span }: Finding): Span | undefined {
  return span ?? parseSegmentName(object) ?? parseFoldedName(`${directoryOf(object)}manifest.json`);
}

function holesOf({ view }: Standing, table: string): Span[] {
  const holes = view.holes().filter((hole) => hole.table === undefined || hole.table === table);
  return joinSpans([...holes, { from: (view.to ?? -1) + 1, to: Number.MAX_SAFE_INTEGER }]);
}

/** What readers make of a repository before they meet the damage inside its objects. */
export interface Unaware {
  /** The coverage; undefined if it cannot be computed even without the objects that are in the way. */
  claimed: Coverage | undefined;
  /** Names of the objects that stop every reader. If they were moved away, readers could go on. */
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
