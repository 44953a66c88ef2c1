/** What undo and rewind print. */
import { ThinkbackError } from "../errors.js";
import { formatInstant } from "../instant.js";
import { leftCount } from "../recovery/carry-out.js";
import type { OperationHead, OperationResult } from "../recovery/operation.js";
import type { LeftKey } from "../recovery/outcomes.js";
import { Tally } from "../recovery/tally.js";
import type { DocumentChange } from "../repository/records/operations.js";
import type { TableReference } from "../rethinkdb/table-reference.js";
import { textOfJson } from "../server-text.js";
import { type Estimate, estimateText } from "./change-estimate.js";
import { fieldLines, shortText } from "./field-text.js";
import { type Conflicts, printedMax } from "./live-conflicts.js";
import { countsResult, countsText, deletedText, didDo, wouldDo } from "./live-counts.js";
import {
  counted,
  formatBytes,
  formatCount,
  formatTable,
  type Output,
  shellWord,
} from "./output.js";

export const nameOf = ({ db, name }: TableReference) => `${db}.${name}`;

/** So many documents that were left are listed for programs; all are counted. */
const listedMax = 1000;

const keyResult = (key: Buffer) => JSON.parse(textOfJson(key)) as unknown;

export const headResult = ({ id, type, description }: OperationHead) => {
  return { operation: id, type, description };
};

/** What a table has in a plan. */
export interface PlannedChange {
  table: TableReference;
  tally: Tally;
}

/** A change that shows what is meant. */
export interface Example {
  table: TableReference;
  change: DocumentChange;
}

/** How many documents are left that are no conflicts. */
export interface Kept {
  /** They were made since. */
  kept: number;
  /** Their fields were set since, and it is not known whether the operation that is taken back wrote them. */
  unknown: number;
}

export const keptNone: Kept = { kept: 0, unknown: 0 };

function printKept({ kept, unknown }: Kept, output: Output): void {
  if (kept > 0) output.line(`kept, though they were made since: ${counted(kept, "document")}`);
  if (unknown === 0) return;
  const them = unknown === 1 ? "it" : "them";
  output.line(
    `${counted(unknown, "document")}: not known whether the operation wrote ${them}; left`,
  );
}

export interface ToReport {
  tables: readonly PlannedChange[];
  examples: readonly Example[];
  conflicts: Conflicts;
  /** What shows that the selection is mistyped. */
  doubts: readonly string[];
  kept: Kept;
  /** True if the conflicts would end it. */
  isRefused: boolean;
}

/** Prints what would be done. @param estimate absent for a plan that was made before */
export function reportPlan(
  head: OperationHead,
  { tables, examples, conflicts, doubts, kept, isRefused }: ToReport,
  estimate: Estimate | undefined,
  more: object,
  output: Output,
): void {
  const all = Tally.sumOf(tables.map(({ tally }) => tally));
  const { documents, bytes } = all;
  const size = `${formatBytes(bytes)} before and after`;
  if (isRefused) {
    const withSkip = counted(documents, "document");
    const withForce = counted(documents + conflicts.count, "document");
    output.line(
      `${head.description}: would be REFUSED: ${counted(conflicts.count, "conflict")}; ` +
        `--on-conflict skip would write ${withSkip}, force or cascade ${withForce}`,
    );
  } else output.line(`${head.description}: would ${countsText(all, wouldDo)}; ${size}`);
  printKept(kept, output);
  if (tables.length > 1) {
    const rows = tables.map(({ table, tally }) => [
      nameOf(table),
      tally.changed,
      tally.deleted,
      tally.broughtBack,
      formatBytes(tally.bytes),
      conflicts.of(table),
    ]);
    const titles = ["table", "change", "delete", "bring back", "size", "conflicts"];
    output.line(formatTable(titles, rows));
  }
  printDeleted(isRefused ? "would delete" : "deletes", tables, output);
  for (const { table, change } of examples) {
    const { key, before, after } = change;
    output.line(`${nameOf(table)} ${shortText(key)}`);
    for (const line of fieldLines(before, after, output)) output.line(`    ${line}`);
  }
  conflicts.print(output);
  if (estimate) output.line(estimateText(estimate));
  output.result({
    ...headResult(head),
    ...countsResult(all),
    tables: tables.map(({ table, tally }) => ({
      table: nameOf(table),
      documents: tally.documents,
      bytes: tally.bytes,
      ...countsResult(tally),
      conflicts: conflicts.of(table),
    })),
    documents,
    bytes,
    kept: kept.kept,
    unknown: kept.unknown,
    refused: isRefused,
    ...(estimate ? { estimate } : {}),
    ...conflicts.results(),
    doubts,
    ...more,
  });
}

