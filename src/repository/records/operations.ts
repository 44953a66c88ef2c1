/**
 * Records of operations: changes of live tables that a person asked for, such as undo and rewind. What an operation
 * will do is stored before it does anything. So it can be taken back even if no capture runs, and a history can tell
 * its changes from others. docs/format.md §9.5.
 *
 * Invariant: nothing is written to a live table before the manifest that names it is stored. Break it and there is no
 * way back from an operation that was killed.
 */
import * as v from "valibot";
import { damaged, ThinkbackError } from "../../errors.js";
import { DataObject } from "../../format/data-object.js";
import {
  amount,
  count,
  fields,
  instant,
  list,
  type Of,
  oneOf,
  ordinal,
  reference,
  tableId,
  text,
} from "../../format/fields.js";
import {
  decodeStored,
  encodeStored,
  jsonKind,
  readStored,
  type Stored,
} from "../../format/json-object.js";
import { lineOverheadBytes, writeVersionLine } from "../../format/lines.js";
import { codeOfText, FilteredCursor, SortedCursor, type SortedFrame } from "../../format/merge.js";
import {
  operationEndName,
  operationManifestName,
  operationPartName,
  operationPrefix,
  operationsPrefix,
  parseOperationName,
} from "../../format/names.js";
import { DataObjectWriter } from "../../format/object-writer.js";
import { SortedLines } from "../../format/sorted-lines.js";
import type { Instant } from "../../instant.js";
import { type KeyFilter, wantedFrames } from "../../key-filter.js";
import { compareKeys, type OrderCode } from "../../key-order.js";
import { textOfJson } from "../../server-text.js";
import { deleteAll, failureOf, getIfThere, type ObjectStore } from "../../storage/object-store.js";

/** What an operation may be. */
export const operationTypes = ["undo", "rewind", "undo operation"] as const;
export type OperationType = (typeof operationTypes)[number];

const operationPart = fields({
  ...reference.entries,
  rows: count,
  /** Bytes of the stored object. */
  bytes: count,
  /** JSON texts of the least and the greatest key. */
  firstKey: text,
  lastKey: text,
});
export type OperationPart = Of<typeof operationPart>;

/** The manifest of one round of an operation on one table: put after its parts, and before anything is changed. */
export const operationKind = jsonKind("operation", {
  repository: text,
  id: text,
  type: oneOf(operationTypes),
  /**
   * Counts the rounds of an operation from 1: one for each table, and further ones for documents that were changed
   * during the last.
   */
  round: ordinal,
  /** When it was begun: the first rounds of all tables together, each further one by itself. */
  made: instant,
  /** When everything was recorded: nothing was written before. */
  begun: instant,
  /** Until when it can be taken back; after that its objects may be deleted. */
  until: instant,
  table: tableId,
  /** "db.table", as the table was named then. */
  name: text,
  /** What was asked for, in words. */
  description: text,
  /** The pin of the instant before the operation, by its name; and the instant. Absent if none could be pinned. */
  pin: v.exactOptional(text),
  pinned: v.exactOptional(instant),
  /** How many documents it changes. */
  documents: count,
  parts: list(operationPart),
});
export type Operation = Stored<typeof operationKind>;

/** What became of a round; absent if it was killed. */
export const operationEndKind = jsonKind("operationEnd", {
  id: text,
  round: ordinal,
  ended: instant,
  /** How long writing took, without the comparison before it. */
  seconds: amount,
  /** How many documents it wrote; and how many were as they should be, because something else had made them so. */
  written: count,
  already: count,
  /** JSON texts of the keys of documents that it did not write: others had changed them, or the server refused them; */
  left: list(text),
  /** and of those that were as they should be already. */
  found: list(text),
  /** How many keys of either kind are not listed, because they were too many. They count as written. */
  unlisted: count,
});
export type OperationEnd = Stored<typeof operationEndKind>;

/** A change of one document; JSON texts, null where there is no document. */
export interface DocumentChange {
  code: OrderCode;
  key: Buffer;
  before: Buffer | null;
  after: Buffer | null;
}

