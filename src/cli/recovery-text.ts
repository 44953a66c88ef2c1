/** What a recovery plans and has done, for people: made of what its command has printed for programs. */
import * as v from "valibot";
import { formatDuration } from "../instant.js";
import type { RecoveryCommand } from "../recoveries/events.js";
import { classText } from "../restore/inexact.js";
import { costText, takingText } from "./change-estimate.js";
import { printedMax } from "./live-conflicts.js";
import { countsText, didDo, wouldDo } from "./live-counts.js";
import { counted, formatBytes, formatCount, formatNames, formatTable } from "./output.js";

const text = v.string();
const count = v.number();
const texts = v.optional(v.array(text), []);
const asOf = v.object({
  class: v.picklist(["exact", "late", "gap", "unwatched", "damaged"]),
  reason: v.nullish(text),
  lateMs: v.nullish(count),
  instant: text,
});

const restorePlan = v.object({
  at: text,
  tables: v.array(
    v.object({
      from: text,
      to: text,
      ...asOf.entries,
      baseDocuments: count,
      baseBytes: count,
      indexes: v.array(text),
    }),
  ),
  catalog: asOf,
  accessAsOf: v.nullish(asOf),
  segments: count,
  notCaptured: texts,
  notSelected: texts,
  estimatedSeconds: v.nullish(count),
});

const restoreResult = v.object({
  at: text,
  restored: v.array(
    v.object({
      to: text,
      documents: count,
      bytes: count,
      seconds: count,
      matches: v.boolean(),
      leftOut: v.optional(v.array(v.unknown()), []),
    }),
  ),
  earlier: texts,
  halfFilled: texts,
  notBegun: texts,
  seconds: v.nullish(count),
});

const conflicts = {
  conflicts: v.optional(
    v.array(v.object({ table: text, key: v.unknown(), paths: v.array(text) })),
    [],
  ),
  conflictCount: v.optional(count, 0),
  overwritten: v.optional(v.boolean(), false),
};
type Conflicts = v.InferOutput<v.ObjectSchema<typeof conflicts, undefined>>;
const changes = { changed: count, deleted: count, broughtBack: count };

const changePlan = v.object({
  description: text,
  ...changes,
  bytes: count,
  tables: v.array(v.object({ table: text, ...changes, bytes: count, conflicts: count })),
  kept: v.optional(count, 0),
  unknown: v.optional(count, 0),
  estimate: v.optional(
    v.object({
      seconds: count,
      by: v.picklist(["an earlier operation", "reads"]),
      writes: count,
      requests: v.object({ put: count, get: count, head: count, list: count, delete: count }),
      storedBytes: count,
      cost: v.nullable(v.object({ profile: text, asOf: text, currency: text, total: count })),
    }),
  ),
  ...conflicts,
});

const changeResult = v.object({
  description: text,
  written: count,
  ...changes,
  tables: v.array(
    v.object({ table: text, written: count, deleted: count, already: count, left: count }),
  ),
  leftCount: v.optional(count, 0),
  seconds: v.optional(count),
  wayBack: v.nullish(text),
  until: v.nullish(text),
  ...conflicts,
});

/** What is left of a change that was stopped or refused. */
const stoppedChange = v.object({
  description: text,
  done: v.optional(count),
  documents: v.optional(count),
  ...conflicts,
});

const swap = v.object({
  live: text,
  promoted: v.optional(text),
  kept: v.nullish(text),
  documents: v.optional(v.object({ live: v.nullable(count), promoted: count })),
  differences: texts,
  grants: texts,
});

const drill = v.object({
  instant: text,
  class: text,
  ok: v.boolean(),
  seconds: count,
  tables: v.array(v.object({ name: text, rows: count, bytes: count, ok: v.boolean() })),
});

