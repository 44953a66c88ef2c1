import type { IndexStatus, TableConfig } from "../../catalog-record.js";
import { ThinkbackError } from "../../errors.js";
import { anyObject, checked, fields, list, type Schema, text } from "../../format/fields.js";
import { parseStored, type Version } from "../../format/lines.js";
import { formatInstant, type Instant } from "../../instant.js";
import { recordsInFolded } from "./folded-reader.js";
import { type Segment, segmentVersions } from "./log.js";
import type { LogView } from "./log-view.js";
import type { FoldedPiece, SegmentPiece } from "./pieces.js";
import { holdersInRun, type OnLost, recordHolders, refusing } from "./stream-records.js";

/** A server of the cluster, as capture last saw it. */
export interface KnownServer {
  id: string;
  name: string;
  /** True if an operator said that it is gone for good, and capture has not seen it since. */
  forgotten?: boolean;
}

/** The catalog as of an instant. */
export class Catalog {
  constructor(
    /** By the JSON text of each record's key: the JSON text of its value. */
    readonly records: Map<string, string>,
  ) {}

  /** The tables, sorted by database and name. */
  tables(): TableConfig[] {
    const tables = this.ofKind<TableConfig>("table");
    return tables.sort((a, b) => (`${a.db}.${a.name}` < `${b.db}.${b.name}` ? -1 : 1));
  }

  databases(): { id: string; name: string }[] {
    return this.ofKind<{ id: string; name: string }>("db").sort((a, b) =>
      a.name < b.name ? -1 : 1,
    );
  }

  /** All servers that the cluster ever had. */
  servers(): KnownServer[] {
    return this.ofKind<KnownServer>("server");
  }

  /** Servers that were not connected at the last reading of the catalog and are not forgotten. They delay its proof. */
  missingServers(): KnownServer[] {
    const text = this.records.get(JSON.stringify(["cluster"]));
    if (text === undefined) return [];
    const { servers } = JSON.parse(text) as { servers: string[] };
    return this.servers().filter(({ id, forgotten }) => !forgotten && !servers.includes(id));
  }

  indexes(table: string): IndexStatus[] {
    const text = this.records.get(JSON.stringify(["indexes", table]));
    return text === undefined ? [] : (JSON.parse(text) as { indexes: IndexStatus[] }).indexes;
  }

  /** All users except the built-in admin. A password cannot be read, only whether there is one. */
  users(): { id: string; password: boolean }[] {
    return this.ofKind<{ id: string; password: boolean }>("user").filter(
      ({ id }) => id !== "admin",
    );
  }

