/** A table as the source knows it now. */
export interface TableReference {
  /** UUID: what a table is known by. A rename keeps it; a drop and re-create makes a new one. */
  id: string;
  /** Name of its database. */
  db: string;
  name: string;
  /** Name of the primary key's field. */
  primaryKey: string;
}

/** The name of a feed's or scan's table does not stand for that table any more. */
export class TableReplaced extends Error {
  constructor(table: TableReference) {
    super(`${table.db}.${table.name} is not the table ${table.id} any more`);
  }
}