const conflictLines = ({ conflicts: all, conflictCount, overwritten }: Conflicts): string[] => {
  const what = overwritten ? "overwritten in spite of a conflict" : "conflict";
  const more = conflictCount - Math.min(all.length, printedMax);
  return [
    ...all
      .slice(0, printedMax)
      .map(
        ({ table, key, paths }) => `${what}: ${table} ${JSON.stringify(key)}: ${paths.join(", ")}`,
      ),
    ...(more > 0 ? [`and ${counted(more, "conflict")} more; --json lists the first 1,000`] : []),
  ];
};

const takes = (seconds: number) => formatDuration(Math.max(1, Math.round(seconds)) * 1000);

const restorePlanLines = (plan: v.InferOutput<typeof restorePlan>): string[] => {
  const { at, tables, catalog, accessAsOf, segments, estimatedSeconds } = plan;
  const rows = tables.map(({ from, to, baseDocuments, baseBytes, indexes, instant, ...of }) => [
    from,
    to,
    classOf(of),
    instant,
    baseDocuments,
    formatBytes(baseBytes),
    indexes.length,
  ]);
  const titles = ["table", "restored as", "class", "as of", "in the base", "size", "indexes"];
  const others = [
    ["catalog", catalog],
    ["access", accessAsOf],
  ] as const;
  return [
    `restores to ${at}`,
    formatTable(titles, rows),
    ...others.flatMap(([name, of]) => (of ? [`${name}: ${classOf(of)}`] : [])),
    `log: ${counted(segments, "segment")} to read`,
    ...plan.notCaptured.map((name) => `${name}: nothing of it was captured; it is not restored`),
    ...(plan.notSelected.length > 0 ? [`left out: ${formatNames(plan.notSelected)}`] : []),
    ...(estimatedSeconds ? [`it takes about ${takes(estimatedSeconds)}`] : []),
  ];
};

const classOf = ({ class: of, lateMs }: Pick<v.InferOutput<typeof asOf>, "class" | "lateMs">) =>
  classText({ class: of, ...(lateMs ? { lateMs } : {}) });

const restoreResultLines = (result: v.InferOutput<typeof restoreResult>): string[] => {
  const { at, restored, earlier, halfFilled, notBegun, seconds } = result;
  const rows = restored.map(({ to, documents, bytes, seconds: of, matches, leftOut }) => [
    to,
    documents,
    formatBytes(bytes),
    of.toFixed(1),
    leftOut.length,
    matches ? "equal" : "DIFFERENT",
  ]);
  const titles = ["table", "documents", "size", "seconds", "left out", "compared with the server"];
  return [
    `restored to ${at}${seconds ? ` in ${seconds.toFixed(1)} s` : ""}`,
    ...(rows.length > 0 ? [formatTable(titles, rows)] : []),
    ...earlier.map((name) => `${name}: complete by an earlier run`),
    ...halfFilled.map((name) => `${name}: NOT WHOLE`),
    ...notBegun.map((name) => `${name}: not begun`),
  ];
};

const changePlanLines = (plan: v.InferOutput<typeof changePlan>): string[] => {
  const { description, tables, bytes, kept, unknown, estimate } = plan;
  const rows = tables.map((of) => [
    of.table,
    of.changed,
    of.deleted,
    of.broughtBack,
    formatBytes(of.bytes),
    of.conflicts,
  ]);
  const titles = ["table", "change", "delete", "bring back", "size", "conflicts"];
  return [
    `${description}: would ${countsText(plan, wouldDo)}; ${formatBytes(bytes)} before and after`,
    ...(rows.length > 0 ? [formatTable(titles, rows)] : []),
    ...(kept > 0 ? [`kept, though they were made since: ${counted(kept, "document")}`] : []),
    ...(unknown > 0 ? [`left, because who wrote it is not known: ${formatCount(unknown)}`] : []),
    ...conflictLines(plan),
    ...(estimate
      ? [`${takingText(estimate)}${estimate.cost ? `; ${costText(estimate.cost)}` : ""}`]
      : []),
  ];
};

