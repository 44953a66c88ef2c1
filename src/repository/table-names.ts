/** The names of tables by their ids. That of a dropped table comes from the catalog of a time when it was there. */
import { isDamage } from "../errors.js";
import type { Instant } from "../instant.js";
import type { TableCoverage } from "./coverage/coverage.js";
import type { RepositoryView } from "./repository-view.js";

export class TableNames {
  private readonly named = new Map<string, { name: string; isDropped: boolean }>();

  /** @param at the instant whose names are wanted; the newest if none is given */
  static async read(view: RepositoryView, at?: Instant): Promise<TableNames> {
    const names = new TableNames();
    for (const catalog of new Set([await view.catalog(at), await view.catalog()])) {
      for (const { id, db, name } of catalog.tables()) {
        if (!names.named.has(id)) names.named.set(id, { name: `${db}.${name}`, isDropped: false });
      }
    }
    for (const [id, coverage] of (await view.coverage()).tables) {
      if (names.named.has(id)) continue;
      const name = await lastNameOf(view, id, coverage);
      if (name !== undefined) names.named.set(id, { name, isDropped: true });
    }
    return names;
  }

  /** "db.table"; the id if no name is known. */
  nameOf(id: string): string {
    return this.named.get(id)?.name ?? id;
  }

  /** The same, for people: it says whether the table was dropped. */
  textOf(id: string): string {
    return `${this.nameOf(id)}${this.named.get(id)?.isDropped ? " (dropped)" : ""}`;
  }
}

const lostBeforeMs = 1000;

/** The last name of a table that was dropped; undefined if it is not known, or the catalog of that time is damaged. */
async function lastNameOf(
  view: RepositoryView,
  id: string,
  { intervals }: TableCoverage,
): Promise<string | undefined> {
  const last = intervals.at(-1);
  if (!last) return undefined;
  // The catalog may have lost the table some moments before its coverage ended.
  for (const at of [last.to, Math.max(last.from, last.to - lostBeforeMs), last.from]) {
    try {
      const table = (await view.catalog(at)).tables().find((one) => one.id === id);
      if (table) return `${table.db}.${table.name}`;
    } catch (error) {
      if (!isDamage(error)) throw error;
    }
  }
  return undefined;
}
