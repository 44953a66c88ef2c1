/**
 * Which instants will be restored is drawn by lot before the load begins, so that of all that the writers know only the
 * answers about these instants have to be kept.
 */
import type { Answers } from "../endtoend/ledger.js";
import type { LoadedTable } from "./load.js";

/** How long after its acknowledgement a write may still be on its way, on a machine with too much to do. */
const deliveryMs = 1500;

export interface Question {
  instant: number;
  table: LoadedTable;
  answers: Answers;
}

export class Questions {
  readonly asked: Question[] = [];
  private readonly coming: number[];

  constructor(
    private readonly tables: LoadedTable[],
    instants: number[],
  ) {
    this.coming = [...instants].sort((a, b) => a - b);
  }

  /** Keeps the answers about instants that have passed, and lets the writers forget what no other needs. */
  note(now: number): void {
    while (this.coming.length > 0 && this.coming[0]! < now) {
      const instant = this.coming.shift()!;
      for (const table of this.tables) {
        const answers = table.ledger.answersAt(instant, deliveryMs);
        this.asked.push({ instant, table, answers });
      }
    }
    const next = Math.min(now, this.coming[0] ?? now);
    for (const table of this.tables) table.ledger.forgetBefore(next, deliveryMs);
  }
}
