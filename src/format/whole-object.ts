import { sha256 } from "../digest.js";
import { damaged } from "../errors.js";
import type { ObjectStore } from "../storage/object-store.js";
import { formatVersion, magic, orNewer, skippableHeaderBytes, trailerBytes } from "./container.js";
import { checkSuffix } from "./json-object.js";

/**
 * Checks all bytes of an object by the checksums that it carries, without knowing what it is. Throws, naming it, if it
 * is cut off or altered. An object of no known container passes. Of one of a later format version everything is checked
 * but its frames, of which only the index tells.
 */
export function checkWholeObject(name: string, bytes: Buffer): void {
  if (name.endsWith(".json")) checkSuffix(name, bytes);
  else if (name.endsWith(".zst")) checkData(name, bytes);
}

/**
 * Checks the bytes of an object as they are stored, wherever they come from, before they are put: in a sealed
 * repository by the signature, else by the checksums that they carry. Throws, naming it, if they are not believed.
 */
export function checkStoredForm({ sealing }: ObjectStore, name: string, stored: Buffer): void {
  if (sealing) sealing.check(name, stored);
  else checkWholeObject(name, stored);
}

function checkData(name: string, bytes: Buffer): void {
  const trailer = bytes.subarray(Math.max(0, bytes.length - trailerBytes));
  if (trailer.length !== trailerBytes || !trailer.subarray(40).equals(magic)) {
    throw damaged(name, "it does not end as a Thinkback object does (truncated?)");
  }
  const version = trailer.readUInt16LE(4);
  const indexEnd = bytes.length - trailerBytes;
  const indexStart = indexEnd - trailer.readUInt32LE(0);
  const framesEnd = indexStart - skippableHeaderBytes;
  if (framesEnd < 0) throw damaged(name, "its index length is impossible");
  if (sha256(bytes.subarray(framesEnd, indexEnd + 8)) !== trailer.toString("hex", 8, 40)) {
    throw damaged(name, `its index fails its checksum${orNewer(version)}`);
  }
  if (version > formatVersion) return;
  let offset = 0;
  for (const frame of framesOf(name, bytes.subarray(indexStart, indexEnd))) {
    if (frame.offset !== offset) throw damaged(name, "its index does not fit its frames");
    offset += frame.length;
    if (sha256(bytes.subarray(frame.offset, offset)) !== frame.checksum) {
      throw damaged(name, `the frame at byte ${frame.offset} fails its checksum`);
    }
  }
  if (offset !== framesEnd) throw damaged(name, "its index does not fit its frames");
}

function framesOf(name: string, index: Buffer) {
  try {
    const { frames } = JSON.parse(index.toString("utf8")) as {
      frames: { offset: number; length: number; checksum: string }[];
    };
    return [...frames];
  } catch (error) {
    throw damaged(name, "its index cannot be read", error);
  }
}
