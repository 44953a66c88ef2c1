/**
 * What the frames of keys of a sealed object say, as one checksum for each table: of the object's versions, with the
 * digest of each document, or of the lines that its frames of keys have.
 */
import { createHash, type Hash } from "node:crypto";
import { lineOverheadBytes, type Version, writeDigestLine } from "./lines.js";

export class KeySums {
  private readonly hashes = new Map<string, Hash>();
  private line = Buffer.alloc(1024);

  /** Adds a version of a table, in the order in which the object has them. */
  addVersion(table: string, { key, time, sequence, document }: Version): void {
    const bytesMax = key.length + lineOverheadBytes;
    if (this.line.length < bytesMax) this.line = Buffer.alloc(2 * bytesMax);
    const end = writeDigestLine(this.line, 0, key, time, sequence, document);
    this.addLines(table, this.line.subarray(0, end));
  }

  /** Adds lines of a frame of keys. */
  addLines(table: string, lines: Buffer): void {
    let hash = this.hashes.get(table);
    if (!hash) this.hashes.set(table, (hash = createHash("sha256")));
    hash.update(lines);
  }

  /** A table of which both do not say the same; undefined if there is none. */
  unlike(other: KeySums): string | undefined {
    const sumOf = ({ hashes }: KeySums, table: string) => hashes.get(table)?.copy().digest("hex");
    const tables = new Set([...this.hashes.keys(), ...other.hashes.keys()]);
    return [...tables].find((table) => sumOf(this, table) !== sumOf(other, table));
  }
}
