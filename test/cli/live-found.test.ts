/** What undo and rewind find while they compare live tables, and tell of it. */
import { expect, test } from "vitest";
import { Conflicts } from "../../src/cli/live-conflicts.js";
import { Found } from "../../src/cli/live-found.js";
import { reportPlan } from "../../src/cli/live-report.js";
import type { Output } from "../../src/cli/output.js";
import { orderCode } from "../../src/key-order.js";
import type { UndoStep } from "../../src/recovery/undo.js";
import { reference } from "../recovery/live-tables.js";
import { json } from "../repository/recording.js";

/** What is printed, and the result for programs. */
async function told(ids: readonly number[]) {
  const found = new Found(new AbortController().signal, false);
  const steps = async function* (): AsyncGenerator<UndoStep> {
    for (const id of ids) yield { unknown: orderCode(json(id)) };
  };
  const table = found.table({ table: reference("orders"), steps });
  for await (const _ of table.steps());
  // A document that is looked at again is counted already.
  for await (const _ of table.steps({}));
  const lines: string[] = [];
  const results: unknown[] = [];
  const output = {
    line: (line: string) => lines.push(line),
    result: (result: unknown) => results.push(result),
  } as unknown as Output;
  const head = { id: "0123abcd", type: "undo" as const, repository: "r", description: "a test" };
  const conflicts = new Conflicts();
  const doubts = found.doubts();
  const toReport = { tables: [], examples: [], conflicts, doubts, kept: found, isRefused: false };
  reportPlan(head, toReport, undefined, {}, output);
  return { lines, result: results[0] };
}

test("documents of which it is not known whether the operation wrote them are told", async () => {
  const { lines, result } = await told([1, 2]);
  expect(lines).toContain("2 documents: not known whether the operation wrote them; left");
  expect(result).toMatchObject({ unknown: 2, kept: 0, conflictCount: 0 });
});

test("nothing is told of them if there are none", async () => {
  const { lines, result } = await told([]);
  expect(lines.join()).not.toContain("not known");
  expect(result).toMatchObject({ unknown: 0 });
});
