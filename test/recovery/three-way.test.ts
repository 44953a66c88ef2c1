import { describe, expect, test } from "vitest";
import { pathText } from "../../src/recovery/field-tree.js";
import { type MeantFields, meant, takeBack } from "../../src/recovery/three-way.js";

const json = (value: unknown) => (value === null ? null : Buffer.from(JSON.stringify(value)));

function taken(before: unknown, after: unknown, live: unknown, force = false) {
  const of = { before: json(before), after: json(after), live: json(live) };
  const { document, conflicts } = takeBack(of, force);
  return [document && JSON.parse(document.toString()), conflicts.map(pathText)] as const;
}

describe("a change that is taken back", () => {
  test("gives its fields back, and keeps those that others have changed since", () => {
    const [document, conflicts] = taken(
      { id: 1, status: "open", views: 3, address: { city: "Bern", zip: 1 } },
      { id: 1, status: "bad", views: 3, address: { city: "X", zip: 1 } },
      { id: 1, status: "bad", views: 9, address: { city: "X", zip: 2 }, note: "new" },
    );
    expect(document).toEqual({
      id: 1,
      status: "open",
      views: 9,
      address: { city: "Bern", zip: 2 },
      note: "new",
    });
    expect(conflicts).toEqual([]);
  });

  test("is a conflict in a field that was set to something else since", () => {
    const versions = [
      { a: 1, b: 1 },
      { a: 2, b: 2 },
      { a: 3, b: 2 },
    ] as const;
    expect(taken(...versions)).toEqual([{ a: 3, b: 1 }, ["a"]]);
    expect(taken(...versions, true)).toEqual([{ a: 1, b: 1 }, ["a"]]);
  });

  test("is none in a field that has its old value already", () => {
    expect(taken({ a: 1 }, { a: 2 }, { a: 1, c: 1 })).toEqual([{ a: 1, c: 1 }, []]);
  });

  test("takes fields away that it has added, and brings back those that it has removed", () => {
    expect(taken({ a: { x: 1 } }, { a: {}, b: 1 }, { a: {}, b: 1, c: 1 })).toEqual([
      { a: { x: 1 }, c: 1 },
      [],
    ]);
  });

  test("deletes what it has inserted, and inserts what it has deleted", () => {
    expect(taken(null, { id: 1 }, { id: 1 })).toEqual([null, []]);
    expect(taken({ id: 1 }, null, null)).toEqual([{ id: 1 }, []]);
  });

  test("is a conflict of the whole document, if that was changed, deleted or made anew since", () => {
    expect(taken(null, { id: 1 }, { id: 1, n: 1 })).toEqual([{ id: 1, n: 1 }, ["(document)"]]);
    expect(taken({ id: 1 }, { id: 1, n: 1 }, null)).toEqual([null, ["(document)"]]);
    expect(taken({ id: 1 }, null, { id: 1, n: 1 })).toEqual([{ id: 1, n: 1 }, ["(document)"]]);
  });

  test("takes arrays and pseudo types as one value", () => {
    const time = (epoch_time: number) => ({ $reql_type$: "TIME", epoch_time, timezone: "+00:00" });
    expect(taken({ t: time(1) }, { t: time(2) }, { t: time(2), n: 1 })).toEqual([
      { t: time(1), n: 1 },
      [],
    ]);
    expect(taken({ l: [1] }, { l: [2] }, { l: [2, 3] })).toEqual([{ l: [2, 3] }, ["l"]]);
  });

  test("keeps every byte of values, and the server's order of fields", () => {
    const text = (fields: string) => Buffer.from(`{${fields}}`, "latin1");
    const { document } = takeBack({
      before: text('"a":-0,"id":1,"z":"\xed\xa0\x80"'),
      after: text('"a":1,"id":1,"z":"x"'),
      live: text('"a":1,"b":1.50,"id":1,"z":"x"'),
    });
    expect(document?.toString("latin1")).toBe('{"a":-0,"b":1.50,"id":1,"z":"\xed\xa0\x80"}');
  });
});

describe("fields that are meant", () => {
  function takenOf(fields: MeantFields, ...of: readonly [unknown, unknown, unknown]) {
    const [before, after, live] = of.map(json) as [Buffer | null, Buffer | null, Buffer | null];
    const versions = meant({ before, after, live }, fields);
    if (!versions) return undefined;
    const { document, conflicts } = takeBack(versions);
    return [document && JSON.parse(document.toString()), conflicts.map(pathText)] as const;
  }
  const was = { id: 1, rev: 1, status: "open", to: { city: "Bern", zip: 1 } };
  const made = { id: 1, rev: 2, status: "bad", to: { city: "X", zip: 9 } };
  const is = { id: 1, rev: 3, status: "bad", to: { city: "X", zip: 9 } };

  test("are all, if nothing is said", () => {
    const [document, conflicts] = takenOf({}, was, made, is)!;
    expect(document).toEqual({ ...was, rev: 3 });
    expect(conflicts).toEqual(["rev"]);
  });

  test("may be some, also inside others", () => {
    expect(takenOf({ only: ["to.city"] }, was, made, is)).toEqual([
      { ...is, to: { city: "Bern", zip: 9 } },
      [],
    ]);
    expect(takenOf({ only: ["status", "to.zip", "none.at.all"] }, was, made, is)).toEqual([
      { ...is, status: "open", to: { city: "X", zip: 1 } },
      [],
    ]);
  });

  test("may be all but some, which stay as they are and conflict with nothing", () => {
    expect(takenOf({ ignored: ["rev"] }, was, made, is)).toEqual([{ ...was, rev: 3 }, []]);
    expect(takenOf({ ignored: ["rev", "to"] }, was, made, is)).toEqual([
      { ...is, status: "open" },
      [],
    ]);
  });

  test("are none of a document that was made or deleted, if only some are meant", () => {
    for (const of of [
      [null, made, is],
      [was, null, null],
      [was, made, null],
    ] as const)
      expect(takenOf({ only: ["status"] }, of[0], of[1], of[2])).toBeUndefined();
  });

  test("that are ignored do not keep a document that was made", () => {
    expect(takenOf({ ignored: ["rev"] }, null, made, { ...is, status: "paid" })).not.toEqual([
      null,
      [],
    ]);
    expect(takenOf({ ignored: ["rev"] }, null, made, { ...made, rev: 7 })).toEqual([null, []]);
    expect(takenOf({ ignored: ["rev"] }, was, null, null)).toEqual([was, []]);
  });

  test("may be absent in one of the versions", () => {
    const { rev: _, ...without } = made;
    expect(takenOf({ ignored: ["rev"] }, was, without, without)).toEqual([
      { id: 1, status: "open", to: was.to },
      [],
    ]);
    expect(takenOf({ only: ["note"] }, was, { ...was, note: "x" }, { ...is, note: "x" })).toEqual([
      is,
      [],
    ]);
  });
});
