/** Objects as a later version of Thinkback would write them: of format version 2, with the checksums right. */
import { sha256 } from "../../src/digest.js";
import { skippableHeaderBytes, trailerBytes } from "../../src/format/container.js";

export function laterData(bytes: Buffer): Buffer {
  const later = Buffer.from(bytes);
  const trailer = later.length - trailerBytes;
  later.writeUInt16LE(2, trailer + 4);
  const covered = trailer - later.readUInt32LE(trailer) - skippableHeaderBytes;
  later.write(sha256(later.subarray(covered, trailer + 8)), trailer + 8, "hex");
  return later;
}

export function laterJson(bytes: Buffer): Buffer {
  const { checksum: _, ...content } = JSON.parse(bytes.toString()) as { checksum: string };
  const text = JSON.stringify({ ...content, version: 2 }).slice(0, -1);
  return Buffer.from(`${text},"checksum":"${sha256(Buffer.from(text))}"}\n`);
}
