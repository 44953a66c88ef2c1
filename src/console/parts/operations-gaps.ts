/** Gaps of all tables, those together that tables had at the same time for the same reason. */
import type { Interval, Status } from "../app/answers.js";

interface Noted {
  note: string;
  at: string;
}

/** One gap of one table, or of the catalog or access. */
interface Gap {
  name: string;
  class: string;
  reason: string | null | undefined;
  from: number;
  to: number;
  /** It may grow still, so it cannot be acknowledged yet. */
  goesOn: boolean;
  acknowledged: Noted | undefined;
}

/** Gaps of one class and reason that have an instant in common. */
export interface GapGroup {
  class: string;
  reason: string | null | undefined;
  /** Of all: the first begin and the last end. */
  from: number;
  to: number;
  /** An instant that lies in each. */
  common: number;
  names: string[];
  goesOn: boolean;
  acknowledged: Noted | undefined;
}

const wholeClasses = new Set(["exact", "late"]);
/** What is no table, and has gaps too. Nobody acknowledges those. */
export const catalogName = "(catalog)";
export const accessName = "(users and grants)";

function covered(status: Pick<Status, "tables" | "catalog" | "access">) {
  const { tables, catalog, access } = status;
  return [
    ...tables,
    ...(catalog ? [{ name: catalogName, state: catalog.state, intervals: catalog.intervals }] : []),
    ...(access ? [{ name: accessName, state: access.state, intervals: access.intervals }] : []),
  ];
}

function gapsIn(name: string, state: string, intervals: readonly Interval[]): Gap[] {
  const last = intervals.length - 1;
  return intervals.flatMap((one, i) => {
    if (wholeClasses.has(one.class)) return [];
    const { reason, acknowledged } = one;
    const [from, to] = [Date.parse(one.from), Date.parse(one.to)];
    const goesOn = i === last && state !== "dropped";
    return [{ name, class: one.class, reason, from, to, goesOn, acknowledged }];
  });
}

/** The newest first. */
export function gapGroups(status: Pick<Status, "tables" | "catalog" | "access">): GapGroup[] {
  const all = covered(status).flatMap(({ name, state, intervals }) =>
    gapsIn(name, state, intervals),
  );
  const alike = new Map<string, Gap[]>();
  for (const gap of all) {
    const key = JSON.stringify([gap.class, gap.reason, gap.goesOn, gap.acknowledged?.note]);
    alike.set(key, [...(alike.get(key) ?? []), gap]);
  }
  const groups = [...alike.values()].flatMap(grouped);
  return groups.sort((a, b) => b.from - a.from);
}

function grouped(gaps: Gap[]): GapGroup[] {
  const groups: GapGroup[] = [];
  let commonTo = 0;
  for (const gap of gaps.sort((a, b) => a.from - b.from)) {
    const group = groups.at(-1);
    if (group && gap.from <= commonTo && !group.names.includes(gap.name)) {
      group.names.push(gap.name);
      group.common = gap.from;
      group.to = Math.max(group.to, gap.to);
      commonTo = Math.min(commonTo, gap.to);
    } else {
      const { name, ...of } = gap;
      groups.push({ ...of, common: gap.from, names: [name] });
      commonTo = gap.to;
    }
  }
  return groups;
}

/** The tables of a group: what a request to acknowledge names. */
export const tablesIn = ({ names }: GapGroup): string[] =>
  names.filter((name) => name !== catalogName && name !== accessName && name.includes("."));

/** Tables that are in the same trouble now. */
export interface OpenTrouble {
  is: string;
  reason: string | null;
  since: number;
  names: string[];
}

/** What has not ended, the oldest first. */
export function openTroubles(status: Pick<Status, "tables" | "catalog" | "access">): OpenTrouble[] {
  const found: (Omit<OpenTrouble, "names"> & { name: string })[] = [];
  for (const { name, openGap, stopped, damagedSince } of status.tables) {
    if (stopped) {
      const { since, reason } = stopped;
      found.push({ name, is: "capture stopped", reason, since: Date.parse(since) });
    } else if (openGap) {
      const { since, reason } = openGap;
      found.push({ name, is: "gap", reason, since: Date.parse(since) });
    }
    if (damagedSince !== null) {
      const reason = "it has to be copied again";
      found.push({ name, is: "damaged", reason, since: Date.parse(damagedSince) });
    }
  }
  for (const [name, of] of [
    [catalogName, status.catalog],
    [accessName, status.access],
  ] as const) {
    if (!of?.openGap) continue;
    const { since, reason } = of.openGap;
    found.push({ name, is: "gap", reason, since: Date.parse(since) });
  }
  const groups = new Map<string, OpenTrouble>();
  for (const { name, ...of } of found) {
    const key = JSON.stringify([of.is, of.reason]);
    const group = groups.get(key);
    if (!group) groups.set(key, { ...of, names: [name] });
    else {
      group.names.push(name);
      group.since = Math.min(group.since, of.since);
    }
  }
  return [...groups.values()].sort((a, b) => a.since - b.since);
}
