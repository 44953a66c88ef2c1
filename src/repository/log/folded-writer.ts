/**
 * Writes folded segments.
 *
 * Invariant: the lines of a table come in strictly rising order of key and capture, and the manifest is put only after
 * every part is durable and was read back. Break it and segments are deleted whose versions are stored nowhere else.
 */
import { digestOf, sha256 } from "../../digest.js";
import { ThinkbackError } from "../../errors.js";
import type { Kind } from "../../format/data-kinds.js";
import { DataObject } from "../../format/data-object.js";
import { DenseObjectWriter } from "../../format/dense-object-writer.js";
import type { Repository } from "../../format/description.js";
import type { FrameCompressor } from "../../format/frame-compressor.js";
import { InTurn } from "../../format/in-turn.js";
import { encodeStored } from "../../format/json-object.js";
import { LineBuffer } from "../../format/line-buffer.js";
import { lineOverheadBytes, parseLine, writeVersionLine } from "../../format/lines.js";
import {
  type FoldedName,
  foldedManifestName,
  foldedPartName,
  foldedPrefix,
} from "../../format/names.js";
import {
  type EncodedObject,
  type FrameLabel,
  type FrameWriter,
  frameBytesTarget,
} from "../../format/object-writer.js";
import { type SystemStream, systemStreams } from "../../format/segment.js";
import { SortedLines } from "../../format/sorted-lines.js";
import type { Instant } from "../../instant.js";
import { textOfJson } from "../../server-text.js";
import { type ObjectStore, storedForm } from "../../storage/object-store.js";
import { type FoldedManifest, type FoldedPart, type FoldedRecords, foldedKind } from "./folded.js";

/** How many bytes of lines close a part. */
const partBytesTarget = 16 * 1024 * 1024;

/** The manifest without the fields that the writer itself knows. */
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
  private readonly isSealed: boolean;
  private readonly tables: FoldedManifest["tables"] = [];
  private readonly records: Record<SystemStream, FoldedRecords | null> = {
    catalog: null,
    coverage: null,
  };
  private table = "";
  /** How many parts of the current table were closed, and the entries of those that are stored. */
  private partsClosed = 0;
  private parts: FoldedPart[] = [];
  private open: OpenPart | undefined;
  /** Checksums of the lines that were added of the current table. */
  private added = new FrameSums();
  private readonly storing = new InTurn(2);
  /** Bytes of the objects that were stored. */
  bytesWritten = 0;
  rows = 0;

  constructor(
    private readonly repository: Repository,
    private readonly identity: Omit<FoldedName, "name">,
    unique: string,
    private readonly compressor: FrameCompressor,
  ) {
    this.prefix = foldedPrefix(identity, unique);
    this.isSealed = repository.store.sealing !== undefined;
  }

  beginTable(table: string): void {
    this.table = table;
    this.partsClosed = 0;
    this.parts = [];
    this.added = new FrameSums();
  }

  /**
   * Adds a line, given without its newline. `key` must not change before the next call. The caller must await a
   * returned promise before it adds more; it bounds memory.
   */
  add(key: Buffer, time: Instant, line: Buffer): Promise<void> | undefined {
    this.open ??= new OpenPart(key, this.added, this.compressor, this.isSealed);
    this.open.add(key, time, line);
    this.added.lineBytes += line.length + 1;
    this.rows += 1;
    if (this.open.lineBytes < partBytesTarget) return this.compressor.room();
    this.closePart();
    return this.storing.drain();
  }

  /** Closes the table. Storing the rest of it and reading all of it back go on in the background. */
  endTable(): Promise<void> {
    this.closePart();
    const { table, parts, added } = this;
    if (this.partsClosed === 0) return this.storing.drain();
    this.storing.add(async () => {
      const { store } = this.repository;
      checkStored(table, added, await sumsOfParts(store, parts, "foldedPart"));
      this.tables.push({ table, parts });
    });
    return this.storing.drain();
  }

  /** Stores the records of a system stream, given as lines without newlines in the order of capture. */
  async addRecords(stream: SystemStream, lines: Buffer[]): Promise<void> {
    if (lines.length === 0) return;
    const object = new DenseObjectWriter("foldedRecords", this.compressor);
    const buffer = new LineBuffer(4096);
    const added = new FrameSums();
    const flush = () => {
      if (buffer.rows === 0) return;
      object.addFrame(buffer.lines(), buffer.rows);
      added.addFrame(buffer.lines());
      buffer.clear();
    };
    for (const line of lines) {
      appendLine(buffer, line);
      added.lineBytes += line.length + 1;
      if (buffer.end < frameBytesTarget) continue;
      flush();
      await this.compressor.room();
    }
    flush();
    const name = foldedPartName(this.prefix, systemStreams[stream], 0);
    const encoded = object.finish({});
    this.storing.add(async () => {
      const { bytes, checksum } = await encoded;
      const { store } = this.repository;
      const storedBytes = await this.put(name, bytes);
      const records = { name, checksum, rows: lines.length, bytes: storedBytes };
      checkStored(stream, added, await sumsOfParts(store, [records], "foldedRecords"));
      this.records[stream] = records;
    });
    await this.storing.drain();
  }

  /** Resolves when everything that was added is stored and was read back. */
  stored(): Promise<void> {
    return this.storing.end();
  }

  /** Publishes the manifest. From then on readers use the folded segment in place of the segments it stands for. */
  async finish(facts: FoldedFacts): Promise<FoldedManifest> {
    await this.stored();
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
    await this.put(foldedManifestName(this.prefix), encodeStored(foldedKind, manifest));
    return manifest;
  }

  private closePart(): void {
    if (!this.open) return;
    const name = foldedPartName(this.prefix, this.table, this.partsClosed);
    const { encoded, facts } = this.open.finish();
    const { parts } = this;
    this.open = undefined;
    this.partsClosed += 1;
    this.storing.add(async () => {
      const { bytes, checksum } = await encoded;
      const storedBytes = await this.put(name, bytes);
      const { rows, ...range } = facts;
      parts.push({ name, checksum, rows, bytes: storedBytes, ...range });
    });
  }

  /** Returns how many bytes are stored of the object. */
  private async put(name: string, bytes: Buffer): Promise<number> {
    const stored = storedForm(this.repository.store, name, bytes);
    await stored.store.put(name, stored.bytes);
    this.bytesWritten += stored.bytes.length;
    return stored.bytes.length;
  }
}

