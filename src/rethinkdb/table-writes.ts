/** How many writes the servers have counted for a table. Writes that change nothing are counted too. */
export interface TableWrites {
  /** By server id. If two answers are equal, nothing was written in between. */
  byServer: ReadonlyMap<string, number>;
  /** How these counts give the table's writes; undefined where they do not, because a server counts copies too. */
  total: "sum" | "greatest" | undefined;
}
