/** Exports tables in a form that other programs read. */
import { ThinkbackError } from "../errors.js";
import type { Instant } from "../instant.js";
import { archiveOf } from "./archive.js";
import { inChunks } from "./chunks.js";
import type { Destination } from "./destination.js";
import type { ExportedTable, ExportObserver, WrittenTable } from "./exported.js";
import { columnNamed, columnsOf, csvOf, linesOf } from "./rows.js";
import type { Lateness } from "./statement.js";
import { hasHighSurrogate } from "./text-forms.js";

export const exportFormats = ["rethinkdb-dump", "ndjson", "csv"] as const;
export type ExportFormat = (typeof exportFormats)[number];

export interface ExportForm {
  format: ExportFormat;
  /** The columns of CSV; if there are none, the fields of the documents. */
  fields: readonly string[];
  /** How late the tables are; undefined if that is not known, or if only some of their documents are exported. */
  lateness: Lateness | undefined;
}

/** What was exported. */
export interface Exported {
  tables: WrittenTable[];
  /** How many documents a server would refuse, or alter, if it read them from this form. Counted for archives only. */
  unfaithful: number;
}

/**
 * Writes the tables and gives the export its final name. If that fails, the caller has to discard the destination.
 * @throws {ThinkbackError} `usage` if no document has a field that is to be a column, unless there are no documents
 */
export async function exportTables(
  tables: readonly ExportedTable[],
  instant: Instant,
  form: ExportForm,
  destination: Destination,
  observer: ExportObserver,
): Promise<Exported> {
  const exported = await written(tables, instant, form, destination, observer);
  await destination.publish();
  return exported;
}

async function written(
  tables: readonly ExportedTable[],
  instant: Instant,
  { format, fields, lateness }: ExportForm,
  destination: Destination,
  observer: ExportObserver,
): Promise<Exported> {
  const done: WrittenTable[] = [];
  if (format === "rethinkdb-dump") {
    const doubtful = new Map<ExportedTable, number>();
    const watched = tables.map((table) => watchedFor(table, doubtful));
    const chunks = archiveOf(watched, instant, lateness, observer, (table) => done.push(table));
    await destination.write("", chunks, true);
    return { tables: done, unfaithful: [...doubtful.values()].reduce((sum, n) => sum + n, 0) };
  }
  const asked = fields.map(columnNamed);
  const unseen = new Set(asked.map(({ field }) => field));
  for (const table of tables) {
    let documents = 0;
    const step = (name: "measuring" | "writing") => {
      documents = 0;
      return () => observer.at(table, name, (documents += 1));
    };
    const columns = async () =>
      asked.length > 0 ? asked : await columnsOf(table, step("measuring"));
    const pieces =
      format === "csv"
        ? csvOf(table, await columns(), unseen, step("writing"))
        : linesOf(table, step("writing"));
    let bytes = 0;
    await destination.write(
      `${table.db}.${table.name}.${format}`,
      counted(inChunks(pieces), (more) => (bytes += more)),
    );
    done.push({ table: `${table.db}.${table.name}`, documents, bytes });
  }
  const missing = asked.filter(({ field }) => unseen.has(field)).map(({ title }) => title);
  if (format === "csv" && missing.length > 0 && done.some((one) => one.documents > 0)) {
    throw new ThinkbackError("usage", `no document has the field ${missing.join(", ")}`, {
      hint: "give --fields names of top-level fields, as the documents have them; or leave it out for all fields",
    });
  }
  return { tables: done, unfaithful: 0 };
}

/** The same table; whenever it is read, its documents with high surrogates are counted anew. */
function watchedFor(table: ExportedTable, found: Map<ExportedTable, number>): ExportedTable {
  return {
    ...table,
    async *documents() {
      let count = 0;
      for await (const document of table.documents()) {
        if (hasHighSurrogate(document)) count += 1;
        yield document;
      }
      found.set(table, count);
    },
  };
}

async function* counted(
  chunks: AsyncIterable<Buffer>,
  onBytes: (bytes: number) => void,
): AsyncGenerator<Buffer> {
  for await (const chunk of chunks) {
    onBytes(chunk.length);
    yield chunk;
  }
}
