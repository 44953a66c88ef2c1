/**
 * Invariant: rows come in strictly rising key order, and the manifest is put only after every part is durable.
 * Break it and a merge misses rows, or a base is believed whose parts are not there.
 */
import { SetDigest } from "../digest.js";
import { ThinkbackError } from "../errors.js";
import type { Instant } from "../instant.js";
import { compareKeys } from "../key-order.js";
import type { BaseManifest, BasePart } from "./base.js";
import { DataObjectWriter, type FrameWriter } from "./data-object.js";
import { DenseObjectWriter } from "./dense-object-writer.js";
import type { FrameCompressor } from "./frame-compressor.js";
import { InTurn } from "./in-turn.js";
import { encodeJsonObject } from "./json-object.js";
import { LineBuffer } from "./line-buffer.js";
import { digestInKeyLine, lineOverheadBytes, writeKeyLine, writeVersionLine } from "./lines.js";
import { baseKeysName, baseManifestName, basePartName, basePrefix } from "./names.js";
import type { Repository } from "./repository.js";

/** A part is closed at this many bytes of lines: what one fold rewrites for one change, and what memory holds. */
const partBytesTargetDefault = 16 * 1024 * 1024;
/** Below this share of the target a part is small. */
const smallShare = 1 / 4;

export interface BaseIdentity {
  table: string;
  /** In whose log its instant lies. */
  epoch: number;
  primaryKey: string;
  /** Names the directory with `unique`; for a copy, when it began. */
  begun: Instant;
  /** Tells apart what two writers make of one table at one instant. */
  unique: string;
}

export class BaseWriter {
  private readonly prefix: string;
  /** Entries of parts that were written, as soon as those are encoded, and of parts that were taken over. */
  private readonly parts: (BasePart | Promise<BasePart>)[] = [];
  /** Of the parts. */
  private readonly digest = new SetDigest();
  /** At how many bytes of lines the open part is closed. */
  private closeAt: number;
  /** Parts that were written, and parts of another base that were taken over. */
  partsWritten = 0;
  partsKept = 0;
  /** Bytes of the stored objects that were written. */
  bytesWritten = 0;
  private readonly open: OpenPart;
  /** Empty before the first row. */
  private lastKey = Buffer.alloc(0);
  private readonly putting = new InTurn(1);

  /** @param compressor compresses the parts if they are to be kept for long; without one, they are written fast */
  constructor(
    private readonly repository: Repository,
    private readonly identity: BaseIdentity,
    private readonly partBytesTarget = partBytesTargetDefault,
    private readonly compressor?: FrameCompressor,
  ) {
    this.closeAt = partBytesTarget;
    this.open = new OpenPart(compressor);
    this.prefix = basePrefix(identity.table, identity.begun, identity.unique);
  }

  get rows(): number {
    return this.digest.count + this.open.rows;
  }

  /** True if there is an open part with less than a quarter of the target. */
  get hasSmallPart(): boolean {
    const { open } = this;
    return open.rows > 0 && open.lineBytes < this.partBytesTarget * smallShare;
  }

  /** Adds a row; the buffers are copied. Await `drain` now and then: it is what bounds memory. */
  add(key: Buffer, time: Instant, sequence: number, document: Buffer): void {
    this.checkRises(key);
    if (this.lastKey.length === key.length) this.lastKey.set(key);
    else this.lastKey = Buffer.from(key);
    this.open.add(key, time, sequence, document);
    if (this.open.lineBytes >= this.closeAt) this.closePart();
  }

  /**
   * Tells that so many bytes of lines come now, more or less. If they and the open part are more than a part is to
   * hold, it is closed at half of both: closed at the target, it would leave a small part behind it.
   */
  announce(lineBytes: number): void {
    const { partBytesTarget } = this;
    const both = lineBytes + this.open.lineBytes;
    this.closeAt = Math.min(both < partBytesTarget ? partBytesTarget : both / 2, partBytesTarget);
  }

  /** Adds all rows of a part of another base of the table, by referring to it. */
  keep(part: BasePart): void {
    this.closePart();
    this.checkRises(Buffer.from(part.firstKey));
    this.lastKey = Buffer.from(part.lastKey);
    this.parts.push(part);
    this.digest.addSet(SetDigest.of(part.rows, part.digest));
    this.partsKept += 1;
  }

  /**
   * Resolves when there is room for frames, and no more than one closed part waits to be stored; rejects if one could
   * not be.
   */
  async drain(): Promise<void> {
    await this.compressor?.room();
    await this.putting.drain();
  }

  /** Resolves when every closed part is stored. */
  stored(): Promise<void> {
    return this.putting.end();
  }

  /** Stores what is left and publishes the manifest. */
  async finish(instant: Instant, logFrom: Instant): Promise<BaseManifest> {
    this.closePart();
    await this.stored();
    const parts = await Promise.all(this.parts);
    const { table, primaryKey, epoch } = this.identity;
    const manifest: BaseManifest = {
      repository: this.repository.description.id,
      table,
      primaryKey,
      instant,
      epoch,
      logFrom,
      rows: this.rows,
      documentBytes: parts.reduce((sum, part) => sum + part.documentBytes, 0),
      digest: this.digest.hex(),
      parts,
    };
    const prefix = basePrefix(table, instant, this.identity.unique);
    const bytes = encodeJsonObject("base", manifest);
    await this.repository.store.put(baseManifestName(prefix), bytes);
    this.bytesWritten += bytes.length;
    return manifest;
  }

