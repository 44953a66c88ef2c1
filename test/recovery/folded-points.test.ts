/** What a list of points leaves out: what operations have caused themselves, and tables beside live ones. */
import { describe, expect, test } from "vitest";
import { foldPoints, likeliest } from "../../src/recovery/folded-points.js";
import type { Point } from "../../src/recovery/points.js";

const [begun, ended] = [1_000_000, 1_010_000];
const point = (id: string, kind: string, at: number, more: Partial<Point> = {}): Point => {
  return { id, kind, at, before: at - 1, text: id, names: [], ...more };
};
/** A burst of so many changes, and how many of them operations have written. */
const burst = (id: string, at: number, count: number, own: Record<string, number> = {}) => {
  const extent = { to: at + 1000, count, own: new Map(Object.entries(own)) };
  return point(id, "overwrites", at, { table: "shop.orders", tableId: "t1", burst: extent });
};
const undo = point("undo-7f3a1b2c", "undo", begun, { names: ["7f3a1b2c"], tableIds: ["t1"] });
const rewind = point("rewind-00000001", "rewind", begun, { names: ["00000001"], tableIds: ["t1"] });
const idsOf = (points: readonly Point[], all = false) =>
  foldPoints(points, all).points.map(({ id }) => id);

describe("an operation is one point", () => {
  test("with its pin and the burst that it has caused", () => {
    const pin = point("pin-before-undo-7f3a1b2c", "pin", begun - 5);
    const own = burst("own", begun + 500, 400, { [undo.id]: 400 });
    const { points, folded } = foldPoints([pin, undo, own], false);
    expect(points).toEqual([undo]);
    expect(folded.get(undo.id)).toEqual([pin.id, own.id]);
  });

  test("also if others have written a little meanwhile", () => {
    expect(idsOf([undo, burst("own", begun, 499, { [undo.id]: 400 })])).toEqual([undo.id]);
  });

  test.each([
    ["of another operation's pin", point("pin-before-undo-00000000", "pin", begun)],
    ["of a pin by another name", point("pin-calm", "pin", begun)],
    ["of a burst while it ran, and of fewer documents", burst("b", begun + 500, 300)],
    ["of a burst that would be one without it", burst("b", begun, 500, { [undo.id]: 400 })],
    ["of an operation's that is not listed", burst("b", begun, 400, { "undo-0000000f": 400 })],
  ])("and not %s", (_, other) => {
    expect(idsOf([undo, other])).toContain(other.id);
  });

  test("of two that have written into one burst, each has it", () => {
    const own = burst("own", begun + 500, 400, { [undo.id]: 200, [rewind.id]: 150 });
    const { points, folded } = foldPoints([undo, rewind, own], false);
    expect(points).toEqual([undo, rewind]);
    expect([...folded.values()]).toEqual([["own"], ["own"]]);
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
  expect(found([drop, undo, burst("own", begun + 500, 400, { [undo.id]: 400 }), mark])).toBe(
    "drop",
  );
  expect(found([drop, undo, burst("b", ended + 10_000, 400), mark])).toBe("b");
  expect(found([undo, mark])).toBe("mark");
  expect(found([])).toBeUndefined();
});
