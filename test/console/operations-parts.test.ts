/** What the pages of operations make of answers. */
import { describe, expect, test } from "vitest";
import { deedsIn, type Entry } from "../../src/console/parts/operations-audit.js";
import {
  type GapGroup,
  gapGroups,
  openTroubles,
  tablesIn,
} from "../../src/console/parts/operations-gaps.js";

const iso = (at: number) => new Date(at).toISOString();

interface Given {
  class: string;
  from: number;
  to: number;
  reason?: string | null;
  acknowledged?: { note: string; at: string };
}

const table = (name: string, intervals: Given[], of: object = {}) => ({
  name,
  state: "live",
  stopped: null,
  openGap: null,
  damagedSince: null,
  ...of,
  intervals: [...intervals, { class: "exact", from: 9000, to: 9999 }].map((one) => ({
    ...one,
    from: iso(one.from),
    to: iso(one.to),
  })),
});

type Seen = Parameters<typeof gapGroups>[0];
const status = (tables: object[], of: object = {}) =>
  ({ tables, catalog: null, access: null, ...of }) as unknown as Seen;

const gap = (from: number, to: number, reason: string | null = "killed"): Given => ({
  class: "gap",
  from,
  to,
  reason,
});

describe("gaps", () => {
  test("of one outage are one group, and its instant lies in each of them", () => {
    const spans: [string, number, number][] = [
      ["a.a", 1000, 2000],
      ["a.b", 1100, 1900],
      ["a.c", 1050, 3000],
    ];
    const tables = spans.map(([name, from, to]) => table(name, [gap(from, to)]));
    const [group, ...more] = gapGroups(status(tables)) as [GapGroup, ...GapGroup[]];
    expect(more).toEqual([]);
    expect([group.from, group.to]).toEqual([1000, 3000]);
    expect([...group.names].sort()).toEqual(["a.a", "a.b", "a.c"]);
    for (const [, from, to] of spans) {
      expect(group.common).toBeGreaterThanOrEqual(from);
      expect(group.common).toBeLessThanOrEqual(to);
    }
  });

  test("that only follow one another, that are of one table, or have other reasons stay apart", () => {
    const tables = [
      table("a.a", [gap(1000, 2000), gap(2001, 2100)]),
      table("a.b", [gap(1900, 3000)]),
      table("a.c", [gap(2500, 4000)]),
      table("a.d", [gap(1000, 2000, "another")]),
      table("a.e", [
        { ...gap(1000, 2000), acknowledged: { note: "known", at: iso(5000) } },
        { class: "late", from: 2001, to: 2500 },
      ]),
    ];
    const groups = gapGroups(status(tables));
    expect(groups.map(({ from, names }) => [from, [...names].sort().join(" ")])).toEqual([
      [2500, "a.c"],
      [2001, "a.a"],
      [1000, "a.a a.b"],
      [1000, "a.d"],
      [1000, "a.e"],
    ]);
    expect(groups.at(-1)!.acknowledged?.note).toBe("known");
  });

  test("that may grow are said to go on, and those of the catalog are no table's", () => {
    const last = table("a.a", []);
    last.intervals = [{ class: "damaged", from: iso(1000), to: iso(2000) }];
    const dropped = { ...last, name: "a.b", state: "dropped" };
    const catalog = {
      state: "live",
      openGap: null,
      intervals: table("", [gap(500, 600)]).intervals,
    };
    const groups = gapGroups(status([last, dropped], { catalog }));
    expect(groups.map((group) => [group.goesOn, tablesIn(group)])).toEqual([
      [true, ["a.a"]],
      [false, ["a.b"]],
      [false, []],
    ]);
  });

  test("that are open are told with the first instant, and a table that was stopped as such", () => {
    const openGap = (since: number, reason: string | null) => ({
      openGap: { since: iso(since), reason },
    });
    const tables = [
      table("a.a", [], openGap(2000, "away")),
      table("a.b", [], openGap(1000, "away")),
      table("a.c", [], { ...openGap(500, "x"), stopped: { since: iso(3000), reason: "a defect" } }),
      table("a.d", []),
    ];
    expect(openTroubles(status(tables))).toEqual([
      { is: "gap", reason: "away", since: 1000, names: ["a.a", "a.b"] },
      { is: "capture stopped", reason: "a defect", since: 3000, names: ["a.c"] },
    ]);
  });
});

describe("the audit", () => {
  const entry = (what: string, outcome: string, at: number, id = "x"): Entry => ({
    at: iso(at),
    actor: { name: "anna", via: "api" },
    what,
    over: { id },
    outcome,
    address: "127.0.0.1",
  });

  test("has a change once, with when it began; what has no end stays, and so does what never began", () => {
    const deeds = deedsIn([
      entry("pin add", "begins", 1),
      entry("history", "done", 2),
      entry("pin add", "begins", 3, "y"),
      entry("pin add", "done", 4),
      entry("pin add", "begins", 5),
      entry("pin add", "usage", 6),
      entry("pin remove", "begins", 7),
    ]);
    expect(
      deeds.map(({ what, outcome, at, began, over }) => [what, over["id"], outcome, at, began]),
    ).toEqual([
      ["history", "x", "done", iso(2), undefined],
      ["pin add", "y", "begins", iso(3), undefined],
      ["pin add", "x", "done", iso(4), iso(1)],
      ["pin add", "x", "usage", iso(6), iso(5)],
      ["pin remove", "x", "begins", iso(7), undefined],
    ]);
  });
});