const changeResultLines = (result: v.InferOutput<typeof changeResult>): string[] => {
  const { description, written, tables, leftCount, seconds, wayBack, until } = result;
  const rows = tables.map((of) => [of.table, of.written, of.deleted, of.already, of.left]);
  const titles = ["table", "written", "of these deleted", "so already", "left"];
  const time = seconds === undefined ? "" : ` in ${seconds.toFixed(1)} s`;
  return [
    `${description}: ${counted(written, "document")} written${time}: ${countsText(result, didDo)}`,
    ...(rows.length > 0 ? [formatTable(titles, rows)] : []),
    ...conflictLines(result),
    ...(leftCount > 0 ? [`left as they are: ${counted(leftCount, "document")}`] : []),
    ...(wayBack && until ? [`to take this back until ${until}: ${wayBack}`] : []),
  ];
};

const stoppedLines = (result: v.InferOutput<typeof stoppedChange>): string[] => {
  const { description, done, documents } = result;
  const of = documents === undefined ? "" : ` of ${counted(documents, "document")}`;
  return [
    `${description}${done === undefined ? "" : `: ${formatCount(done)}${of} done`}`,
    ...conflictLines(result),
  ];
};

const swapLines =
  (becomes: string) =>
  ({ live, promoted, kept, documents, differences, grants }: v.InferOutput<typeof swap>) => {
    const rows = documents
      ? [
          [promoted ?? live, documents.promoted, `${becomes} ${live}`],
          ...(documents.live === null
            ? []
            : [[live, documents.live, kept ? `${becomes} ${kept}` : ""]]),
        ]
      : [];
    return [
      promoted === undefined ? `${live} is promoted` : `${promoted} ${becomes} ${live}`,
      ...(rows.length > 0 ? [formatTable(["table", "documents", ""], rows)] : []),
      ...differences.map((one) => `it differs: ${one}`),
      ...grants.map((user) => `grants of user ${user} are carried over`),
    ];
  };

const drillLines = ({ instant, class: of, ok, seconds, tables }: v.InferOutput<typeof drill>) => {
  const rows = tables.map((one) => [
    one.name,
    one.rows,
    formatBytes(one.bytes),
    one.ok ? "equal" : "DIFFERENT",
  ]);
  return [
    `${ok ? "proven restorable" : "NOT PROVEN"}: ${instant} (${of}) in ${seconds.toFixed(1)} s`,
    formatTable(["table", "documents", "size", "compared with the repository"], rows),
  ];
};

/** The lines of what has one of these forms. */
type Form = (printed: object) => string[] | undefined;

function form<S extends v.GenericSchema>(
  schema: S,
  lines: (of: v.InferOutput<S>) => string[],
): Form {
  return (printed) => {
    const { success, output } = v.safeParse(schema, printed);
    return success ? lines(output) : undefined;
  };
}

const changed = [form(changeResult, changeResultLines), form(stoppedChange, stoppedLines)];

const forms: Record<RecoveryCommand, { plan: Form[]; result: Form[] }> = {
  restore: {
    plan: [form(restorePlan, restorePlanLines)],
    // One whose earlier run came to its end says what it planned.
    result: [form(restoreResult, restoreResultLines), form(restorePlan, restorePlanLines)],
  },
  rewind: { plan: [form(changePlan, changePlanLines)], result: changed },
  undo: { plan: [form(changePlan, changePlanLines)], result: changed },
  promote: {
    plan: [form(swap, swapLines("would become"))],
    result: [form(swap, swapLines("became"))],
  },
  drill: { plan: [], result: [form(drill, drillLines)] },
};

/** What a command planned or did, in lines; none if it said nothing. */
export function recoveryLines(
  command: RecoveryCommand,
  what: "plan" | "result",
  printed: object | undefined,
): string[] {
  if (!printed || Object.keys(printed).length === 0) return [];
  for (const one of forms[command][what]) {
    const lines = one(printed);
    if (lines) return lines;
  }
  // Another version of Thinkback may have made it.
  return ["of a form that is not known here; --json has all of it"];
}