function printDeleted(verb: string, tables: readonly PlannedChange[], output: Output): void {
  for (const { table, tally } of tables) {
    const deleted = deletedText(nameOf(table), tally);
    if (deleted !== undefined) output.line(`${verb}: ${deleted}`);
  }
}

/** What there is to say of an operation beside its result. */
export interface Ended {
  conflicts: Conflicts;
  /** What shows that the selection is mistyped. */
  doubts: readonly string[];
  kept: Kept;
  /** How long it took, and was estimated to take. */
  seconds: number;
  estimatedSeconds: number;
  /** Documents that are left because of conflicts are more than was asked for. */
  refusesConflicts: boolean;
  /** Why nothing was to be done, if that is known. */
  why?: string | undefined;
  /** It was done as a plan says. */
  byPlan?: boolean;
  /** The command that takes it back. */
  wayBack: string;
}

/** Throws, with code "conflict", if documents were left as they are that were to be written. */
export function report(
  head: OperationHead,
  { tables, rounds, wayBack }: OperationResult,
  ended: Ended,
  output: Output,
): void {
  const { conflicts, kept, seconds, estimatedSeconds, refusesConflicts, why, byPlan } = ended;
  const written = Tally.sumOf(tables.map((one) => one.written));
  const already = tables.reduce((sum, one) => sum + one.already, 0);
  const left = tables.flatMap((of) =>
    of.left
      .filter((one) => one.why !== "conflict" || refusesConflicts)
      .map((one) => ({ ...one, table: nameOf(of.table) })),
  );
  const count = left.length + tables.reduce((sum, one) => sum + one.leftUnlisted, 0);
  const more = already > 0 ? `, ${formatCount(already)} were so already` : "";
  const time = `in ${seconds.toFixed(1)} s, estimated ${estimatedSeconds.toFixed(1)} s`;
  output.line(
    rounds === 0
      ? `${head.description}: nothing to change${why === undefined ? "" : `: ${why}`}`
      : `${head.description}: ${counted(written.documents, "document")} written${more} ${time}: ${countsText(written, didDo)}`,
  );
  printKept(kept, output);
  if (tables.length > 1 && rounds > 0) {
    const rows = tables.map((of) => [
      nameOf(of.table),
      of.written.documents,
      of.written.deleted,
      of.already,
      leftCount(of),
      conflicts.of(of.table),
    ]);
    const titles = ["table", "written", "of these deleted", "so already", "left", "conflicts"];
    output.line(formatTable(titles, rows));
  }
  printDeleted(
    "deleted",
    tables.map((of) => ({ table: of.table, tally: of.written })),
    output,
  );
  conflicts.print(output);
  for (const { table, key, why: reason } of left.slice(0, printedMax)) {
    output.line(`left as it is: ${table} ${textOfJson(key)}: ${leftText(reason)}`);
  }
  if (wayBack) {
    output.line(`to take this back until ${formatInstant(wayBack.until)}: ${ended.wayBack}`);
  }
  output.result({
    ...headResult(head),
    tables: tables.map((of) => ({
      table: nameOf(of.table),
      written: of.written.documents,
      ...countsResult(of.written),
      already: of.already,
      left: leftCount(of),
      conflicts: conflicts.of(of.table),
    })),
    written: written.documents,
    ...countsResult(written),
    already,
    kept: kept.kept,
    unknown: kept.unknown,
    left: left.slice(0, listedMax).map(({ table, key, why: reason }) => {
      const [is, refused] =
        typeof reason === "object" ? ["refused", reason.refused] : [reason, null];
      return { table, key: keyResult(key), why: is, refused };
    }),
    leftCount: count,
    ...conflicts.results(),
    doubts: ended.doubts,
    seconds,
    estimatedSeconds,
    pin: wayBack?.pin ?? null,
    until: wayBack ? formatInstant(wayBack.until) : null,
    wayBack: wayBack ? ended.wayBack : null,
  });
  if (count > 0) throw leftAsTheyAre(left, count, byPlan === true);
}

function leftText(why: LeftKey["why"]): string {
  if (why === "moved") return "it was changed by somebody else";
  return why === "conflict" ? "a field of it was set to something else since" : why.refused;
}

/** So many keys are named in a hint. */
const hintedMax = 3;

function leftAsTheyAre(left: readonly LeftKey[], count: number, byPlan: boolean): ThinkbackError {
  const keys = left.slice(0, hintedMax).map(({ key }) => `--key ${shellWord(textOfJson(key))}`);
  const more = count > hintedMax ? " …" : "";
  const hint = byPlan
    ? `they are not as the plan has them, so it can never change them: make a new plan for them with --dry-run --plan, ${keys.join(" ")}${more}`
    : "others changed them meanwhile, or the server refused them; look at them, and run the command again";
  const were = count === 1 ? "was left as it is" : "were left as they are";
  return new ThinkbackError("conflict", `${counted(count, "document")} ${were}`, { hint });
}
