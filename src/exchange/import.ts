/**
 * Turns an archive of the official dump into a repository of its own.
 *
 * A dump reads its tables one after another while they change: what it holds of a document is true for some instant
 * between its begin and its end. That is what `late` means. So the repository has one instant, the end of the dump, and
 * it is late by the dump's duration. An export of Thinkback is of one instant, and says how late; see statement.ts.
 *
 * Invariant: the archive is read to its end, and all of it found sound, before anything is put. The segment, which
 * alone makes the tables known, is put last, and in the same object says that they are late. An import never writes
 * where something was captured, and no capture goes on where something was imported. Break it and an instant looks
 * exact that is not.
 */
import { randomUUID } from "node:crypto";
import { basename } from "node:path";
import type { IndexStatus, TableConfig } from "../catalog-record.js";
import type { Clock } from "../clock.js";
import { messageOf, ThinkbackError } from "../errors.js";
import type { Repository } from "../format/description.js";
import { encodeStored } from "../format/json-object.js";
import { copyUnique, repositoryName, writerName } from "../format/names.js";
import type { Instant } from "../instant.js";
import { type Owner, spaceOf } from "../owner.js";
import { BaseWriter } from "../repository/bases/base-writer.js";
import { claimKind, type EpochClaim } from "../repository/log/claims.js";
import { LogWriter } from "../repository/log/log-writer.js";
import { deleteEach } from "../storage/delete-each.js";
import { ObjectExists, type ObjectStore } from "../storage/object-store.js";
import { probesPrefix } from "../storage/probe.js";
import { scratchStore } from "../storage/store-at.js";
import { damagedArchive, eachEntry } from "./archive-file.js";
import { documentTexts } from "./document-texts.js";
import type { ListedArchive, ListedTable } from "./listed-archive.js";
import { NotADocument } from "./pseudo-types.js";
import { rowOf } from "./server-json.js";
import { SortedRows, type SortLimits } from "./sorted-rows.js";
import type { Lateness } from "./statement.js";

/** When the documents of the archive were read. */
export interface Span {
  began: Instant;
  ended: Instant;
  /** How late the documents are as of `ended`; if it is undefined, by all the time between the two. */
  lateness?: Lateness | undefined;
}

export interface ImportedTable {
  table: string;
  documents: number;
  /** Bytes of the documents' JSON text. */
  bytes: number;
  indexes: number;
}

export interface ImportObserver {
  /** Bytes of the documents' files were read. */
  reading(table: string, documents: number, bytes: number): void;
  storing(table: string, documents: number): void;
  /** What was put could not be deleted again, after the error with which the import rejects. */
  left(error: unknown): void;
}

export interface ImportOptions {
  clock: Clock;
  owner: Owner;
  observer: ImportObserver;
  signal: AbortSignal;
  limits?: SortLimits;
}

const epoch = 1;

/** A table of the archive that is sorted and waits to be stored. */
interface SortedTable {
  listed: ListedTable;
  rows: SortedRows;
}

/**
 * Imports a listed archive. Rejects if anything of it is unsound, or if the place cannot be written to; then nothing of
 * it is left there, or the observer is told why.
 * @param open opens or makes the repository; called once the archive is found sound. See refuseUsed
 */
export async function importArchive(
  open: () => Promise<Repository>,
  archive: ListedArchive,
  span: Span,
  options: ImportOptions,
): Promise<ImportedTable[]> {
  const scratch = await scratchStore();
  try {
    const sorted = await sortedTables(archive, scratch.store, options);
    const repository = await open();
    await putClaim(repository.store, archive, span, options);
    try {
      return await stored(repository, sorted, span, options);
    } catch (error) {
      await takeBack(repository.store).catch((more: unknown) => options.observer.left(more));
      throw error;
    }
  } finally {
    await scratch.remove();
  }
}

/** Throws unless the place is empty, or holds a repository into which nothing was captured or imported. */
export async function refuseUsed(store: ObjectStore): Promise<void> {
  const isNew = [repositoryName, "keys/", "settings/", "members/", probesPrefix];
  for await (const { name } of store.list("")) {
    if (isNew.some((one) => name.startsWith(one))) continue;
    throw new ThinkbackError("repository", `${store.location} holds something already: ${name}`, {
      hint: "import into an empty place, or into a repository that `thinkback init` has just made",
    });
  }
}

/** Deletes what was put; the claim, which shuts others out, goes last. */
async function takeBack(store: ObjectStore): Promise<void> {
  for (const prefix of ["log/", "bases/"]) {
    const names: string[] = [];
    for await (const { name } of store.list(prefix)) names.push(name);
    await deleteEach(names, (name) => store.delete(name));
  }
  await store.delete(writerName(epoch));
}

async function sortedTables(
  { file, tables }: ListedArchive,
  scratch: ObjectStore,
  { observer, signal, limits }: ImportOptions,
): Promise<SortedTable[]> {
  const byPath = new Map(tables.map((table) => [`${table.name}.json`, table]));
  const sorted = new Map<ListedTable, SortedTable>();
  await eachEntry(
    file,
    async ({ path, db, table }, chunks) => {
      const listed = byPath.get(path.replace("/", "."));
      if (!listed) return;
      const rows = new SortedRows(scratch, `${sorted.size}`, limits);
      sorted.set(listed, { listed, rows });
      let bytes = 0;
      try {
        for await (const text of documentTexts(chunks)) {
          const row = rowOf(text, listed.primaryKey);
          await rows.add(row);
          bytes += row.document.length;
          if (rows.count % 1000 === 0) observer.reading(listed.name, rows.count, bytes);
          if (rows.count % 1000 === 0) signal.throwIfAborted();
        }
        await rows.finish();
      } catch (error) {
        throw located(error, file, `${db}/${table}.json`, rows.count);
      }
    },
    signal,
  );
  return tables.map((table) => sorted.get(table)!);
}

