/** What undo and rewind print. */
import { ThinkbackError } from "../errors.js";
import { formatInstant } from "../instant.js";
import { pathText } from "../recovery/field-tree.js";
import type { OperationHead, OperationResult, TableOutcome } from "../recovery/operation.js";
import type { Tally } from "../recovery/tally.js";
import type { Conflict } from "../recovery/undo.js";
import type { TableReference } from "../rethinkdb/table-reference.js";
import { textOfJson } from "../server-text.js";
import { type Estimate, estimateText } from "./change-estimate.js";
import { counted, formatBytes, formatCount, formatTable, type Output } from "./output.js";

/** So many documents are printed one by one; --json has all. */
const printedMax = 20;

export const nameOf = ({ db, name }: TableReference) => `${db}.${name}`;

/** Documents with fields that were set to something else since, by table. */
export class Conflicts {
  private readonly byTable = new Map<string, Map<string, Conflict>>();

  note(table: TableReference, conflict: Conflict): void {
    const name = nameOf(table);
    const of = this.byTable.get(name) ?? new Map<string, Conflict>();
    this.byTable.set(name, of.set(conflict.key.toString("latin1"), conflict));
  }

  of(table: TableReference): number {
    return this.byTable.get(nameOf(table))?.size ?? 0;
  }

  get count(): number {
    return [...this.byTable.values()].reduce((sum, { size }) => sum + size, 0);
  }

  results() {
    return this.all().map(({ table, key, paths }) => {
      return { table, key: keyResult(key), paths: paths.map(pathText) };
    });
  }

  print(output: Output): void {
    for (const { table, key, paths } of this.all().slice(0, printedMax)) {
      output.line(`conflict: ${table} ${textOfJson(key)}: ${paths.map(pathText).join(", ")}`);
    }
    const more = this.count - printedMax;
    if (more > 0) output.line(`and ${counted(more, "conflict")} more; --json lists all`);
  }

  private all(): (Conflict & { table: string })[] {
    return [...this.byTable].flatMap(([table, of]) =>
      [...of.values()].map((conflict) => ({ table, ...conflict })),
    );
  }
}

const keyResult = (key: Buffer) => JSON.parse(textOfJson(key)) as unknown;

export const headResult = ({ id, type, description }: OperationHead) => {
  return { operation: id, type, description };
};

/** What a table has in a plan. */
export interface PlannedChange {
  table: TableReference;
  tally: Tally;
}

export function reportPlan(
  head: OperationHead,
  tables: readonly PlannedChange[],
  estimate: Estimate,
  conflicts: Conflicts,
  path: string | undefined,
  output: Output,
): void {
  const { documents, bytes } = estimate;
  output.line(
    `${head.description}: would change ${counted(documents, "document")}, ${formatBytes(bytes)} before and after`,
  );
  if (tables.length > 1) {
    const rows = tables.map((of) => [
      nameOf(of.table),
      of.tally.documents,
      formatBytes(of.tally.bytes),
      conflicts.of(of.table),
    ]);
    output.line(formatTable(["table", "to change", "size", "conflicts"], rows));
  }
  conflicts.print(output);
  output.line(estimateText(estimate));
  if (path !== undefined) output.line(`plan ${head.id} is in ${path}`);
  output.result({
    ...headResult(head),
    tables: tables.map((of) => {
      const { table, tally } = of;
      const { documents: count, bytes: size } = tally;
      return {
        table: nameOf(table),
        documents: count,
        bytes: size,
        conflicts: conflicts.of(table),
      };
    }),
    documents,
    bytes,
    estimate,
    conflicts: conflicts.results(),
    plan: path ?? null,
  });
}

/** How long an operation took, and was estimated to take, in seconds. */
export interface Took {
  seconds: number;
  estimatedSeconds: number;
}

const leftBecause = {
  moved: "it was changed by somebody else",
  conflict: "fields of it were set to something else since",
};

/** Throws, with code "conflict", if documents were left as they are. */
export function report(
  head: OperationHead,
  { tables, rounds, wayBack }: OperationResult,
  conflicts: Conflicts,
  { seconds, estimatedSeconds }: Took,
  output: Output,
): void {
  const sum = (of: (one: TableOutcome) => number) => tables.reduce((all, one) => all + of(one), 0);
  const [written, already] = [sum((one) => one.written.documents), sum((one) => one.already)];
  const more = already > 0 ? `, ${formatCount(already)} were so already` : "";
  const time = `in ${seconds.toFixed(1)} s, estimated ${estimatedSeconds.toFixed(1)} s`;
  output.line(
    rounds === 0
      ? `${head.description}: nothing to change`
      : `${head.description}: ${counted(written, "document")} written${more} ${time}`,
  );
  if (tables.length > 1 && rounds > 0) {
    const rows = tables.map((of) => [
      nameOf(of.table),
      of.written.documents,
      of.already,
      of.left.length,
      conflicts.of(of.table),
    ]);
    output.line(formatTable(["table", "written", "so already", "left", "conflicts"], rows));
  }
  conflicts.print(output);
  const left = tables.flatMap((of) => of.left.map((one) => ({ ...one, table: nameOf(of.table) })));
  for (const { table, key, why: reason } of left.slice(0, printedMax)) {
    const why = typeof reason === "object" ? reason.refused : leftBecause[reason];
    output.line(`left as it is: ${table} ${textOfJson(key)}: ${why}`);
  }
  if (wayBack) {
    const until = formatInstant(wayBack.until);
    output.line(`to take this back until ${until}: thinkback undo --operation ${head.id}`);
  }
  output.result({
    ...headResult(head),
    tables: tables.map((of) => ({
      table: nameOf(of.table),
      written: of.written.documents,
      already: of.already,
      left: of.left.length,
      conflicts: conflicts.of(of.table),
    })),
    written,
    already,
    left: left.map(({ table, key, why }) => {
      const [is, refused] = typeof why === "object" ? ["refused", why.refused] : [why, null];
      return { table, key: keyResult(key), why: is, refused };
    }),
    conflicts: conflicts.results(),
    seconds,
    estimatedSeconds,
    pin: wayBack?.pin ?? null,
    until: wayBack ? formatInstant(wayBack.until) : null,
  });
  if (left.length === 0) return;
  throw new ThinkbackError(
    "conflict",
    `${counted(left.length, "document")} were left as they are`,
    {
      hint: "others changed them meanwhile, or the server refused them; look at them, and run the command again",
    },
  );
}