  private checkRises(key: Buffer): void {
    if (this.lastKey.length === 0 || compareKeys(key, this.lastKey) > 0) return;
    throw new ThinkbackError("internal", `key ${key.toString()} came out of order`);
  }

  private closePart(): void {
    this.closeAt = this.partBytesTarget;
    if (this.open.rows === 0) return;
    const number = this.partsWritten;
    const names = {
      name: basePartName(this.prefix, number),
      keys: baseKeysName(this.prefix, number),
    };
    this.digest.addSet(this.open.digest);
    const finished = this.open.finish(names, this.lastKey);
    const entry = finished.then((part) => part.entry);
    // Who stores the part gets the rejection.
    entry.catch(() => undefined);
    this.parts.push(entry);
    this.partsWritten += 1;
    const { store } = this.repository;
    this.putting.add(async () => {
      const { documents, keys } = await finished;
      await Promise.all([store.put(names.name, documents), store.put(names.keys, keys)]);
      this.bytesWritten += documents.length + keys.length;
    });
  }
}

/** The part that is being written; after one is finished, the next. */
class OpenPart {
  private readonly documents: DataObjectWriter | DenseObjectWriter;
  private readonly keys = new DataObjectWriter("baseKeys", "fast");
  private readonly lines: SortedLines;
  private readonly keyLines = new SortedLines(this.keys);
  private firstKey = "";
  private documentBytes = 0;
  digest = new SetDigest();

  constructor(compressor: FrameCompressor | undefined) {
    this.documents = compressor
      ? new DenseObjectWriter("basePart", compressor)
      : new DataObjectWriter("basePart");
    this.lines = new SortedLines(this.documents);
  }

  get rows(): number {
    return this.digest.count;
  }

  /** Bytes of the documents' lines, before compression. */
  get lineBytes(): number {
    return this.documents.lineBytes + this.lines.end;
  }

  add(key: Buffer, time: Instant, sequence: number, document: Buffer): void {
    if (this.rows === 0) this.firstKey = key.toString("utf8");
    const bytesMax = key.length + document.length + lineOverheadBytes;
    const { lines, keyLines } = this;
    const line = lines.begin(key, time, bytesMax);
    lines.commit(writeVersionLine(line, lines.end, key, time, sequence, document));
    const keyLine = keyLines.begin(key, time, key.length + lineOverheadBytes);
    const keyLineEnd = writeKeyLine(keyLine, keyLines.end, key, time, sequence, document);
    this.digest.addWritten(keyLine, digestInKeyLine(keyLineEnd));
    keyLines.commit(keyLineEnd);
    this.documentBytes += document.length;
  }

  /** Completes the part, and begins the next at once: resolves when its frames are compressed. */
  finish(
    names: { name: string; keys: string },
    lastKey: Buffer,
  ): Promise<{ documents: Buffer; keys: Buffer; entry: BasePart }> {
    this.lines.flush();
    this.keyLines.flush();
    const keys = this.keys.finish({});
    const facts = {
      keys: { name: names.keys, checksum: keys.checksum },
      rows: this.rows,
      documentBytes: this.documentBytes,
      digest: this.digest.hex(),
    };
    const range = { firstKey: this.firstKey, lastKey: lastKey.toString("utf8") };
    this.documentBytes = 0;
    this.digest = new SetDigest();
    const encoded = this.documents.finish({});
    return (async () => {
      const { bytes, checksum } = await encoded;
      const entry = { name: names.name, checksum, ...facts, bytes: bytes.length, ...range };
      return { documents: bytes, keys: keys.bytes, entry };
    })();
  }
}

/** Lines in key order, cut into frames whose index entries name their first key and their times. */
export class SortedLines {
  private readonly buffer = new LineBuffer();
  private firstKey = "";
  private minTime = 0;
  private maxTime = 0;

  /** @param onFrame told the lines of each frame */
  constructor(
    private readonly object: FrameWriter,
    private readonly onFrame: (lines: Buffer) => void = () => undefined,
  ) {}

  /** Where the next line begins. */
  get end(): number {
    return this.buffer.end;
  }

  /** The buffer to write the line of this key into, at `end`; then call `commit`. */
  begin(key: Buffer, time: Instant, bytesMax: number): Buffer {
    if (this.buffer.rows === 0) {
      this.firstKey = key.toString("utf8");
      this.minTime = time;
      this.maxTime = time;
    } else if (time > this.maxTime) {
      this.maxTime = time;
    } else if (time < this.minTime) {
      this.minTime = time;
    }
    return this.buffer.reserve(bytesMax);
  }

  /** The line that was written ends at `end`. */
  commit(end: number): void {
    this.buffer.commit(end);
    if (end >= this.object.frameBytesTarget) this.flush();
  }

  flush(): void {
    if (this.buffer.rows === 0) return;
    const { firstKey, minTime, maxTime } = this;
    const lines = this.buffer.lines();
    this.object.addFrame(lines, this.buffer.rows, { firstKey, minTime, maxTime });
    this.onFrame(lines);
    this.buffer.clear();
  }
}
