/** What was acknowledged at every moment, on whatever side of a cut: the truth that restores are compared with. */
import type { Cluster } from "../simulated/cluster.js";

export interface ModelVersion {
  atMs: number;
  /** JSON text of the document; null if there was none from then on. */
  text: string | null;
}

export class ModelTable {
  droppedMs = Infinity;
  /** By the JSON text of the key, oldest first. */
  readonly keys = new Map<string, ModelVersion[]>();
  /** When anything changed. */
  private readonly changesMs: number[] = [];

  constructor(
    readonly id: string,
    readonly createdMs: number,
  ) {}

  /** Takes what the table holds now. */
  observe(documents: ReadonlyMap<string, string>, nowMs: number): void {
    for (const key of new Set([...documents.keys(), ...this.keys.keys()])) {
      const text = documents.get(key) ?? null;
      let versions = this.keys.get(key);
      if ((versions?.at(-1)?.text ?? null) === text) continue;
      if (!versions) this.keys.set(key, (versions = []));
      versions.push({ atMs: nowMs, text });
      if (this.changesMs.at(-1) !== nowMs) this.changesMs.push(nowMs);
    }
  }

  /** True if between two moments it never went unchanged for so long. */
  isBusy(fromMs: number, toMs: number, pauseMs: number): boolean {
    const within = this.changesMs.filter((atMs) => atMs >= fromMs - pauseMs && atMs <= toMs);
    const moments = [...within, toMs];
    return (
      moments.every((atMs, i) => atMs - (moments[i - 1] ?? atMs) < pauseMs) && within.length > 0
    );
  }

  /**
   * What may be restored of a key at a moment: the last version that has come for sure, and every later one that may
   * have come.
   * @param isDue tells of what was acknowledged at a moment whether it has come for sure
   */
  allowedAt(key: string, momentMs: number, isDue: (atMs: number) => boolean): (string | null)[] {
    // An instant is a whole millisecond, and holds what came in any part of it.
    const until = (this.keys.get(key) ?? []).filter(({ atMs }) => atMs < momentMs + 1);
    const due = until.findLastIndex(({ atMs }) => isDue(atMs));
    const allowed: (string | null)[] = due === -1 ? [null] : [];
    for (const { text } of until.slice(Math.max(0, due))) allowed.push(text);
    return allowed;
  }
}

export class Model {
  readonly tables = new Map<string, ModelTable>();
  /** Databases, tables and indexes, in the form of Cluster.structure. */
  readonly structure = new ModelTable("catalog", 0);
  /** Users and permissions, in the form of Cluster.access. */
  readonly access = new ModelTable("access", 0);

  constructor(
    private readonly cluster: Cluster,
    private readonly nowMs: () => number,
  ) {
    this.observe();
  }

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
    this.structure.observe(this.cluster.structure(), now);
    this.access.observe(this.cluster.access(), now);
  }
}

/** The last versions of a key, for a reader. */
export function historyOf(table: ModelTable, key: string): string {
  const history = table.keys.get(key)?.map(({ atMs, text }) => `${at(atMs)} ${text}`) ?? [];
  return history.slice(-8).join("; ");
}

/** A virtual moment, in seconds. */
export function at(ms: number): string {
  return `${(ms / 1000).toFixed(3)}s`;
}