function located(error: unknown, file: string, path: string, count: number): unknown {
  if (!(error instanceof NotADocument)) return error;
  return damagedArchive(file, `in ${path}, behind ${count} documents: ${messageOf(error)}`);
}

/** Puts a base for each table, and then the segment. */
async function stored(
  repository: Repository,
  sorted: SortedTable[],
  span: Span,
  { observer, signal }: ImportOptions,
): Promise<ImportedTable[]> {
  const imported: ImportedTable[] = [];
  const ids = new Map<ListedTable, string>();
  for (const [i, { listed, rows }] of sorted.entries()) {
    const table = randomUUID();
    ids.set(listed, table);
    const unique = copyUnique(epoch, i + 1);
    const identity = { table, epoch, primaryKey: listed.primaryKey, begun: span.began, unique };
    const base = new BaseWriter(repository, identity);
    try {
      for await (const { key, document } of rows.rows()) {
        base.add(key, span.ended, 1, document);
        if (base.rows % 1000 !== 0) continue;
        await base.drain();
        signal.throwIfAborted();
        observer.storing(listed.name, base.rows);
      }
    } catch (error) {
      // What is under way would put an object after all was taken back.
      await base.stored().catch(() => undefined);
      throw error;
    }
    const { rows: documents, documentBytes: bytes } = await base.finish(span.ended, span.ended);
    imported.push({ table: listed.name, documents, bytes, indexes: listed.indexes.length });
  }
  signal.throwIfAborted();
  await putSegment(repository, ids, span);
  return imported;
}

async function putClaim(
  store: ObjectStore,
  { file }: ListedArchive,
  { began, ended }: Span,
  { owner, clock }: ImportOptions,
): Promise<void> {
  const claim: EpochClaim = {
    epoch,
    started: clock.now(),
    host: owner.host,
    process: owner.process,
    space: spaceOf(owner),
    unique: randomUUID().replaceAll("-", ""),
    previous: null,
    imported: { archive: basename(file), began, ended },
  };
  try {
    await store.put(writerName(epoch), encodeStored(claimKind, claim));
  } catch (error) {
    if (!(error instanceof ObjectExists)) throw error;
    throw new ThinkbackError("fenced", `${store.location} is being written to by another process`, {
      hint: "import into an empty place that nothing captures to",
    });
  }
}

/** The one segment of the log: the catalog, and how late everything is. */
async function putSegment(
  repository: Repository,
  ids: ReadonlyMap<ListedTable, string>,
  { began, ended, lateness }: Span,
): Promise<void> {
  const own = { epoch, last: undefined, object: Buffer.alloc(0), storedBytes: 0 };
  const shipper = {
    waitingBytes: 0,
    isShipping: false,
    ship: (name: string, bytes: Buffer) => repository.store.put(name, bytes),
  };
  const log = LogWriter.open(repository, { now: () => ended }, own, shipper);
  const reason = lateness
    ? "it is from an export of a late instant"
    : "it is from a dump, which read its tables while they changed";
  const lateBy = new Map([["catalog", lateness?.catalogLateMs]]);
  for (const [{ name }, id] of ids) lateBy.set(id, lateness?.tables.get(name));
  for (const db of new Set([...ids.keys()].map((table) => table.db))) {
    const id = randomUUID();
    log.appendRecord("catalog", ["db", id], { id, name: db });
  }
  for (const [table, id] of ids) {
    log.appendRecord("catalog", ["table", id], configOf(table, id));
    log.appendRecord("catalog", ["indexes", id], {
      indexes: table.indexes satisfies IndexStatus[],
    });
  }
  for (const [name, lateMs = Math.max(1, ended - began)] of lateBy) {
    log.appendRecord("coverage", name, { state: "live", since: ended });
    if (lateMs > 0) {
      log.appendRecord("coverage", name, {
        state: "late",
        since: ended,
        to: ended,
        lateMs,
        reason,
      });
    }
    if (name === "catalog") continue;
    log.appendRecord("coverage", name, {
      state: "gap",
      since: ended,
      reason: "it is an import, and nothing later is known",
    });
  }
  const facts = { frontier: ended, lagging: {}, proofBoundMs: 0, serverClock: null, closed: true };
  await log.closeTick(facts).durable;
}

/** The settings of a table. An archive says nothing of shards and replicas; a restore makes one of each. */
function configOf(table: ListedTable, id: string): TableConfig {
  const shard = { primary_replica: "unknown", replicas: ["unknown"], nonvoting_replicas: [] };
  return {
    id,
    db: table.db,
    name: table.table,
    primary_key: table.primaryKey,
    indexes: table.indexes.map(({ index }) => index),
    write_hook: table.writeHook,
    shards: [shard],
    durability: table.durability,
    write_acks: table.writeAcks,
  };
}
