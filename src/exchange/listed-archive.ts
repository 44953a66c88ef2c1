/** What an archive holds: its tables with their settings, and when it was written. */
import { createHash, type Hash } from "node:crypto";
import type { IndexStatus, TableConfig } from "../catalog-record.js";
import { messageOf } from "../errors.js";
import type { Instant } from "../instant.js";
import { damagedArchive, eachEntry, notAnArchive } from "./archive-file.js";
import { readStatement, type Statement } from "./statement.js";

/** A table of an archive, as far as its `.info` says. */
export interface ListedTable {
  /** "db.table" */
  name: string;
  db: string;
  table: string;
  primaryKey: string;
  indexes: IndexStatus[];
  writeHook: TableConfig["write_hook"];
  durability: string;
  writeAcks: string;
  /** Size of the file with its documents. */
  bytes: number;
}

export interface ListedArchive {
  file: string;
  /** In the order of their names. */
  tables: ListedTable[];
  /** The tables that were left out: of which the documents or the settings are missing. */
  leftOut: string[];
  /** When the first and the last of its files were written; undefined if the archive does not tell. */
  written: { first: Instant; last: Instant } | undefined;
  /** What the export says that wrote the archive; undefined if it says nothing. */
  statement: Statement | undefined;
  /** The first thing in which the archive is not what the statement says; undefined if there is none. */
  altered: string | undefined;
}

/** Settings are small; a file of more bytes is something else. */
const infoBytesMax = 64 * 1024 * 1024;
/** At most so many tables are named in an error. */
const shownMax = 3;
const leaveOutHint =
  "take another copy of the archive; nothing of this one was imported. Or give --leave-out-incomplete: then such tables are left out, as `rethinkdb restore` does";

/**
 * Reads the archive to its end. Throws if it is damaged, or no archive of a dump.
 * @param leaveOut tables of which the documents or the settings are missing are left out; otherwise they are damage
 */
export async function listArchive(
  file: string,
  leaveOut: boolean,
  signal: AbortSignal,
): Promise<ListedArchive> {
  const links = new Set<string>();
  const infos = new Map<string, ReturnType<typeof infoOf>>();
  const data = new Map<string, { db: string; table: string; bytes: number }>();
  const times: Instant[] = [];
  const digests = new Map<string, string>();
  let statement: Statement | undefined;
  let unread: string | undefined;
  await eachEntry(
    file,
    async ({ path, db, table, kind, isFile, bytes, written }, chunks) => {
      const name = `${db}.${table}`;
      if (kind === "statement") {
        if (statement || unread) throw notAnArchive(file, `${path} is there twice`);
        statement = readStatement(await textOf(chunks, file, path));
        if (!statement) unread = `${path} is damaged, or of a later version`;
        return;
      }
      if (!isFile) {
        links.add(name);
        return;
      }
      if ((kind === "info" ? infos : data).has(name))
        throw notAnArchive(file, `${path} is there twice`);
      times.push(written);
      const digest = createHash("sha256");
      const watched = digested(chunks, digest);
      if (kind === "json") {
        data.set(name, { db, table, bytes });
        for await (const _ of watched);
      } else infos.set(name, infoOf(await textOf(watched, file, path), file, path));
      digests.set(path, digest.digest("hex"));
    },
    signal,
  );
  const names = [...new Set([...infos.keys(), ...data.keys(), ...links])].sort();
  const isWhole = (name: string) => infos.has(name) && data.has(name);
  const leftOut = names.filter((name) => !isWhole(name));
  if (leftOut.length > 0 && !leaveOut) {
    const missing = (name: string) =>
      [...(infos.has(name) ? [] : ["settings"]), ...(data.has(name) ? [] : ["documents"])].join(
        " and ",
      );
    const shown = leftOut
      .slice(0, shownMax)
      .map((name) => `${name} is there without its ${missing(name)}`);
    const more = leftOut.length > shownMax ? `, and ${leftOut.length - shownMax} more` : "";
    throw damagedArchive(file, `${shown.join(", ")}${more}`, leaveOutHint);
  }
  if (names.length === leftOut.length) throw notAnArchive(file, "it has no tables");
  return {
    file,
    tables: names
      .filter(isWhole)
      .map((name) => ({ name, ...data.get(name)!, ...infos.get(name)! })),
    leftOut,
    written: spanOf(times),
    statement,
    altered: unread ?? (statement && differenceOf(statement, digests, leftOut)),
  };
}

