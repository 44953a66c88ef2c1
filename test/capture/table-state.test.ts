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
const walked = (at: number): TableEvent => ({ kind: "walked", at });
const lost = (provenTo: number): TableEvent => ({ kind: "lost", provenTo, reason: "why" });
const dropped = (at: number): TableEvent => ({ kind: "dropped", at });
const stopped = (provenTo: number): TableEvent => ({ kind: "stopped", provenTo, reason: "why" });
const hole = (since: number) => ({ state: "hole", since, reason: "why" });

test("a table without a base is copied, then live; lost, it is a hole that a repair ends", () => {
  expect(follow(opened(1, false), walked(2), lost(3), opened(4, true), walked(5))).toEqual([
    ["copying", { state: "copying", since: 1 }],
    ["live", { state: "live", since: 2 }],
    ["hole", hole(3)],
    ["repairing", { state: "repairing", since: 4 }],
    ["live", { state: "live", since: 5 }],
  ]);
});

test("a copy that is lost claims nothing, and is no hole", () => {
  expect(follow(opened(1, false), lost(2), opened(3, false))).toEqual([
    ["copying", { state: "copying", since: 1 }],
    ["opening", undefined],
    ["copying", { state: "copying", since: 3 }],
  ]);
});

test("a hole that cannot be opened yet is told once", () => {
  expect(follow(opened(1, false), walked(2), lost(3), lost(4), lost(5)).slice(2)).toEqual([
    ["hole", hole(3)],
    ["hole", undefined],
    ["hole", undefined],
  ]);
});

test("a repair whose known state is damaged goes on as a copy", () => {
  expect(follow(opened(1, true), { kind: "unrepairable", at: 1 }, walked(2))).toEqual([
    ["repairing", { state: "repairing", since: 1 }],
    ["copying", { state: "copying", since: 1 }],
    ["live", { state: "live", since: 2 }],
  ]);
});

test("a defect stops a table in whatever state, until it is opened again", () => {
  const before: TableEvent[][] = [
    [],
    [opened(1, false)],
    [opened(1, true)],
    [opened(1, false), walked(2)],
    [opened(1, false), walked(2), lost(3)],
    [stopped(3)],
  ];
  for (const events of before) {
    const steps = follow(...events, stopped(9), lost(10), opened(11, true), walked(12));
    expect(steps.slice(-4)).toEqual([
      ["stopped", { state: "stopped", since: 9, reason: "why" }],
      ["stopped", undefined],
      ["repairing", { state: "repairing", since: 11 }],
      ["live", { state: "live", since: 12 }],
    ]);
  }
});

test("every state can end in dropped, which nothing leaves", () => {
  const before: TableEvent[][] = [
    [],
    [opened(1, false)],
    [opened(1, true)],
    [opened(1, false), walked(2)],
    [opened(1, false), walked(2), lost(3)],
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
  expect(() => follow(walked(1))).toThrow("cannot be walked");
  expect(() => follow(opened(1, false), opened(2, false))).toThrow("cannot be opened");
  expect(() => follow(opened(1, false), { kind: "unrepairable", at: 2 })).toThrow("unrepairable");
});
