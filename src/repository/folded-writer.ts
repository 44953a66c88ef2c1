/**
 * Invariant: lines of a table come in strictly rising order of key and capture, and the manifest is put only after
 * every part is durable and was read back. Break it and segments are deleted whose versions are nowhere else.
 */
import { digestOf, SetDigest } from "../digest.js";
import { ThinkbackError } from "../errors.js";
import type { Instant } from "../instant.js";
import type { ObjectStore } from "../storage/object-store.js";
import { SortedLines } from "./base-writer.js";
import { DataObject, DataObjectWriter, frameBytesTarget, type Kind } from "./data-object.js";
import type { FoldedManifest, FoldedPart, FoldedRecords } from "./folded.js";
import { encodeJsonObject } from "./json-object.js";
import { LineBuffer } from "./line-buffer.js";
import { lineSpans } from "./lines.js";
import { type FoldedName, foldedManifestName, foldedPartName, foldedPrefix } from "./names.js";
import type { Repository } from "./repository.js";
import { type SystemStream, systemStreams } from "./segment.js";

/** A part is closed at this many bytes of lines. */
const partBytesTarget = 16 * 1024 * 1024;

/** The manifest without what the writer knows. */
export type FoldedFacts = Omit<
  FoldedManifest,
  | "repository"
  | "from"
  | "to"
  | "first"
  | "last"
  | "resolutionMs"
  | "tables"
  | "catalog"
  | "coverage"
>;

export class FoldedWriter {
  private readonly prefix: string;
  private readonly tables: FoldedManifest["tables"] = [];
  private readonly records: Record<SystemStream, FoldedRecords | null> = {
    catalog: null,
    coverage: null,
  };
  private table = "";
  private parts: FoldedPart[] = [];
  private open: OpenPart | undefined;
  /** Digests of the lines that were added, of the table at hand. */
  private added = new SetDigest();
  /** Bytes of the objects that were stored. */
  bytesWritten = 0;
  rows = 0;

  constructor(
    private readonly repository: Repository,
    private readonly identity: Omit<FoldedName, "name">,
    unique: string,
  ) {
    this.prefix = foldedPrefix(identity, unique);
  }

  beginTable(table: string): void {
    this.table = table;
    this.parts = [];
    this.added = new SetDigest();
  }

  /** Adds a line, without its newline. Resolves when there is room for more. */
  add(key: Buffer, time: Instant, line: Buffer): Promise<void> | undefined {
    this.open ??= new OpenPart(key);
    this.open.add(key, time, line);
    this.added.add(digestOf(line));
    this.rows += 1;
    return this.open.lineBytes >= partBytesTarget ? this.closePart() : undefined;
  }

  /** Stores what is left of the table, and reads all of it back. */
  async endTable(): Promise<void> {
    await this.closePart();
    if (this.parts.length === 0) return;
    const { store } = this.repository;
    const stored = await digestOfParts(store, this.parts, "foldedPart");
    this.checkStored(this.table, stored);
    this.tables.push({ table: this.table, parts: this.parts });
  }

  /** Stores the records of a system stream, lines without newlines, in the order of capture. */
  async addRecords(stream: SystemStream, lines: Buffer[]): Promise<void> {
    if (lines.length === 0) return;
    const object = new DataObjectWriter("foldedRecords");
    const buffer = new LineBuffer(4096);
    const added = new SetDigest();
    const flush = () => {
      if (buffer.rows > 0) object.addFrame(buffer.lines(), buffer.rows, {});
      buffer.clear();
    };
    for (const line of lines) {
      appendLine(buffer, line);
      added.add(digestOf(line));
      if (buffer.end >= frameBytesTarget) flush();
    }
    flush();
    const { bytes, checksum } = object.finish({});
    const name = foldedPartName(this.prefix, systemStreams[stream], 0);
    await this.put(name, bytes);
    const records = { name, checksum, rows: lines.length, bytes: bytes.length };
    this.added = added;
    this.checkStored(
      stream,
      await digestOfParts(this.repository.store, [records], "foldedRecords"),
    );
    this.records[stream] = records;
  }

  /** Publishes the manifest. From then on the folded segment is used instead of what it stands for. */
  async finish(facts: FoldedFacts): Promise<FoldedManifest> {
    const { from, to, first, last, resolutionMs } = this.identity;
    const manifest: FoldedManifest = {
      repository: this.repository.description.id,
      from,
      to,
      first,
      last,
      resolutionMs,
      ...facts,
      tables: this.tables,
      ...this.records,
    };
    await this.put(foldedManifestName(this.prefix), encodeJsonObject("folded", manifest));
    return manifest;
  }

  private async closePart(): Promise<void> {
    if (!this.open) return;
    const name = foldedPartName(this.prefix, this.table, this.parts.length);
    const { bytes, part } = this.open.finish(name);
    this.open = undefined;
    this.parts.push(part);
    await this.put(name, bytes);
  }

  private async put(name: string, bytes: Buffer): Promise<void> {
    await this.repository.store.put(name, bytes);
    this.bytesWritten += bytes.length;
  }

  private checkStored(what: string, stored: SetDigest): void {
    if (stored.count === this.added.count && stored.hex() === this.added.hex()) return;
    throw new ThinkbackError(
      "repository",
      `what was folded of ${what} is not what can be read back: ${stored.count} lines of ${this.added.count}`,
      { hint: "nothing was published and nothing is lost; check the repository's store" },
    );
  }
}

async function digestOfParts(
  store: ObjectStore,
  parts: { name: string; checksum: string }[],
  kind: Kind,
): Promise<SetDigest> {
  const digest = new SetDigest();
  for (const { name, checksum } of parts) {
    const object = await DataObject.open(store, name, kind, checksum);
    for (const entry of object.index.frames) {
      const lines = await object.readFrame(entry);
      for (const { start, end } of lineSpans(lines, name)) {
        digest.add(digestOf(lines.subarray(start, end)));
      }
    }
  }
  return digest;
}

function appendLine(buffer: LineBuffer, line: Buffer): void {
  const into = buffer.reserve(line.length + 1);
  const end = buffer.end + line.copy(into, buffer.end);
  into[end] = 0x0a;
  buffer.commit(end + 1);
}

class OpenPart {
  private readonly object = new DataObjectWriter("foldedPart");
  private readonly lines = new SortedLines(this.object);
  private readonly firstKey: string;
  private lastKey: Buffer;
  private minTime = Number.MAX_SAFE_INTEGER;
  private maxTime = 0;
  private rows = 0;
  lineBytes = 0;

  constructor(firstKey: Buffer) {
    this.firstKey = firstKey.toString("utf8");
    this.lastKey = firstKey;
  }

  add(key: Buffer, time: Instant, line: Buffer): void {
    const into = this.lines.begin(key, time, line.length + 1);
    const end = this.lines.end + line.copy(into, this.lines.end);
    into[end] = 0x0a;
    this.lines.commit(end + 1);
    this.lastKey = Buffer.from(key);
    this.minTime = Math.min(this.minTime, time);
    this.maxTime = Math.max(this.maxTime, time);
    this.rows += 1;
    this.lineBytes += line.length + 1;
  }

  finish(name: string): { bytes: Buffer; part: FoldedPart } {
    this.lines.flush();
    const { bytes, checksum } = this.object.finish({});
    const { rows, firstKey, minTime, maxTime } = this;
    const lastKey = this.lastKey.toString("utf8");
    const part = { name, checksum, rows, bytes: bytes.length, firstKey, lastKey, minTime, maxTime };
    return { bytes, part };
  }
}
