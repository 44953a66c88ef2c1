/**
 * Writes the archive of the official dump: a tar file in gzip with `<top>/<db>/<table>.info` and
 * `<top>/<db>/<table>.json` for each table.
 *
 * A tar file says how large a file is before the file. So each table is read twice: first to measure it, then to write
 * it. A temporary copy would spare the second reading, but would need as much room as the database. Tables of at most 8
 * MiB are kept in memory and read once.
 */
import { createHash } from "node:crypto";
import { type Pack, pack } from "tar-stream";
import { ThinkbackError } from "../errors.js";
import { formatInstant, type Instant } from "../instant.js";
import { inChunks, measured } from "./chunks.js";
import type { ExportedTable, ExportObserver, WrittenTable } from "./exported.js";
import { type Lateness, type StatedTable, statementName, statementText } from "./statement.js";
import { asciiJson, asciiOf } from "./text-forms.js";

/** A table of at most so many bytes is read once. */
const heldBytesMax = 8 * 1024 * 1024;
/** The last second that a header of tar-stream can hold. */
const secondsMax = 0x7fffffff;

/** The name of the one directory at the top of an archive; without colons, which Windows does not take. */
export function archiveTop(instant: Instant): string {
  return `rethinkdb_dump_${formatInstant(instant).slice(0, 19).replaceAll(":", "-")}`;
}

/**
 * The bytes of the archive, before compression.
 * @param lateness how late the tables are, which a statement in the archive tells; undefined if nobody knows
 * @param written told each table that is complete
 */
export async function* archiveOf(
  tables: readonly ExportedTable[],
  instant: Instant,
  lateness: Lateness | undefined,
  observer: ExportObserver,
  written: (table: WrittenTable) => void,
): AsyncGenerator<Buffer> {
  const tar = pack();
  // Whoever reads the bytes gets the error.
  tar.on("error", () => undefined);
  packAll(tar, tables, instant, lateness, observer, written).catch((error: unknown) => {
    tar.destroy(error as Error);
  });
  try {
    for await (const chunk of tar) yield chunk as Buffer;
  } finally {
    tar.destroy();
  }
}

async function packAll(
  tar: Pack,
  tables: readonly ExportedTable[],
  instant: Instant,
  lateness: Lateness | undefined,
  observer: ExportObserver,
  written: (table: WrittenTable) => void,
): Promise<void> {
  const top = archiveTop(instant);
  const stated: StatedTable[] = [];
  for (const table of tables) {
    const { db, name } = table;
    const path = `${top}/${db}/${name}`;
    const mtime = writtenAt(table.instant);
    // The entry with the settings comes first, so that a reader that streams knows the primary key in time.
    const info = Buffer.from(`${infoOf(table)}\n`, "latin1");
    const settings = { name: `${path}.info`, size: info.length, mtime };
    const infoDigest = await entry(tar, settings, [info]);
    let documents = 0;
    const chunks = (step: "measuring" | "writing") => {
      documents = 0;
      return inChunks(arrayOf(table, () => observer.at(table, step, (documents += 1))));
    };
    const { bytes, whole } = await measured(chunks("measuring"), heldBytesMax);
    const data = whole ? [whole] : chunks("writing");
    const json = await entry(tar, { name: `${path}.json`, size: bytes, mtime }, data);
    const id = `${db}.${name}`;
    stated.push({ table: id, lateMs: lateness?.tables.get(id) ?? 0, info: infoDigest, json });
    written({ table: id, documents, bytes });
  }
  if (lateness) {
    const { catalogLateMs } = lateness;
    const text = Buffer.from(statementText({ instant, catalogLateMs, tables: stated }), "latin1");
    const header = {
      name: `${top}/${statementName}`,
      size: text.length,
      mtime: writtenAt(instant),
    };
    await entry(tar, header, [text]);
  }
  tar.finalize();
}

const writtenAt = (instant: Instant) =>
  new Date(Math.min(Math.floor(instant / 1000), secondsMax) * 1000);

/** Writes a file into the archive. Returns the SHA-256 of its bytes, in hexadecimal digits. */
async function entry(
  tar: Pack,
  header: { name: string; size: number; mtime: Date },
  chunks: AsyncIterable<Buffer> | Buffer[],
): Promise<string> {
  const digest = createHash("sha256");
  let sent = 0;
  await new Promise<void>((resolve, reject) => {
    const sink = tar.entry(header, (error) => (error ? reject(error) : resolve()));
    const feed = async () => {
      for await (const chunk of chunks) {
        if (sink.destroyed) throw new Error("the archive is not read any more");
        sent += chunk.length;
        digest.update(chunk);
        if (sent > header.size) throw unsteady(header.name);
        if (!sink.write(chunk)) await drained(sink);
      }
      if (sent !== header.size) throw unsteady(header.name);
      sink.end(null);
    };
    feed().catch(reject);
  });
  return digest.digest("hex");
}

function drained(sink: ReturnType<Pack["entry"]>): Promise<void> {
  return new Promise((resolve, reject) => {
    const onClose = () => reject(new Error("the archive is not read any more"));
    sink.once("close", onClose);
    sink.once("drain", () => {
      sink.off("close", onClose);
      resolve();
    });
  });
}

/** The settings of a table as the dump has them, in ASCII. An own import reads `durability` and `write_acks` too. */
function infoOf({ config, indexes, db, name }: ExportedTable): string {
  return asciiOf({
    type: "TABLE",
    name,
    id: config.id,
    db: { type: "DB", name: db },
    primary_key: config.primary_key,
    indexes,
    write_hook: config.write_hook,
    durability: config.durability,
    write_acks: config.write_acks,
  });
}

async function* arrayOf(table: ExportedTable, onDocument: () => void): AsyncGenerator<Buffer> {
  yield Buffer.from("[");
  let before = "\n";
  for await (const document of table.documents()) {
    yield Buffer.from(before);
    yield asciiJson(document);
    before = ",\n";
    onDocument();
  }
  yield Buffer.from("\n]\n");
}

const unsteady = (name: string) =>
  new ThinkbackError("internal", `${name} was of another size when it was read again`);
