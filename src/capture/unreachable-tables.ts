import type { TableConfig } from "../catalog-record.js";
import type { TableReference } from "../rethinkdb/table-reference.js";

interface Selection {
  selects(db: string, table: string): boolean;
}

interface Observer {
  lost(table: TableReference, reason: string): void;
}

/** Reports each selected table whose replicas cannot be asked, once, and remembers why. */
export class UnreachableTables {
  /** Reasons by "db.table". */
  readonly reasons = new Map<string, string>();

  constructor(
    private readonly selection: Selection,
    private readonly observer: Observer,
  ) {}

  /** @param present all tables that there are: a table that is gone or renamed is not waited for */
  note(present: TableConfig[]): void {
    const names = new Set(present.map(nameOf));
    for (const name of this.reasons.keys()) if (!names.has(name)) this.reasons.delete(name);
    for (const config of present) this.noteOne(config);
  }

  private noteOne(config: TableConfig): void {
    const { db, name, error } = config;
    if (error === undefined || !this.selection.selects(db, name)) {
      this.reasons.delete(nameOf(config));
    } else if (!this.reasons.has(nameOf(config))) {
      this.reasons.set(nameOf(config), error);
      this.observer.lost(reference(config), error);
    }
  }
}

export function reference({ id, db, name, primary_key: primaryKey }: TableConfig): TableReference {
  return { id, db, name, primaryKey };
}

function nameOf({ db, name }: TableConfig): string {
  return `${db}.${name}`;
}
