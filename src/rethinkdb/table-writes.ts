/** How many writes the servers have counted for a table. Writes that change nothing are counted too. */
export interface TableWrites {
  /** By server id. Equal in two answers: nothing was written in between. */
  byServer: ReadonlyMap<string, number>;
  /** How these counts make up the table's writes; undefined where they cannot, for a server counts copies too. */
  total: "sum" | "greatest" | undefined;
}
