import { expect, test } from "vitest";
import { step, type TableEvent, type TableState } from "../../src/capture/table-state.js";

/** The states and records that events lead to, from `opening` on. */
function follow(...events: TableEvent[]) {
  let state: TableState = "opening";
  return events.map((event) => {
    const next = step(state, event);
    state = next.state;
    return [next.state, next.record];
  });
}

const opened = (at: number, hasBase: boolean): TableEvent => ({ kind: "opened", at, hasBase });
const proven = (at: number): TableEvent => ({ kind: "proven", at });
const lost = (provenTo: number): TableEvent => ({ kind: "lost", provenTo, reason: "why" });
const dropped = (at: number): TableEvent => ({ kind: "dropped", at });
const stopped = (provenTo: number): TableEvent => ({ kind: "stopped", provenTo, reason: "why" });
const gap = (since: number) => ({ state: "gap", since, reason: "why" });

test("a table without a base is copied, then live; lost, it is a gap that a resync ends", () => {
  expect(follow(opened(1, false), proven(2), lost(3), opened(4, true), proven(5))).toEqual([
    ["copying", { state: "copying", since: 1 }],
    ["live", { state: "live", since: 2 }],
    ["gap", gap(3)],
    ["resyncing", { state: "resyncing", since: 4 }],
    ["live", { state: "live", since: 5 }],
  ]);
});

test("a copy that is lost claims nothing, and is no gap", () => {
  expect(follow(opened(1, false), lost(2), opened(3, false))).toEqual([
    ["copying", { state: "copying", since: 1 }],
    ["opening", undefined],
    ["copying", { state: "copying", since: 3 }],
  ]);
});

test("a gap that cannot be opened yet is told once", () => {
  expect(follow(opened(1, false), proven(2), lost(3), lost(4), lost(5)).slice(2)).toEqual([
    ["gap", gap(3)],
    ["gap", undefined],
    ["gap", undefined],
  ]);
});

test("a resync whose known state is damaged goes on as a copy", () => {
  expect(follow(opened(1, true), { kind: "mustCopy", at: 1 }, proven(2))).toEqual([
    ["resyncing", { state: "resyncing", since: 1 }],
    ["copying", { state: "copying", since: 1 }],
    ["live", { state: "live", since: 2 }],
  ]);
});

test("a defect stops a table in whatever state, until it is opened again", () => {
  const before: TableEvent[][] = [
    [],
    [opened(1, false)],
    [opened(1, true)],
    [opened(1, false), proven(2)],
    [opened(1, false), proven(2), lost(3)],
    [stopped(3)],
  ];
  for (const events of before) {
    const steps = follow(...events, stopped(9), lost(10), opened(11, true), proven(12));
    expect(steps.slice(-4)).toEqual([
      ["stopped", { state: "stopped", since: 9, reason: "why" }],
      ["stopped", undefined],
      ["resyncing", { state: "resyncing", since: 11 }],
      ["live", { state: "live", since: 12 }],
    ]);
  }
});

test("every state can end in dropped, which nothing leaves", () => {
  const before: TableEvent[][] = [
    [],
    [opened(1, false)],
    [opened(1, true)],
    [opened(1, false), proven(2)],
    [opened(1, false), proven(2), lost(3)],
    [stopped(3)],
  ];
  for (const events of before) {
    const steps = follow(...events, dropped(9), lost(10), stopped(10), dropped(11));
    expect(steps.slice(-4)).toEqual([
      ["dropped", { state: "dropped", since: 9 }],
      ["dropped", undefined],
      ["dropped", undefined],
      ["dropped", undefined],
    ]);
  }
});

test("what cannot happen is a defect, not a state", () => {
  expect(() => follow(proven(1))).toThrow("cannot be proven");
  expect(() => follow(opened(1, false), opened(2, false))).toThrow("cannot be opened");
  expect(() => follow(opened(1, false), { kind: "mustCopy", at: 2 })).toThrow("mustCopy");
});
