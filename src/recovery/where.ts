/** Queries by example: which documents are meant, by what their fields are. */
import sift from "sift";
import { ThinkbackError } from "../errors.js";
import { parseJson } from "../server-text.js";

/** The package's types say that the function is in a member; it is the module itself. */
const makeTest = sift as unknown as (query: object) => (document: unknown) => boolean;

const hint =
  'give a query by example, such as {"customer": "c42"} or {"total": {"$gt": 100}}; docs/recovery.md lists the operators';

/**
 * A test of a document's text. Times, binary values and geometries are what the server sends them as: a time is
 * `created.epoch_time`, a number of seconds.
 * @param query an object of the query language of MongoDB, without `$where`
 * @param option what names the query, for messages
 */
export function whereTest(query: unknown, option: string): (document: Buffer) => boolean {
  if (typeof query !== "object" || query === null || Array.isArray(query)) {
    throw new ThinkbackError("usage", `${option} is not a query: it is not an object`, { hint });
  }
  refuseCode(query, option);
  let isMeant: (document: unknown) => boolean;
  try {
    isMeant = makeTest(query);
    isMeant({});
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new ThinkbackError("usage", `${option} is not a query: ${reason}`, { hint });
  }
  return (document) => isMeant(parseJson(document));
}

/** The text of a query. Throws, with code "usage", if it is not JSON. */
export function parseWhere(text: string, option: string): (document: Buffer) => boolean {
  let query: unknown;
  try {
    query = JSON.parse(text);
  } catch {
    const shown = text.length > 100 ? `${text.slice(0, 97)}…` : text;
    throw new ThinkbackError("usage", `${option} ${shown} is not JSON`, { hint });
  }
  return whereTest(query, option);
}

/** Throws if a query holds code to run. */
function refuseCode(query: object, option: string): void {
  for (const [name, value] of Object.entries(query)) {
    if (name === "$where") {
      throw new ThinkbackError("usage", `${option} has $where, which would run code`, { hint });
    }
    if (typeof value === "object" && value !== null) refuseCode(value as object, option);
  }
}