/** A part is closed at so many bytes of compressed frames. */
export const partBytesTarget = 8 * 1024 * 1024;

/**
 * At most so long passes between the begin of a round and its manifest: parts that have none by then belong to a
 * process that was cut short. Recording is a matter of minutes.
 */
export const recordingMsMax = 86_400_000;

/** What is known of a round before it is recorded. */
export type RoundHead = Omit<Operation, "documents" | "parts" | keyof Published>;

/** A round whose parts are stored, but whose manifest is not: it has no way back yet, so nothing may be written. */
export type Recorded = Omit<Operation, keyof Published>;

/** What is known only when the round may be written. */
type Published = Pick<Operation, "begun" | "pin" | "pinned" | "until">;

/** Stores the changes of a round, in key order. */
export class OperationWriter {
  private readonly object = new DataObjectWriter("operation");
  private readonly lines = new SortedLines(this.object);
  private readonly parts: OperationPart[] = [];
  private readonly prefix: string;
  private rows = 0;
  private keys: { first: string; last: string } | undefined;
  private lastKey: Buffer | undefined;
  documents = 0;
  /** Of the documents as they are and as they become. */
  bytes = 0;

  constructor(
    private readonly store: ObjectStore,
    private readonly about: RoundHead,
  ) {
    this.prefix = operationPrefix(about.made, about.id, about.round);
  }

  /** Throws, with code "internal", if the key is not greater than the one before it: nobody could read the round. */
  async add({ key, before, after }: Omit<DocumentChange, "code">): Promise<void> {
    if (this.lastKey && compareKeys(this.lastKey, key) >= 0) {
      const text = textOfJson(key);
      throw new ThinkbackError("internal", `the change of ${text} does not come in key order`);
    }
    this.lastKey = key;
    for (const [time, document] of [before, after].entries()) {
      const bytesMax = key.length + (document?.length ?? 0) + lineOverheadBytes;
      const into = this.lines.begin(key, time, bytesMax);
      this.lines.commit(writeVersionLine(into, this.lines.end, key, time, 0, document));
    }
    const text = textOfJson(key);
    this.keys = { first: this.keys?.first ?? text, last: text };
    this.rows += 2;
    this.documents += 1;
    this.bytes += (before?.length ?? 0) + (after?.length ?? 0);
    if (this.object.byteLength >= partBytesTarget) await this.putPart();
  }

  /** Puts what is left. */
  async finish(): Promise<Recorded> {
    await this.putPart();
    return { ...this.about, documents: this.documents, parts: this.parts };
  }

  private async putPart(): Promise<void> {
    if (!this.keys) return;
    this.lines.flush();
    const { bytes, checksum } = this.object.finish({});
    const name = operationPartName(this.prefix, this.parts.length);
    await this.store.put(name, bytes);
    const { first: firstKey, last: lastKey } = this.keys;
    this.parts.push({ name, checksum, rows: this.rows, bytes: bytes.length, firstKey, lastKey });
    this.rows = 0;
    this.keys = undefined;
  }
}

/**
 * Puts the manifest of a round: from then on the operation may change documents.
 * @param which of a table; before the first rounds of all tables are published, nothing is written
 * @throws {ThinkbackError} `incomplete` if the round was begun so long ago that its parts may have been deleted
 */
export async function publishRound(
  store: ObjectStore,
  recorded: Recorded,
  way: Omit<Published, "begun">,
  now: Instant,
  which: "first" | "further" = "first",
): Promise<Operation> {
  const { made, id, round } = recorded;
  if (now - made > recordingMsMax) {
    const written = which === "first" ? "nothing was written; " : "";
    throw new ThinkbackError("incomplete", "recording what will be changed took over a day", {
      hint: `${written}give the command for fewer tables or documents at once`,
    });
  }
  const operation = { ...recorded, ...way, begun: now };
  const bytes = encodeStored(operationKind, operation);
  await store.put(operationManifestName(operationPrefix(made, id, round)), bytes);
  return operation;
}