async function* digested(chunks: AsyncIterable<Buffer>, digest: Hash): AsyncGenerator<Buffer> {
  for await (const chunk of chunks) {
    digest.update(chunk);
    yield chunk;
  }
}

/** The first file that is not as the statement says; undefined if all are. */
function differenceOf(
  { tables }: Statement,
  digests: ReadonlyMap<string, string>,
  leftOut: string[],
): string | undefined {
  const stated = new Map<string, string>(
    tables.flatMap(({ table, info, json }) => {
      const path = table.replace(".", "/");
      return leftOut.includes(table)
        ? []
        : [[`${path}.info`, info] as const, [`${path}.json`, json] as const];
    }),
  );
  for (const [path, digest] of stated) {
    if (!digests.has(path)) return `${path} is missing`;
    if (digests.get(path) !== digest) return `${path} is another one`;
  }
  const isOther = (path: string) =>
    !stated.has(path) && !leftOut.includes(path.replace("/", ".").replace(/\.\w+$/, ""));
  const other = [...digests.keys()].find(isOther);
  return other && `${other} was added`;
}

function spanOf(times: Instant[]): ListedArchive["written"] {
  const [first, last] = [
    times.reduce((a, b) => Math.min(a, b)),
    times.reduce((a, b) => Math.max(a, b)),
  ];
  // Some programs leave the times out, which then are 0.
  return first > 0 ? { first, last } : undefined;
}

async function textOf(chunks: AsyncIterable<Buffer>, file: string, path: string): Promise<string> {
  const parts: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of chunks) {
    parts.push(chunk);
    bytes += chunk.length;
    if (bytes > infoBytesMax) throw notAnArchive(file, `${path} is too large`);
  }
  return Buffer.concat(parts)
    .toString("utf8")
    .replace(/^\ufeff/, "");
}

type Json = Record<string, unknown>;

const isObject = (value: unknown): value is Json =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** True for the value that the server takes as a function. */
const isFunction = (value: unknown): value is object =>
  isObject(value) && value["$reql_type$"] === "BINARY" && typeof value["data"] === "string";

/** The fields that the official restore uses, and two that only an own export has. */
function infoOf(
  text: string,
  file: string,
  path: string,
): Pick<ListedTable, "primaryKey" | "indexes" | "writeHook" | "durability" | "writeAcks"> {
  const wrong = (what: string) => damagedArchive(file, `${path} ${what}`);
  let info: unknown;
  try {
    info = JSON.parse(text);
  } catch (error) {
    throw wrong(`is not JSON: ${messageOf(error)}`);
  }
  if (!isObject(info)) throw wrong("is not an object");
  const { primary_key: primaryKey, indexes = [], write_hook: hook = null } = info;
  if (typeof primaryKey !== "string") throw wrong("names no primary key");
  if (!Array.isArray(indexes)) throw wrong("has no list of indexes");
  if (hook !== null && (!isObject(hook) || !isFunction(hook["function"]))) {
    throw wrong("has a write hook without its function");
  }
  return {
    primaryKey,
    indexes: indexes.map((index: unknown) => {
      if (isObject(index) && typeof index["index"] === "string" && isFunction(index["function"])) {
        return indexOf(index);
      }
      throw wrong("has an index without its name or function");
    }),
    writeHook: hook && { function: hook["function"] as object, query: textIn(hook, "query", "") },
    durability: info["durability"] === "soft" ? "soft" : "hard",
    writeAcks: info["write_acks"] === "single" ? "single" : "majority",
  };
}

function indexOf(index: Json): IndexStatus {
  return {
    index: index["index"] as string,
    function: index["function"] as object,
    multi: index["multi"] === true,
    geo: index["geo"] === true,
    outdated: index["outdated"] === true,
    query: textIn(index, "query", ""),
  };
}

const textIn = (object: Json, name: string, otherwise: string) =>
  typeof object[name] === "string" ? object[name] : otherwise;
