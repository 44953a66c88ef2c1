/**
 * Changes that are made only while a document elsewhere on the target says so. The server reads that document in the
 * query that makes the change, when it runs the query: so it does not matter how long the query was held up on its way.
 */
import type { Term } from "./connection.js";
import { ReqlError } from "./response.js";

export interface WriteCondition {
  /** Where the document lies. */
  table: { db: string; name: string };
  /** Its primary key. */
  key: string;
  /** The fields that lead to the value. */
  path: readonly string[];
  /** The value without which nothing is changed. */
  value: string;
  /** The error to throw then. */
  otherwise(): Error;
}

const terms = {
  db: 14,
  table: 15,
  get: 16,
  eq: 17,
  error: 12,
  getField: 31,
  branch: 65,
  default: 92,
} as const;

/** What the server answers if a condition does not hold. */
const refusal = "the condition of this change does not hold [thinkback]";

/** True if it is the answer of a server on which the condition did not hold. */
export function doesNotHold(error: unknown): boolean {
  return error instanceof ReqlError && error.message === refusal;
}

/** A term that runs another one, if the condition holds. */
export function underCondition(condition: WriteCondition, term: Term): Term {
  const parts = (then: unknown) => [terms.branch, [test(condition), then, refuse]];
  return { build: () => parts(term.build()) };
}

/** The same for a term's text, of which every character is one byte of the query. */
export function textUnderCondition(condition: WriteCondition, term: string): string {
  return `[${terms.branch},[${JSON.stringify(test(condition))},${term},${JSON.stringify(refuse)}]]`;
}

const refuse = [terms.error, [refusal]];

/** Read by a majority: a server that was cut off from the others may not know yet what they have decided. */
function test({ table, key, path, value }: WriteCondition): unknown {
  const of = [terms.table, [[terms.db, [table.db]], table.name], { read_mode: "majority" }];
  const document: unknown = [terms.get, [of, key]];
  const field = path.reduce((row, name) => [terms.getField, [row, name]], document);
  return [terms.eq, [[terms.default, [field, null]], value]];
}
