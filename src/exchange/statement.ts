/**
 * What an export says of its own archive, in a file of it: of which instant its tables are, and how late. The official
 * restore passes the file over.
 *
 * Invariant: a statement is believed only of the very bytes that were exported. It holds a digest of each file, and is
 * the last of them. Break it and a dump that mixes moments looks exact.
 */
import { createHash } from "node:crypto";
import * as v from "valibot";
import type { Instant } from "../instant.js";

/** Its name below the directory at the top: without an extension, so that the official restore passes it over. */
export const statementName = "thinkback-export";

const digest = v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/));
const wholeMs = v.pipe(v.number(), v.safeInteger(), v.minValue(0));

const stated = v.object({
  version: v.literal(1),
  instant: wholeMs,
  catalogLateMs: wholeMs,
  tables: v.array(v.object({ table: v.string(), lateMs: wholeMs, info: digest, json: digest })),
});

/** How late an export's tables are. */
export interface Lateness {
  /** In ms, see CoverageInterval; 0 if names, indexes and hooks are exact. */
  catalogLateMs: number;
  /** The same for each table, by "db.table". */
  tables: ReadonlyMap<string, number>;
}

export interface StatedTable {
  /** "db.table" */
  table: string;
  lateMs: number;
  /** SHA-256 of its two files, in hexadecimal digits. */
  info: string;
  json: string;
}

export interface Statement {
  /** The instant of the export. */
  instant: Instant;
  catalogLateMs: number;
  tables: StatedTable[];
}

/** The text of a statement, with a checksum of its own behind it. In ASCII. */
export function statementText({ instant, catalogLateMs, tables }: Statement): string {
  const of = { version: 1, instant, catalogLateMs, tables };
  const text = JSON.stringify(of);
  return `${text}\n${sha256(text)}\n`;
}

/** Undefined if the text is no statement, or not whole, or of a later version. */
export function readStatement(text: string): Statement | undefined {
  const [json = "", checksum] = text.split("\n");
  if (sha256(json) !== checksum) return undefined;
  const read = v.safeParse(v.pipe(v.string(), v.parseJson(), stated), json);
  return read.success ? read.output : undefined;
}

const sha256 = (text: string) => createHash("sha256").update(text).digest("hex");
