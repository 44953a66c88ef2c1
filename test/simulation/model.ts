/** What the source held at every moment: the truth that restores are compared with. */
import type { Cluster } from "../simulated/cluster.js";
import type { Delivery } from "./delivery.js";

export interface ModelVersion {
  atMs: number;
  /** JSON text of the document; null if there was none from then on. */
  text: string | null;
}

export class ModelTable {
  droppedMs = Infinity;
  /** By the JSON text of the key, oldest first. */
  readonly keys = new Map<string, ModelVersion[]>();

  constructor(
    readonly id: string,
    readonly createdMs: number,
  ) {}

  /** Takes what the table holds now; gives the number of keys that changed. */
  observe(documents: ReadonlyMap<string, string>, nowMs: number): void {
    for (const key of new Set([...documents.keys(), ...this.keys.keys()])) {
      const text = documents.get(key) ?? null;
      let versions = this.keys.get(key);
      if ((versions?.at(-1)?.text ?? null) === text) continue;
      if (!versions) this.keys.set(key, (versions = []));
      versions.push({ atMs: nowMs, text });
    }
  }

  /**
   * What may be restored of a key at a moment: the last version that has come for sure, and every later one that may
   * have come.
   */
  allowedAt(key: string, momentMs: number, delivery: Delivery): (string | null)[] {
    const until = (this.keys.get(key) ?? []).filter(({ atMs }) => atMs <= momentMs);
    const sure = until.findLastIndex(({ atMs }) => delivery.latestMs(atMs) < momentMs);
    const allowed: (string | null)[] = sure === -1 ? [null] : [];
    for (const { text } of until.slice(Math.max(0, sure))) allowed.push(text);
    return allowed;
  }
}

/** A table as the catalog shows it. */
export interface ModelCatalogTable {
  id: string;
  name: string;
  /** Field of each index; undefined while it is not known which of two definitions holds. */
  indexes: Map<string, string> | undefined;
}

export interface ModelCatalog {
  atMs: number;
  tables: ModelCatalogTable[];
}

export class Model {
  readonly tables = new Map<string, ModelTable>();
  /** Oldest first. */
  readonly catalogs: ModelCatalog[] = [{ atMs: 0, tables: [] }];
  /** By table; what workload.ts has defined. */
  private readonly indexes = new Map<string, Map<string, string> | undefined>();

  constructor(
    private readonly cluster: Cluster,
    private readonly nowMs: () => number,
  ) {}

  /** Takes what the whole source holds now. */
  observe(): void {
    const now = this.nowMs();
    const present = this.cluster.tables();
    for (const { database, name, id } of present) {
      let table = this.tables.get(id);
      if (!table) this.tables.set(id, (table = new ModelTable(id, now)));
      table.observe(this.cluster.documents(database, name), now);
    }
    for (const table of this.tables.values()) {
      if (table.droppedMs === Infinity && !present.some(({ id }) => id === table.id))
        table.droppedMs = now;
    }
    this.noteCatalog(present, now);
  }

  /** An index was defined over a field, or removed; or it is not known which (`unknown`). */
  noteIndex(table: string, index: string, field: string | undefined): void {
    const known = this.indexes.has(table) ? this.indexes.get(table) : new Map<string, string>();
    if (known && field === undefined) known.delete(index);
    else known?.set(index, field!);
    this.indexes.set(table, known);
    this.noteCatalog(this.cluster.tables(), this.nowMs());
  }

  noteIndexUnknown(table: string): void {
    this.indexes.set(table, undefined);
    this.noteCatalog(this.cluster.tables(), this.nowMs());
  }

  /** The catalog at a moment, and how long it had been so. */
  catalogAt(momentMs: number): ModelCatalog {
    return this.catalogs.findLast(({ atMs }) => atMs <= momentMs)!;
  }

  private noteCatalog(present: ReturnType<Cluster["tables"]>, atMs: number): void {
    const tables = present.map(({ database, name, id }) => {
      const indexes = this.indexes.has(id) ? this.indexes.get(id) : new Map<string, string>();
      return { id, name: `${database}.${name}`, indexes: indexes && new Map(indexes) };
    });
    tables.sort((a, b) => (a.id < b.id ? -1 : 1));
    if (textOf(tables) !== textOf(this.catalogs.at(-1)!.tables))
      this.catalogs.push({ atMs, tables });
  }
}

function textOf(tables: ModelCatalogTable[]): string {
  return JSON.stringify(tables.map((t) => [t.id, t.name, t.indexes ? [...t.indexes] : null]));
}
