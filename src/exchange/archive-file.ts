/**
 * Reads archives of the official dump. A file is read from its beginning to its end each time: first its entries are
 * listed, and everything is checked that its form says; then the documents are read, of which the tables are known by
 * then. So it does not matter whether a table's settings stand before its documents.
 */
import { createReadStream } from "node:fs";
import { open } from "node:fs/promises";
import type { Readable } from "node:stream";
import { createGunzip } from "node:zlib";
import { type Extract, extract, type Header } from "tar-stream";
import { messageOf, ThinkbackError } from "../errors.js";
import type { Instant } from "../instant.js";
import { statementName } from "./statement.js";

export interface ArchiveEntry {
  /** The path below the one directory at the top: "db/table.json". */
  path: string;
  /** Of a table; both empty for the statement of an export. */
  db: string;
  table: string;
  kind: "json" | "info" | "statement";
  /** False for a link and the like: the official restore passes it over. */
  isFile: boolean;
  bytes: number;
  /** When the file was last written, as the archive says; to the second. */
  written: Instant;
}

/** The error for a file that is no archive of a dump. */
export function notAnArchive(file: string, what: string): ThinkbackError {
  return new ThinkbackError("usage", `${file} is not an archive of rethinkdb dump: ${what}`, {
    hint: "give a file that `rethinkdb dump` or `thinkback export` has written",
  });
}

const nothingImported = "take another copy of the archive; nothing of this one was imported";

/** The error for an archive that was cut short or altered. */
export function damagedArchive(file: string, what: string, hint = nothingImported): ThinkbackError {
  return new ThinkbackError("damaged", `the archive ${file} is damaged: ${what}`, { hint });
}

/**
 * Calls `visit` for each file of the archive that a dump has, in their order, and waits for it. `visit` may read the
 * bytes or not. Throws if the archive is damaged, or has another form.
 */
export async function eachEntry(
  file: string,
  visit: (entry: ArchiveEntry, chunks: AsyncIterable<Buffer>) => Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  const chunks = await unpacked(file);
  const entries = extract();
  const end = new EndOfTar();
  const reading = feed(end.watch(chunks), entries, signal);
  let top: string | undefined;
  try {
    for await (const source of entries) {
      const entry = entryOf(source.header, file, (of) => {
        top ??= of;
        if (top === of) return;
        throw notAnArchive(file, `it has two directories at the top, ${top} and ${of}`);
      });
      if (entry) await visit(entry, source as AsyncIterable<Buffer>);
      // What was not read of it is passed over.
      source.resume();
    }
  } catch (error) {
    entries.destroy();
    await reading;
    signal.throwIfAborted();
    if (isOfArchive(error)) throw damagedArchive(file, messageOf(error));
    throw error;
  } finally {
    chunks.destroy();
  }
  if (!end.isThere) throw damagedArchive(file, "its end is missing");
}

/** The bytes of the tar file. */
async function unpacked(file: string): Promise<Readable> {
  const form = await formOf(file);
  const bytes = createReadStream(file);
  if (form === "tar") return bytes;
  const unzipped = createGunzip();
  bytes.on("error", (error) => unzipped.destroy(error));
  unzipped.on("close", () => bytes.destroy());
  return bytes.pipe(unzipped);
}

/** Gives the bytes to the reader of the entries, and an error of theirs too. Never rejects. */
async function feed(
  chunks: AsyncIterable<Buffer>,
  entries: Extract,
  signal: AbortSignal,
): Promise<void> {
  try {
    for await (const chunk of chunks) {
      signal.throwIfAborted();
      if (entries.destroyed) return;
      if (!entries.write(chunk)) await drained(entries);
    }
    entries.end(null);
  } catch (error) {
    entries.destroy(error as Error);
  }
}

function drained(entries: Extract): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      entries.off("drain", done);
      entries.off("close", done);
      resolve();
    };
    entries.on("drain", done);
    entries.on("close", done);
  });
}

/** True for what zlib and tar-stream say of bytes. */
function isOfArchive(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const { code } = error as NodeJS.ErrnoException;
  return (
    code?.startsWith("Z_") === true ||
    /tar header|Unexpected end|unexpected end/.test(error.message)
  );
}

/** A tar file ends with two blocks of zeros. Without them, files may be missing at its end. */
class EndOfTar {
  private last = Buffer.alloc(0);

  async *watch(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    for await (const chunk of chunks) {
      this.last = Buffer.concat([this.last, chunk.subarray(-1024)]).subarray(-1024);
      yield chunk;
    }
  }

  get isThere(): boolean {
    return this.last.length === 1024 && this.last.every((byte) => byte === 0);
  }
}

const magics: [string, string][] = [
  ["1f8b", "gzip"],
  ["425a68", "bzip2"],
  ["fd377a585a", "xz"],
  ["28b52ffd", "zstd"],
];

async function formOf(path: string): Promise<"gzip" | "tar"> {
  const head = await headOf(path);
  const form = magics.find(([magic]) => head.toString("hex").startsWith(magic))?.[1];
  if (form === "gzip") return form;
  if (form === undefined && head.toString("latin1", 257, 262) === "ustar") return "tar";
  if (form === undefined)
    throw notAnArchive(path, "it is neither a tar file nor a tar file in gzip");
  throw new ThinkbackError("usage", `${path} is compressed with ${form}`, {
    hint: "unpack it first with that program, and give the tar file",
  });
}

async function headOf(path: string): Promise<Buffer> {
  try {
    const file = await open(path);
    try {
      const { buffer, bytesRead } = await file.read(Buffer.alloc(512), 0, 512, 0);
      return buffer.subarray(0, bytesRead);
    } finally {
      await file.close();
    }
  } catch (error) {
    throw new ThinkbackError("usage", `${path} cannot be read: ${messageOf(error)}`, {
      hint: "give the path of an archive",
    });
  }
}

/** What an entry is of a dump; undefined for what the official restore passes over. */
function entryOf(
  { name, type, size, mtime }: Header,
  file: string,
  onTop: (top: string) => void,
): ArchiveEntry | undefined {
  const isFile = type === "file" || type === "contiguous-file";
  const parts = partsOf(name.trim());
  if (!parts) return undefined;
  const [top, db] = parts;
  if (isFile && parts.length === 2 && db === statementName) {
    const of = { isFile, bytes: size, written: mtime.getTime() };
    return { path: statementName, db: "", table: "", kind: "statement", ...of };
  }
  const match = /^(.*)\.(json|csv|info)$/s.exec(parts.at(-1) ?? "");
  if (!match) return undefined;
  const table = match[1]!;
  if (parts.length !== 3) throw notAnArchive(file, `${name} is not at top/database/table`);
  onTop(top!);
  if (match[2] === "csv") throw notAnArchive(file, `${name} is CSV, which has no types`);
  if (![db!, table].every((one) => /^[A-Za-z0-9_-]+$/.test(one)) || db === "rethinkdb") {
    throw notAnArchive(file, `${name} names no database and table that a server could have`);
  }
  const kind = match[2] as "json" | "info";
  return {
    path: `${db}/${table}.${kind}`,
    db: db!,
    table,
    kind,
    isFile,
    bytes: size,
    written: mtime.getTime(),
  };
}

/** The parts of a path; undefined if it leads out of the archive. */
function partsOf(path: string): string[] | undefined {
  const parts: string[] = [];
  for (const part of path.split("/")) {
    if (part === "" || part === ".") continue;
    if (part !== "..") parts.push(part);
    else if (parts.pop() === undefined) return undefined;
  }
  return parts;
}
