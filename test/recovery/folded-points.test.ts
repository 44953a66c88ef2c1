/** What a list of points leaves out: what operations have caused themselves, and tables beside live ones. */
import { describe, expect, test } from "vitest";
import { foldPoints, likeliest } from "../../src/recovery/folded-points.js";
import type { Point } from "../../src/recovery/points.js";

const [begun, ended] = [1_000_000, 1_010_000];
const point = (id: string, kind: string, at: number, more: Partial<Point> = {}): Point => {
  return { id, kind, at, before: at - 1, text: id, names: [], ...more };
};
const burst = (id: string, at: number, count: number, table = "t1") => {
  const about = { table: "shop.orders", tableId: table, burst: { to: at + 1000, count } };
  return point(id, "overwrites", at, about);
};
const undo = point("undo-7f3a1b2c", "undo", begun, {
  names: ["7f3a1b2c"],
  tableIds: ["t1"],
  written: { ended, documents: new Map([["t1", 400]]) },
});
const idsOf = (points: readonly Point[], all = false) =>
  foldPoints(points, all).points.map(({ id }) => id);

describe("an operation is one point", () => {
  test("with its pin and the burst that it has caused", () => {
    const pin = point("pin-before-undo-7f3a1b2c", "pin", begun - 5);
    const own = burst("own", begun + 500, 400);
    const { points, folded } = foldPoints([pin, undo, own], false);
    expect(points).toEqual([undo]);
    expect(folded.get(undo.id)).toEqual([pin.id, own.id]);
  });

  test.each([
    ["of another operation's pin", point("pin-before-undo-00000000", "pin", begun)],
    ["of a pin by another name", point("pin-calm", "pin", begun)],
    ["of a burst before it", burst("b", begun - 60_000, 300)],
    ["of a burst after it", burst("b", ended + 10_000, 300)],
    ["of a burst that goes on after it", burst("b", ended + 4500, 300)],
    ["of a burst of more documents", burst("b", begun + 500, 401)],
    ["of a burst in another table", burst("b", begun + 500, 300, "t2")],
  ])("and not %s", (_, other) => {
    expect(idsOf([undo, other])).toContain(other.id);
  });

  test("nor of a second burst that, with the first, has more documents than it was to change", () => {
    const points = [undo, burst("own", begun + 500, 399), burst("deploy", begun + 6000, 200)];
    expect(idsOf(points)).toEqual([undo.id, "deploy"]);
  });

  test("that never ended has only what came at once", () => {
    const killed = { ...undo, written: { ...undo.written!, ended: undefined } };
    const points = [killed, burst("own", begun + 500, 100), burst("later", begun + 20_000, 100)];
    expect(idsOf(points)).toEqual([undo.id, "later"]);
  });
});

test("points of tables beside live ones are left out, but for renames, unless they are wanted", () => {
  const copy = { table: "shop.orders_at_20261128T100400Z" };
  const points = [
    point("a", "index", 1, copy),
    point("b", "rename", 2, copy),
    point("c", "drop", 3, { table: "shop.orders_before_20261128T100400Z" }),
    point("d", "drop", 4, { table: "shop.orders_at" }),
    point("e", "dropdb", 5),
  ];
  expect(idsOf(points)).toEqual(["b", "d", "e"]);
  expect(foldPoints(points, false).ofCopies).toBe(2);
  expect(idsOf(points, true)).toEqual(["a", "b", "c", "d", "e"]);
});

test("the likeliest point is the newest drop or burst that is no operation's, else the newest", () => {
  const mark = point("mark", "mark", ended + 20_000);
  const drop = point("drop", "drop", begun - 20_000);
  const found = (points: Point[]) => likeliest(foldPoints(points, false).points)?.id;
  expect(found([drop, undo, burst("own", begun + 500, 400), mark])).toBe("drop");
  expect(found([drop, undo, burst("b", ended + 10_000, 400), mark])).toBe("b");
  expect(found([undo, mark])).toBe("mark");
  expect(found([])).toBeUndefined();
});
