/** What undo and rewind are to do, and what they find while they compare live tables. */
import { ThinkbackError } from "../errors.js";
import type { OperatedTable, OperationHead } from "../recovery/operation.js";
import type { Selection } from "../recovery/selection.js";
import type { UndoStep } from "../recovery/undo.js";
import type { OperationType } from "../repository/records/operations.js";
import type { RestorePlan } from "../restore/plan.js";
import type { TableReference } from "../rethinkdb/table-reference.js";
import { Conflicts } from "./live-conflicts.js";
import { headResult, nameOf } from "./live-report.js";
import { counted, type Output } from "./output.js";
import { ProgressLines } from "./progress.js";

/** What is to be done, as undo and rewind find it out. */
export interface Intent {
  type: OperationType;
  /** In words. */
  description: string;
  /** A conflict ends it before anything is written. */
  refusesConflicts: boolean;
  /** A plan that places the hold: nothing that is read meanwhile may expire. Absent if only records are read. */
  holding?: RestorePlan;
  tables: IntendedTable[];
  /** Told if there is nothing to change. */
  whyNothing?: () => Promise<string | undefined>;
}

export interface IntendedTable {
  table: TableReference;
  steps: (only?: Selection) => AsyncIterable<UndoStep>;
  /** What shows, when all documents were compared, that the selection is mistyped: one sentence each. */
  doubts?: (() => string[]) | undefined;
}

/** What is found while live tables are compared. */
export class Found {
  readonly conflicts = new Conflicts();
  readonly progress = new ProgressLines();
  /** How many documents are kept that were made since. */
  kept = 0;
  /** How many are left of which it is not known whether the operation wrote them. */
  unknown = 0;
  private readonly selections: (() => string[])[] = [];

  constructor(
    private readonly signal: AbortSignal,
    private readonly keepAdded: boolean,
  ) {}

  table({ table, steps, doubts }: IntendedTable): OperatedTable {
    if (doubts) this.selections.push(doubts);
    return { table, steps: (only) => this.noted(table, steps(only), only !== undefined) };
  }

  /** What shows, of the documents so far, that the selection is mistyped. */
  doubts(): string[] {
    return this.selections.flatMap((doubts) => doubts());
  }

  private async *noted(
    table: TableReference,
    steps: AsyncIterable<UndoStep>,
    isAgain: boolean,
  ): AsyncGenerator<UndoStep> {
    let seen = 0;
    for await (const step of steps) {
      this.signal.throwIfAborted();
      seen += 1;
      if (seen % 100 === 0) {
        const count = counted(seen, "document");
        this.progress.set("plan", `comparing ${nameOf(table)}: ${count}`);
      }
      if (this.keepAdded && step.change?.after === null) {
        if (!isAgain) this.kept += 1;
        continue;
      }
      if (step.unknown !== undefined && !isAgain) this.unknown += 1;
      this.conflicts.note(table, step);
      yield step;
    }
  }
}

interface Refused {
  conflicts: Conflicts;
  doubts: readonly string[];
}

/** Ends an operation because of its conflicts. */
export function refuse(head: OperationHead, { conflicts, doubts }: Refused, output: Output): never {
  conflicts.print(output);
  output.result({ ...headResult(head), ...conflicts.results(), doubts });
  throw refusal(conflicts, "nothing was written");
}

/** The error of an operation that conflicts end. @param what became of it */
export function refusal(conflicts: Conflicts, what: string): ThinkbackError {
  return new ThinkbackError(
    "conflict",
    `${counted(conflicts.count, "document")} had fields set to something else since; ${what}`,
    { hint: "give --on-conflict skip, cascade or force; --dry-run shows what each would do" },
  );
}
