/** Queries by example: which documents are meant, by what their fields are. */
import sift from "sift";
import { ThinkbackError } from "../errors.js";
import { parseJson } from "../server-text.js";
import {
  type AskedField,
  queryHint,
  readQuery,
  typeOf,
  undotted,
  type ValueType,
} from "./query.js";

/** The package's types say that the function is in a member; it is the module itself. */
const makeTest = sift as unknown as (query: object) => (document: unknown) => boolean;

/** A test of a document's text, which also notes what shows that its query is mistyped. */
export interface DocumentTest {
  (document: Buffer): boolean;
  /** One sentence for each field that none of the documents so far has, or has with a value of the asked type. */
  doubts(table: string): string[];
}

/**
 * A test of a document's text. Times, binary values and geometries are what the server sends them as: a time is
 * `created.epoch_time`, a number of seconds.
 * @param given an object of the query language of MongoDB, without `$where`
 * @param option what names the query, for messages
 * @throws {ThinkbackError} `usage` for what is no query
 */
export function whereTest(given: unknown, option: string): DocumentTest {
  const { query, fields, hasDots } = readQuery(given, option);
  let isMeant: (document: unknown) => boolean;
  try {
    isMeant = makeTest(query);
    isMeant({});
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new ThinkbackError("usage", `${option} is not a query: ${reason}`, { hint: queryHint });
  }
  let documents = 0;
  const noted = fields.map((field) => new NotedField(field));
  const test = (text: Buffer) => {
    const document = parseJson(text);
    documents += 1;
    for (const field of noted) field.look(document);
    return isMeant(hasDots ? undotted(document) : document);
  };
  const doubts = (table: string) =>
    documents === 0 ? [] : noted.flatMap((field) => field.doubt(table) ?? []);
  return Object.assign(test, { doubts });
}

/** The text of a query. Throws, with code "usage", if it is not JSON. */
export function parseWhere(text: string, option: string): DocumentTest {
  let query: unknown;
  try {
    query = JSON.parse(text);
  } catch {
    const shown = text.length > 100 ? `${text.slice(0, 97)}…` : text;
    throw new ThinkbackError("usage", `${option} ${shown} is not JSON`, { hint: queryHint });
  }
  return whereTest(query, option);
}

/** What documents have in a field that a query asks about. It looks no further when one has what is asked for. */
class NotedField {
  private isThere = false;
  private isFine = false;
  private readonly seen = new Set<ValueType>();

  constructor(private readonly asked: AskedField) {}

  look(document: unknown): void {
    if (!this.isFine) this.lookIn(document, 0);
  }

  /** Lists are passed through, as the query passes through them. */
  private lookIn(value: unknown, depth: number): void {
    const { names, types } = this.asked;
    if (Array.isArray(value)) {
      for (const one of value) this.lookIn(one, depth);
    }
    if (depth === names.length) {
      this.isThere = true;
      const type = typeOf(value);
      if (type) this.seen.add(type);
      this.isFine ||= types.size === 0 || (type !== undefined && types.has(type));
      return;
    }
    if (typeof value !== "object" || value === null) return;
    const name = names[depth]!;
    if (Object.hasOwn(value, name))
      this.lookIn((value as Record<string, unknown>)[name], depth + 1);
  }

  doubt(table: string): string | undefined {
    const { path, types, mayLack } = this.asked;
    if (this.isFine) return undefined;
    if (!this.isThere) {
      return mayLack ? undefined : `no document of ${table} that was looked at has a field ${path}`;
    }
    if (this.seen.size === 0) return undefined;
    const [has, asked] = [[...this.seen].join(" or "), [...types].join(" or ")];
    return `${path} of ${table} is a ${has} in each document that was looked at, and a ${asked} was given`;
  }
}