  /**
   * Grants to those users. `id` is [user] for a global grant, [user, db] on a database, [user, db, table] on a table.
   */
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
export async function catalogAt(view: LogView, instant: Instant): Promise<Catalog> {
  const index = view.pieces.findLastIndex(({ from }) => from <= instant);
  const newest = view.pieces[index];
  await view.checkNoneMissing(newest?.to ?? Number.NEGATIVE_INFINITY, instant);
  return collect(view, index, instant, refusing(view));
}

/**
 * The catalog as it was right before a segment, found by the segment's own links; and the names of lost objects that
 * held some of its records.
 */
export async function catalogBefore(
  view: LogView,
  segment: SegmentPiece,
): Promise<{ catalog: Catalog; lost: string[] }> {
  const lost: string[] = [];
  const index = view.pieces.indexOf(segment);
  const catalog = await collect(view, index, segment.from - 1, (name) => {
    lost.push(name);
  });
  return { catalog, lost };
}

/** Collects the last record of each key up to `instant`, from the piece at `index` back. */
async function collect(
  view: LogView,
  index: number,
  instant: Instant,
  onLost: OnLost,
): Promise<Catalog> {
  const records = new Map<string, string | null>();
  for await (const holder of recordHolders(view, "catalog", index, onLost)) {
    // Within one object later records win. Records of newer objects were read before and stay.
    const ofHolder = new Map<string, string | null>();
    for await (const version of recordsOf(view, holder, onLost)) {
      if (version.time <= instant) ofHolder.set(...catalogRecord(version, holder.name));
    }
    for (const [key, value] of ofHolder) if (!records.has(key)) records.set(key, value);
  }
  return new Catalog(
    new Map([...records].filter((entry): entry is [string, string] => entry[1] !== null)),
  );
}

const named = fields({ id: text, name: text });

/**
 * The fields that a record of each kind of key has at least. Records are rows as a server gave them. Their other fields
 * are up to the server and may change with its version.
 */
export const recordSchemas: ReadonlyMap<unknown, Schema<object>> = new Map<unknown, Schema<object>>(
  [
    ["server", named],
    ["cluster", fields({ servers: list(text) })],
    ["db", named],
    ["table", fields({ id: text, db: text, name: text })],
    ["indexes", fields({ indexes: list(fields({ index: text })) })],
    ["user", fields({ id: text })],
    ["permission", fields({ id: list(text), permissions: anyObject })],
  ],
);

function kindOfRecord(key: unknown): unknown {
  return Array.isArray(key) ? key[0] : undefined;
}

/** The key and value of a record, as JSON texts. The value is null if the record removes the key. */
export function catalogRecord(
  { key, document }: Version,
  object: string,
): [key: string, value: string | null] {
  const text = key.toString();
  if (document === null) return [text, null];
  const schema = recordSchemas.get(kindOfRecord(parseStored(key, object))) ?? anyObject;
  checked(schema, parseStored(document, object), object, `in its catalog record ${text} the`);
  return [text, document.toString()];
}

/** A closed interval in which a table had a name; `to` is undefined while it still has it. */
export interface NamedSpan {
  /** Id of the table. */
  table: string;
  from: Instant;
  to: Instant | undefined;
  /** The table's next name; undefined if it was dropped. */
  renamedTo: string | undefined;
}

/** The spans in which a table was called `name`, by all catalog records that are stored. */
export async function spansOfName(view: LogView, name: string): Promise<NamedSpan[]> {
  const records = new Map<string, Map<Instant, string | undefined>>();
  for await (const { key, time, document } of catalogRecords(view, ["table"])) {
    const { db, name: called } = (
      document ? JSON.parse(document.toString()) : {}
    ) as Partial<TableConfig>;
    const id = key.toString();
    const known = records.get(id) ?? new Map<Instant, string | undefined>();
    records.set(id, known.set(time, document ? `${db}.${called}` : undefined));
  }
  return [...records].flatMap(([key, known]) => {
    const [, table] = JSON.parse(key) as [string, string];
    const inOrder = [...known].sort(([a], [b]) => a - b);
    const spans: NamedSpan[] = [];
    for (const [time, called] of inOrder) {
      const last = spans.at(-1);
      if (last && last.to === undefined && called !== name) {
        last.to = time - 1;
        last.renamedTo = called;
      } else if (called === name && (!last || last.to !== undefined)) {
        spans.push({ table, from: time, to: undefined, renamedTo: undefined });
      }
    }
    return spans;
  });
}

/**
 * The catalog records of some kinds that are stored: each change, and what later readings have repeated. They come in
 * no certain order, and one may come several times.
 */
export async function* catalogRecords(
  view: LogView,
  kinds: readonly string[],
): AsyncGenerator<Version> {
  let run: SegmentPiece[] = [];
  const begins = kinds.map((kind) => `["${kind}",`);
  const isWanted = ({ key }: Version) => begins.some((begin) => key.toString().startsWith(begin));
  for (const [i, piece] of view.pieces.entries()) {
    if (piece.kind === "folded") {
      for await (const one of recordsInFolded(view.store, piece.manifest.catalog)) {
        if (isWanted(one)) yield one;
      }
      continue;
    }
    run.push(piece);
    if (view.pieces[i + 1]?.kind === "segment") continue;
    for (const holder of (await holdersInRun(view, "catalog", run)).holders) {
      for await (const one of segmentVersions(holder, "catalog")) if (isWanted(one)) yield one;
    }
    run = [];
  }
}

async function* recordsOf(
  view: LogView,
  holder: Segment | FoldedPiece,
  onLost: OnLost,
): AsyncGenerator<Version> {
  if ("manifest" in holder) {
    for (const name of holder.manifest.lost) await onLost(name);
    yield* recordsInFolded(view.store, holder.manifest.catalog);
  } else yield* segmentVersions(holder, "catalog");
}

/** A table that the caller named did not exist at the instant. */
export class UnknownTable extends ThinkbackError {
  constructor(
    readonly table: string,
    readonly instant: Instant,
    tables: TableConfig[],
  ) {
    const known = tables.map(({ db, name }) => `${db}.${name}`).join(", ");
    const form = table.includes(".") ? "" : "a table is named db.table; ";
    super("unknown", `there was no table ${table} at ${formatInstant(instant)}`, {
      hint: `${form}${known === "" ? "no table was known then" : `tables known then: ${known}`}`,
    });
  }
}

/** The table called `name` ("db.table") in a catalog. If there is none, throws an error that lists the known tables. */
export function tableNamed(catalog: Catalog, name: string, instant: Instant): TableConfig {
  const tables = catalog.tables();
  const found = tables.find((table) => `${table.db}.${table.name}` === name);
  if (found) return found;
  throw new UnknownTable(name, instant, tables);
}
