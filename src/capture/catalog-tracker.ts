import type { Catalog } from "../repository/catalog.js";
import type { CatalogReading, CatalogRecord, TableConfig } from "../rethinkdb/catalog-reader.js";
import type { Recorder } from "./recorder.js";

/** Keeps the log's catalog equal to the source's: writes down what differs, and nothing else. */
export class CatalogTracker {
  /** The JSON texts of the values by those of the keys, as last written. */
  private readonly known: Map<string, string>;

  constructor(
    private readonly recorder: Recorder,
    /** What the repository holds already. */
    written: Catalog,
    /** Told when a table has no write hook any more: a reshard drops it without a word. */
    private readonly onLostHook: (table: TableConfig) => void,
  ) {
    this.known = new Map(written.records);
  }

  /** Takes a reading of the source's catalog. */
  update({ servers, structure, access }: CatalogReading): void {
    const seen = new Set<string>();
    for (const { key, value } of [...serverRecords(servers), ...structure, ...(access ?? [])]) {
      const keyText = JSON.stringify(key);
      seen.add(keyText);
      // A table that is there has indexes, also where this reading could not tell which: what was known stays.
      if (key[0] === "table") seen.add(JSON.stringify(["indexes", key[1]]));
      // A table without reachable replicas says nothing about itself; what was known stays.
      if ((value as Partial<TableConfig>).error !== undefined) continue;
      const text = JSON.stringify(value);
      const before = this.known.get(keyText);
      if (before === text) continue;
      if (before !== undefined && lostHook(before, value)) this.onLostHook(value as TableConfig);
      this.known.set(keyText, text);
      this.recorder.log.appendRecord("catalog", key, value);
    }
    const kinds = access ? [...structureKinds, ...accessKinds] : structureKinds;
    for (const keyText of this.known.keys()) {
      const key = JSON.parse(keyText) as string[];
      // What could not be read is not what is not there.
      if (!seen.has(keyText) && kinds.includes(key[0]!)) this.remove(keyText, key);
    }
  }

  /** Ids of the servers that were connected when the catalog was last written down. */
  get servers(): string[] {
    const text = this.known.get(JSON.stringify(clusterKey));
    return text === undefined ? [] : (JSON.parse(text) as { servers: string[] }).servers;
  }

  /** The servers of the cluster before are none of ours any more, or are gone for good. */
  forgetServers(): void {
    for (const keyText of this.known.keys()) {
      const key = JSON.parse(keyText) as string[];
      if (key[0] === "server" || key[0] === "cluster") this.remove(keyText, key);
    }
  }

  private remove(keyText: string, key: string[]): void {
    this.known.delete(keyText);
    this.recorder.log.appendRecord("catalog", key, null);
  }
}

/** Servers are kept for ever: a cluster is known by every server that it ever had. */
const structureKinds = ["db", "table", "indexes"];
const accessKinds = ["user", "permission"];

const clusterKey = ["cluster"];

function serverRecords(servers: CatalogReading["servers"]): CatalogRecord[] {
  const ids = servers.map(({ id }) => id).sort();
  return [
    ...servers.map(({ id, name }) => ({ key: ["server", id], value: { id, name } })),
    { key: clusterKey, value: { servers: ids } },
  ];
}

function lostHook(before: string, now: object): boolean {
  const had = (JSON.parse(before) as Partial<TableConfig>).write_hook;
  return Boolean(had) && (now as Partial<TableConfig>).write_hook === null;
}
