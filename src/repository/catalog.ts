import { damaged, ThinkbackError } from "../errors.js";
import { formatInstant, type Instant } from "../instant.js";
import type { IndexStatus, TableConfig } from "../rethinkdb/catalog-reader.js";
import type { ObjectStore } from "../storage/object-store.js";
import { recordsInFolded } from "./folded-reader.js";
import { parseStored, type Version } from "./lines.js";
import { type Segment, segmentVersions } from "./log.js";
import { type FoldedPiece, LogView } from "./log-view.js";
import { recordHolders } from "./stream-records.js";

/** The catalog as of an instant. Keys are the JSON texts of the records' keys. */
export class Catalog {
  constructor(
    /** The values' JSON texts by the keys' JSON texts. */
    readonly records: Map<string, string>,
  ) {}

  /** Tables, by database and name. */
  tables(): TableConfig[] {
    const tables = this.ofKind<TableConfig>("table");
    return tables.sort((a, b) => (`${a.db}.${a.name}` < `${b.db}.${b.name}` ? -1 : 1));
  }

  databases(): { id: string; name: string }[] {
    return this.ofKind<{ id: string; name: string }>("db").sort((a, b) =>
      a.name < b.name ? -1 : 1,
    );
  }

  indexes(table: string): IndexStatus[] {
    const text = this.records.get(JSON.stringify(["indexes", table]));
    return text === undefined ? [] : (JSON.parse(text) as { indexes: IndexStatus[] }).indexes;
  }

  /** Users but the built-in admin. Their passwords cannot be read; only whether they have one. */
  users(): { id: string; password: boolean }[] {
    return this.ofKind<{ id: string; password: boolean }>("user").filter(
      ({ id }) => id !== "admin",
    );
  }

  /** Grants to those users: global, on a database, or on a table, as `id` says: [user], [user, db], [user, db, table]. */
  grants(): { id: string[]; permissions: Record<string, boolean> }[] {
    return this.ofKind<{ id: string[]; permissions: Record<string, boolean> }>("permission").filter(
      ({ id }) => id[0] !== "admin",
    );
  }

  private ofKind<T>(kind: string): T[] {
    const prefix = `["${kind}",`;
    return [...this.records]
      .filter(([key]) => key.startsWith(prefix))
      .map(([, value]) => JSON.parse(value) as T);
  }
}

/** Reads the catalog as of `instant`: the last record of each key captured at or before it. */
export async function catalogAt(of: ObjectStore | LogView, instant: Instant): Promise<Catalog> {
  const view = of instanceof LogView ? of : await LogView.read(of);
  const index = view.pieces.findLastIndex(({ from }) => from <= instant);
  const newest = view.pieces[index];
  await view.checkNoneMissing(newest?.to ?? Number.NEGATIVE_INFINITY, instant);
  const records = new Map<string, string | null>();
  for await (const holder of recordHolders(view, "catalog", index)) {
    // Within one object later records win; a newer object, read before, has won already.
    const here = new Map<string, string | null>();
    for await (const { key, time, document } of recordsOf(view, holder)) {
      if (time > instant) continue;
      const value = document && parseStored(document, holder.name);
      if (typeof value !== "object")
        throw damaged(holder.name, "a catalog record in it is not one");
      here.set(key.toString(), document?.toString() ?? null);
    }
    for (const [key, value] of here) if (!records.has(key)) records.set(key, value);
  }
  return new Catalog(
    new Map([...records].filter((entry): entry is [string, string] => entry[1] !== null)),
  );
}

function recordsOf(view: LogView, holder: Segment | FoldedPiece): AsyncGenerator<Version> {
  if (!("manifest" in holder)) return segmentVersions(holder, "catalog");
  const lost = holder.manifest.lost[0];
  if (lost !== undefined) throw damaged(lost, "it is missing, and with it records of the catalog");
  return recordsInFolded(view.store, holder.manifest.catalog);
}

/** The table called `name` ("db.table") in a catalog; throws if there is none, naming what comes near. */
export function tableNamed(catalog: Catalog, name: string, instant: Instant): TableConfig {
  const tables = catalog.tables();
  const found = tables.find((table) => `${table.db}.${table.name}` === name);
  if (found) return found;
  const known = tables.map((table) => `${table.db}.${table.name}`).join(", ");
  throw new ThinkbackError("unknown", `there was no table ${name} at ${formatInstant(instant)}`, {
    hint: known === "" ? "no table was known then" : `tables known then: ${known}`,
  });
}
