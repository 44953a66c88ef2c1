import type { CatalogRecord, TableConfig } from "../catalog-record.js";
import type { Instant } from "../instant.js";
import { isOwnHook } from "../own-hook.js";
import { Catalog, type KnownServer } from "../repository/log/catalog.js";
import type { LogWriter } from "../repository/log/log-writer.js";
import type { CatalogReading } from "../rethinkdb/catalog-reader.js";

/** What a reading of the catalog brought. */
export interface Updated {
  /** The servers of the cluster, except forgotten ones, that it has not heard. */
  missing: KnownServer[];
  /** Ids of the tables and databases that differ from what was known, by their configuration or their indexes. */
  changed: Set<string>;
  /** Ids of the tables that are gone. A database that is gone with tables of its own is in neither. */
  gone: Set<string>;
  /** True if users or grants differ. */
  isAccessChanged: boolean;
  /** From this instant on the log has all that differs; undefined if nothing does. */
  at: Instant | undefined;
}

/** Keeps the log's catalog equal to the source's: writes down what differs, and nothing else. */
export class CatalogTracker {
  /** The JSON text of each value, as last written, by the JSON text of its key. */
  private readonly known: Map<string, string>;
  private updated = noUpdate([]);

  constructor(
    private readonly log: Pick<LogWriter, "appendRecord">,
    /** What the repository holds already. */
    written: Catalog,
    /** Called when a table has lost its write hook: a reshard drops the hook silently. */
    private readonly onLostHook: (table: TableConfig) => void,
  ) {
    this.known = new Map(written.records);
  }

  /**
   * Takes a reading of the source's catalog. What it does not tell is gone only if it has heard every server: one that
   * is cut off does not know what others have made.
   */
  update(reading: CatalogReading): Updated {
    const { structure, access } = reading;
    const servers = this.serverRecords(reading);
    for (const record of servers) this.write(record);
    const missing = this.missing(reading);
    this.updated = noUpdate(missing);
    const seen = new Set<string>();
    for (const { key, value } of [...servers, ...structure, ...(access ?? [])]) {
      const keyText = JSON.stringify(key);
      seen.add(keyText);
      // A table that is there keeps the indexes that were known, even if this reading could not tell them.
      if (key[0] === "table") seen.add(JSON.stringify(["indexes", key[1]]));
      // A table without reachable replicas says nothing about itself; what was known stays.
      if ((value as Partial<TableConfig>).error !== undefined) continue;
      const before = this.known.get(keyText);
      if (before !== undefined && lostHook(before, value)) this.onLostHook(value as TableConfig);
      this.write({ key, value });
    }
    const kinds = access ? [...structureKinds, ...accessKinds] : structureKinds;
    const emptied = new Set<string>();
    const removed: { key: string[]; text: string }[] = [];
    for (const [keyText, text] of this.known) {
      const key = JSON.parse(keyText) as string[];
      // A record of a kind that could not be read stays: it may still be there.
      if (missing.length > 0 || seen.has(keyText) || !kinds.includes(key[0]!)) continue;
      removed.push({ key, text });
      if (key[0] === "table") emptied.add((JSON.parse(text) as TableConfig).db);
    }
    for (const { key, text } of removed) this.remove(key, text, emptied);
    return this.updated;
  }

  private missing({ servers }: CatalogReading): KnownServer[] {
    const connected = new Set(servers.map(({ id }) => id));
    return this.servers.filter(({ id, forgotten }) => !forgotten && !connected.has(id));
  }

  /** Marks servers as gone for good: nothing waits for them until they are seen again. */
  forget(ids: readonly string[]): void {
    for (const { id, name } of this.servers.filter((server) => ids.includes(server.id))) {
      this.write({ key: ["server", id], value: { id, name, forgotten: true } });
    }
  }

  private get servers(): KnownServer[] {
    return new Catalog(this.known).servers();
  }

  /** The records of the servers. The reading does not name a server that only others are connected to. */
  private serverRecords({ servers, beyond }: CatalogReading): CatalogRecord[] {
    const ids = servers.map(({ id }) => id).sort();
    const known = new Map(this.servers.map((server) => [server.id, server.name]));
    const unheard = beyond.map((id) => ({ id, name: known.get(id) ?? id }));
    return [
      ...[...unheard, ...servers].map(({ id, name }) => ({
        key: ["server", id],
        value: { id, name },
      })),
      { key: ["cluster"], value: { servers: ids } },
    ];
  }

  private write({ key, value }: CatalogRecord): void {
    const [keyText, text] = [JSON.stringify(key), JSON.stringify(value)];
    if (this.known.get(keyText) === text) return;
    this.known.set(keyText, text);
    const at = this.log.appendRecord("catalog", key, value);
    const [kind, id] = key as [string, string];
    if (structureKinds.includes(kind)) this.note(at, this.updated.changed, id);
    else if (accessKinds.includes(kind)) this.noteAccess(at);
  }

  /** @param emptied names of the databases that have lost a table: while the table was there, its database was */
  private remove(key: string[], text: string, emptied: ReadonlySet<string>): void {
    this.known.delete(JSON.stringify(key));
    const at = this.log.appendRecord("catalog", key, null);
    const [kind, id] = key as [string, string];
    const { changed, gone } = this.updated;
    if (kind === "table" || kind === "indexes") this.note(at, gone, id);
    else if (kind !== "db") this.noteAccess(at);
    else if (!emptied.has((JSON.parse(text) as { name: string }).name)) this.note(at, changed, id);
    else this.updated.at = at;
  }

  private note(at: Instant, ids: Set<string>, id: string): void {
    ids.add(id);
    this.updated.at = at;
  }

  private noteAccess(at: Instant): void {
    this.updated.isAccessChanged = true;
    this.updated.at = at;
  }
}

/** Kinds of records that are removed. Servers are kept for ever: a cluster is known by every server it ever had. */
const structureKinds = ["db", "table", "indexes"];
const accessKinds = ["user", "permission"];

function noUpdate(missing: KnownServer[]): Updated {
  return { missing, changed: new Set(), gone: new Set(), isAccessChanged: false, at: undefined };
}

/** A hook that a restore or a standby has put there is to go. */
function lostHook(before: string, now: object): boolean {
  const had = (JSON.parse(before) as Partial<TableConfig>).write_hook;
  return Boolean(had) && !isOwnHook(had) && (now as Partial<TableConfig>).write_hook === null;
}
