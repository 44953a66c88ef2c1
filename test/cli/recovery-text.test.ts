/** Plans and results of recoveries, as people see them. The end-to-end tests have what the commands really print. */
import { expect, test } from "vitest";
import { recoveryLines } from "../../src/cli/recovery-text.js";

const estimate = {
  seconds: 2.04,
  by: "reads",
  writes: 1,
  requests: { put: 3, get: 2, head: 1, list: 5, delete: 0 },
  storedBytes: 2048,
  cost: { profile: "aws", asOf: "2026-11", currency: "USD", total: 0.0123 },
};
const counts = { changed: 3, deleted: 1, broughtBack: 2, firstDeleted: ["z"] };
const plan = {
  operation: "0123abcd",
  type: "undo",
  description: "undo shop.orders",
  ...counts,
  bytes: 2048,
  tables: [
    { table: "shop.orders", ...counts, documents: 6, bytes: 1024, conflicts: 1 },
    { table: "shop.users", ...counts, documents: 6, bytes: 1024, conflicts: 1200 },
  ],
  kept: 4,
  unknown: 0,
  conflicts: [{ table: "shop.orders", key: ["a", 1], paths: ["total", "lines.0"] }],
  conflictCount: 1201,
  overwritten: false,
  estimate,
  refused: false,
};

test("a change has its counts, its conflicts, its time and its price", () => {
  expect(recoveryLines("undo", "plan", plan).join("\n")).toBe(
    `undo shop.orders: would change 3 documents, delete 1 (made since), bring back 2; 2.0 KiB before and after
table        change  delete  bring back  size     conflicts
shop.orders       3       1           2  1.0 KiB          1
shop.users        3       1           2  1.0 KiB      1,200
kept, though they were made since: 4 documents
conflict: shop.orders ["a",1]: total, lines.0
and 1,200 conflicts more; --json lists the first 1,000
carrying it out: about 2.0 s (by reads), 1 writes to the server; to the store 3 PUT, 2 GET, 1 HEAD, 5 LIST, up to 2.0 KiB stored and read back; 0.0123 USD by aws of 2026-11`,
  );
});

test("a drill says what is proven", () => {
  const drill = {
    instant: "2026-11-28T10:00:00.000+00:00",
    class: "late",
    ok: false,
    seconds: 3.21,
  };
  const tables = [
    { name: "shop.orders", rows: 1000, bytes: 2048, ok: true },
    { name: "shop.users", rows: 1, bytes: 2, ok: false },
  ];
  expect(recoveryLines("drill", "result", { ...drill, tables }).join("\n")).toBe(
    `NOT PROVEN: 2026-11-28T10:00:00.000+00:00 (late) in 3.2 s
table        documents  size     compared with the repository
shop.orders      1,000  2.0 KiB  equal
shop.users           1  2 B      DIFFERENT`,
  );
});

test("a table that is late says by how much, and what is not whole is named", () => {
  const of = { class: "late", lateMs: 4200, reason: "standstill", instant: "I" };
  const table = { from: "a.b", to: "a.c", ...of, baseDocuments: 7, baseBytes: 9, indexes: ["x"] };
  const restore = { at: "I", tables: [table], catalog: of, accessAsOf: null, segments: 1 };
  const lines = recoveryLines("restore", "plan", { ...restore, notCaptured: ["a.d"] });
  expect(lines[1]).toMatch(/a\.b +a\.c +late by up to 4\.2 s +I +7 +9 B +1$/m);
  expect(lines.slice(2)).toEqual([
    "catalog: late by up to 4.2 s",
    "log: 1 segment to read",
    "a.d: nothing of it was captured; it is not restored",
  ]);
  const stopped = { ...restore, restored: [], halfFilled: ["a.c"], notBegun: ["a.e"] };
  expect(recoveryLines("restore", "result", stopped)).toEqual([
    "restored to I",
    "a.c: NOT WHOLE",
    "a.e: not begun",
  ]);
});

test("what said nothing has no lines, and another form is not taken for one of these", () => {
  expect(recoveryLines("drill", "plan", {})).toEqual([]);
  expect(recoveryLines("undo", "plan", undefined)).toEqual([]);
  expect(recoveryLines("undo", "plan", { description: 3 })).toEqual([
    "of a form that is not known here; --json has all of it",
  ]);
});
