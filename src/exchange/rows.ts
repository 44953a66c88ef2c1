/** Documents as lines of JSON, and as rows of CSV. */
import { ThinkbackError } from "../errors.js";
import { fieldName, JsonText } from "../json-bytes.js";
import { textOfJson } from "../server-text.js";
import type { ExportedTable } from "./exported.js";
import { utf8Json } from "./text-forms.js";

const newline = Buffer.from("\n");

/** Each document on a line of its own, in UTF-8. */
export async function* linesOf(
  table: ExportedTable,
  onDocument: () => void,
): AsyncGenerator<Buffer> {
  for await (const document of table.documents()) {
    yield utf8Json(document);
    yield newline;
    onDocument();
  }
}

/** So many columns are a mistake: the names of the fields are data. */
const columnsMax = 10_000;

/** A column of CSV. */
export interface Column {
  /** The field's name as the server writes it in JSON, a character for each byte. */
  field: string;
  title: string;
}

export const columnNamed = (name: string): Column => {
  return { field: fieldName(name).toString("latin1"), title: name };
};

/** The top-level fields of all documents: the primary key first, the others in the order of their names. */
export async function columnsOf(table: ExportedTable, onDocument: () => void): Promise<Column[]> {
  const seen = new Set<string>();
  for await (const document of table.documents()) {
    for (const { name } of new JsonText(document).fields(0)) {
      seen.add(document.toString("latin1", name.start, name.end));
    }
    if (seen.size > columnsMax) {
      throw new ThinkbackError(
        "usage",
        `the documents of ${table.db}.${table.name} have more than ${columnsMax} different fields`,
        { hint: "say with --fields which ones are wanted, or export as ndjson" },
      );
    }
    onDocument();
  }
  const key = columnNamed(table.config.primary_key);
  const others = [...seen].filter((field) => field !== key.field).sort();
  const columns = others.map((field) => ({ field, title: stringOf(Buffer.from(field, "latin1")) }));
  return [key, ...columns];
}

/**
 * A header, and a row for each document; as RFC 4180 says. A field that a document lacks is empty.
 * @param unseen fields of which those are removed that a document has
 */
export async function* csvOf(
  table: ExportedTable,
  columns: readonly Column[],
  unseen: Set<string>,
  onDocument: () => void,
): AsyncGenerator<Buffer> {
  yield Buffer.from(`${columns.map(({ title }) => cell(title)).join(",")}\r\n`);
  const places = new Map(columns.map(({ field }, at) => [field, at]));
  for await (const document of table.documents()) {
    const cells = columns.map(() => "");
    for (const { name, value } of new JsonText(document).fields(0)) {
      const field = document.toString("latin1", name.start, name.end);
      const at = places.get(field);
      if (at === undefined) continue;
      cells[at] = valueCell(document.subarray(value.start, value.end));
      unseen.delete(field);
    }
    yield Buffer.from(`${cells.join(",")}\r\n`);
    onDocument();
  }
}

/** A string as it is, all else as JSON text. An empty string is quoted, which tells it from a missing field. */
function valueCell(value: Buffer): string {
  return value[0] === 0x22 ? cell(stringOf(value)) : cell(textOfJson(value));
}

function cell(text: string): string {
  return text === "" || /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

const loneSurrogate = /\p{Surrogate}/gu;

/** The string of a JSON text. Surrogates, which have no UTF-8, are written as in JSON. */
function stringOf(json: Buffer): string {
  const text = JSON.parse(textOfJson(json)) as string;
  return text.replace(loneSurrogate, (unit) => `\\u${unit.charCodeAt(0).toString(16)}`);
}
