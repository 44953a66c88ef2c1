import { SetDigest } from "../../digest.js";
import { DenseObjectWriter } from "../../format/dense-object-writer.js";
import type { FrameCompressor } from "../../format/frame-compressor.js";
import {
  digestInKeyLine,
  lineOverheadBytes,
  writeKeyLine,
  writeVersionLine,
} from "../../format/lines.js";
import { DataObjectWriter } from "../../format/object-writer.js";
import { SortedLines } from "../../format/sorted-lines.js";
import type { Instant } from "../../instant.js";
import type { BasePart } from "./base.js";

export interface PartNames {
  name: string;
  keysName: string;
  /** JSON texts of the least and the greatest key. */
  firstKey: string;
  lastKey: string;
}

export interface FinishedPart {
  documents: Buffer;
  keys: Buffer;
  entry: BasePart;
}

/** Writes the parts of a base, one after another. */
export class PartWriter {
  private readonly documents: DataObjectWriter | DenseObjectWriter;
  private readonly keys = new DataObjectWriter("baseKeys", "fast");
  private readonly lines: SortedLines;
  private readonly keyLines = new SortedLines(this.keys);
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

  /** Rows that are added from now on come before those that were added until now. */
  precede(): void {
    this.lines.flush();
    this.keyLines.flush();
    this.documents.precede();
    this.keys.precede();
  }

  /** Completes the part; the next may begin at once. Resolves when the frames are compressed. */
  finish({ name, keysName, firstKey, lastKey }: PartNames): Promise<FinishedPart> {
    this.lines.flush();
    this.keyLines.flush();
    const keys = this.keys.finish({});
    const facts = {
      keys: { name: keysName, checksum: keys.checksum },
      rows: this.rows,
      documentBytes: this.documentBytes,
      digest: this.digest.hex(),
    };
    this.documentBytes = 0;
    this.digest = new SetDigest();
    const encoded = this.documents.finish({});
    return (async () => {
      const { bytes, checksum } = await encoded;
      const entry = { name, checksum, ...facts, bytes: bytes.length, firstKey, lastKey };
      return { documents: bytes, keys: keys.bytes, entry };
    })();
  }
}
