/** What a drill checks beside its comparison: whether restored tables hold what somebody expects of them. */
import type { DrillCheck, DrilledTable } from "../repository/records/drills.js";

export interface DrillChecks {
  /**
   * What is shown each document of a table that the target holds; undefined if nothing wants to see them.
   * @param table "db.table", as it was named at the instant
   */
  reader(table: string): ((document: Buffer) => void) | undefined;
  /** What became of each check. @param tables those that were restored and read to their ends */
  results(tables: readonly DrilledTable[]): DrillCheck[];
}