/** @param stream the table or system stream */
function checkStored(stream: string, added: FrameSums, stored: FrameSums): void {
  if (stored.equals(added)) return;
  throw new ThinkbackError(
    "repository",
    `the folded ${stream} differs when it is read back: ${stored.lineBytes} bytes, ${added.lineBytes} were written`,
    { hint: "nothing was published and nothing is lost; check the repository's store" },
  );
}

/** The checksums of the frames of some lines: they tell whether the lines read back are the lines written. */
class FrameSums {
  private readonly sums: string[] = [];
  private frameBytes = 0;
  /** Counted line by line when lines are added, and frame by frame when they are read back. */
  lineBytes = 0;

  addFrame(lines: Buffer): void {
    this.sums.push(sha256(lines));
    this.frameBytes += lines.length;
  }

  equals(other: FrameSums): boolean {
    return (
      this.lineBytes === other.lineBytes &&
      this.frameBytes === other.frameBytes &&
      this.sums.length === other.sums.length &&
      this.sums.every((sum, i) => sum === other.sums[i])
    );
  }
}

async function sumsOfParts(
  store: ObjectStore,
  parts: { name: string; checksum: string }[],
  kind: Kind,
): Promise<FrameSums> {
  const sums = new FrameSums();
  for (const { name, checksum } of parts) {
    const object = await DataObject.open(store, name, kind, checksum);
    for await (const lines of object.readFrames(object.index.frames)) {
      sums.addFrame(lines);
      sums.lineBytes += lines.length;
    }
  }
  return sums;
}

function appendLine(buffer: LineBuffer, line: Buffer): void {
  const into = buffer.reserve(line.length + 1);
  const end = buffer.end + line.copy(into, buffer.end);
  into[end] = 0x0a;
  buffer.commit(end + 1);
}

type PartFacts = Omit<FoldedPart, "name" | "checksum" | "bytes">;

class OpenPart {
  private readonly object: DenseObjectWriter;
  private readonly lines: SortedLines;
  private readonly firstKey: string;
  private lastKey: Buffer;
  private minTime = Number.MAX_SAFE_INTEGER;
  private maxTime = 0;
  private rows = 0;
  /** Frames of keys, which come after those of the versions; undefined if the repository is not sealed. */
  private readonly keyFrames: KeyFrames | undefined;
  lineBytes = 0;

  /** @param added collects the checksums of the part's frames */
  constructor(firstKey: Buffer, added: FrameSums, compressor: FrameCompressor, isSealed: boolean) {
    this.object = new DenseObjectWriter("foldedPart", compressor);
    this.lines = new SortedLines(this.object, (lines) => added.addFrame(lines));
    this.firstKey = textOfJson(firstKey);
    this.lastKey = firstKey;
    this.keyFrames = isSealed ? new KeyFrames() : undefined;
  }

  add(key: Buffer, time: Instant, line: Buffer): void {
    const into = this.lines.begin(key, time, line.length + 1);
    const end = this.lines.end + line.copy(into, this.lines.end);
    into[end] = 0x0a;
    this.lines.commit(end + 1);
    this.keyFrames?.add(line);
    this.lastKey = key;
    if (time < this.minTime) this.minTime = time;
    if (time > this.maxTime) this.maxTime = time;
    this.rows += 1;
    this.lineBytes += line.length + 1;
  }

  /** Completes the part. Its facts are known at once; `encoded` resolves when the frames are compressed. */
  finish(): { encoded: Promise<EncodedObject>; facts: PartFacts } {
    this.lines.flush();
    this.keyFrames?.addTo(this.object);
    const { rows, firstKey, minTime, maxTime } = this;
    const lastKey = textOfJson(this.lastKey);
    return {
      encoded: this.object.finish({}),
      facts: { rows, firstKey, lastKey, minTime, maxTime },
    };
  }
}

/** Frames with the digest of each version's document in its place. */
class KeyFrames implements FrameWriter {
  private readonly frames: { lines: Buffer; rows: number; label: FrameLabel | undefined }[] = [];
  private readonly lines = new SortedLines(this);

  /** @param line of a version, without its newline */
  add(line: Buffer): void {
    const { key, time, sequence, document } = parseLine(line, 0, line.length, "a folded segment");
    const digest = document && Buffer.from(`"${digestOf(document)}"`);
    const into = this.lines.begin(key, time, key.length + lineOverheadBytes);
    this.lines.commit(writeVersionLine(into, this.lines.end, key, time, sequence, digest));
  }

  addFrame(lines: Buffer, rows: number, label?: FrameLabel): void {
    this.frames.push({ lines: Buffer.from(lines), rows, label });
  }

  /** Versions come in order. */
  precede(): never {
    throw new Error("a folded segment has no blocks");
  }

  addTo(object: Pick<FrameWriter, "addFrame">): void {
    this.lines.flush();
    for (const { lines, rows, label } of this.frames) {
      object.addFrame(lines, rows, { ...label, keys: true });
    }
  }
}