/** Deletes the parts of rounds that will not be published. What may not be deleted here, maintenance deletes later. */
export async function discardRounds(
  store: ObjectStore,
  rounds: readonly Recorded[],
): Promise<void> {
  const names = rounds.flatMap(({ parts }) => parts.map(({ name }) => name));
  await deleteAll(store, names).catch((error: unknown) => {
    if (failureOf(error) !== "forbidden") throw error;
  });
}

/** Stores what became of a round. */
export async function putOperationEnd(
  store: ObjectStore,
  { made, id, round }: Operation,
  end: Omit<OperationEnd, "id" | "round">,
): Promise<void> {
  const name = operationEndName(operationPrefix(made, id, round));
  await store.put(name, encodeStored(operationEndKind, { id, round, ...end }));
}

/** What became of a round; undefined if it was killed, or still runs. */
export async function readOperationEnd(
  store: ObjectStore,
  { made, id, round }: Pick<Operation, "made" | "id" | "round">,
): Promise<OperationEnd | undefined> {
  const name = operationEndName(operationPrefix(made, id, round));
  const bytes = await getIfThere(store, name);
  return bytes && decodeStored(bytes, name, operationEndKind);
}

/** A round that wrote fewer documents does not tell how fast they are written. */
const pacedMin = 100;
/** So many of the newest rounds are looked at. */
const pacedRounds = 10;

/** How long the newest round that wrote many documents took for each, in seconds; undefined if there is none. */
export async function lastWritePace(store: ObjectStore): Promise<number | undefined> {
  const prefixes: string[] = [];
  for await (const { name } of store.list(operationsPrefix)) {
    const named = parseOperationName(name);
    if (named) prefixes.push(named.prefix);
  }
  for (const prefix of prefixes.slice(-pacedRounds).reverse()) {
    const name = operationEndName(prefix);
    const bytes = await getIfThere(store, name);
    const { seconds, written } = bytes
      ? decodeStored(bytes, name, operationEndKind)
      : { seconds: 0, written: 0 };
    if (written >= pacedMin) return seconds / written;
  }
  return undefined;
}

/** All rounds of all operations, or of the one with this id, oldest first. */
export async function listOperations(store: ObjectStore, id?: string): Promise<Operation[]> {
  const operations: Operation[] = [];
  for await (const { name } of store.list(operationsPrefix)) {
    const named = parseOperationName(name);
    if (named && (id === undefined || named.id === id)) {
      operations.push(await readOperation(store, name));
    }
  }
  return operations;
}

export async function readOperation(store: ObjectStore, name: string): Promise<Operation> {
  const operation = await readStored(store, name, operationKind);
  const { made, id, round } = operation;
  if (name === operationManifestName(operationPrefix(made, id, round))) return operation;
  throw damaged(name, "its name and its content differ");
}

/** The changes of a round in key order: of all keys, or of the wanted ones. */
export async function* changesOf(
  store: ObjectStore,
  { parts }: Operation,
  filter?: KeyFilter,
): AsyncGenerator<DocumentChange> {
  const all = new SortedCursor(framesOf(store, parts, filter));
  const cursor = filter ? new FilteredCursor(all, filter) : all;
  while (await cursor.advance()) {
    const { code, version } = cursor;
    const { key, document: before } = version;
    const isPair = (await cursor.advance()) && cursor.code === code;
    if (!isPair) throw damaged(parts[0]!.name, `the change of ${textOfJson(key)} has no end`);
    yield { code, key, before, after: cursor.version.document };
  }
}

async function* framesOf(
  store: ObjectStore,
  parts: readonly OperationPart[],
  filter: KeyFilter | undefined,
): AsyncGenerator<SortedFrame> {
  for (const { name, checksum, firstKey, lastKey } of parts) {
    const codeOf = (key: string) => codeOfText(key, name);
    if (filter && !filter.meets(codeOf(firstKey), codeOf(lastKey))) continue;
    const object = await DataObject.open(store, name, "operation", checksum);
    const frames = wantedFrames(object.index.frames, lastKey, filter, codeOf);
    for await (const lines of object.readFrames(frames)) yield { lines, object: name };
  }
}
