/**
 * Reads bulk objects: zstd frames of NDJSON, then one skippable frame with an index and a trailer. `zstd -dc` prints
 * the lines. docs/format.md §3.1.
 */
import { sha256 } from "../digest.js";
import { damaged, isDamage, newerFormat } from "../errors.js";
import { severalAtOnce } from "../several-at-once.js";
import { ObjectMissing, type ObjectStore } from "../storage/object-store.js";
import { formatVersion, magic, orNewer, skippableHeaderBytes, trailerBytes } from "./container.js";
import {
  type DataIndex,
  type FooterOf,
  type FrameEntry,
  indexOf,
  type Kind,
  kinds,
} from "./data-kinds.js";
import { checked } from "./fields.js";
import { decompress } from "./zstd.js";

/**
 * At most this many bytes of lines per frame: twice the largest document. An index with more is refused before reading.
 */
const frameBytesMax = 1024 * 1024 * 1024;
/** How many bytes from its end are read to open an object, in one request. Nearly every index fits. */
const tailBytes = 64 * 1024;

/** How many frames are fetched at once when frames are read in order: each request to a bucket takes its time. */
const framesAtOnce = 4;
/**
 * If an object has a frame above this size, its frames are fetched singly, because many objects may be read at once.
 */
const framesAheadBytes = 1024 * 1024;

/** An object opened for reading. Its index is read and checked; its frames are fetched when they are asked for. */
export class DataObject<Footer = unknown> {
  private constructor(
    private readonly store: ObjectStore,
    readonly name: string,
    /** Without the frames of keys. */
    readonly index: DataIndex<Footer>,
    /** In sealed repositories: frames with a digest in the place of each document. */
    readonly keyFrames: readonly FrameEntry[],
    readonly checksum: string,
    /** How many bytes are stored of the object. */
    readonly storedSize: number,
    /** The whole object, if it was small enough to come with the tail. */
    private readonly whole: Buffer | undefined,
  ) {}

  /**
   * Opens an object and checks its magic, checksum, version, kind and index. Frames are checked when they are read.
   * @param expectedChecksum the checksum that the reference to this object gives
   */
  static open<K extends Kind>(
    store: ObjectStore,
    name: string,
    kind: K,
    expectedChecksum?: string,
  ): Promise<DataObject<FooterOf<K>>> {
    return soundly(store, name, () => DataObject.openOnce(store, name, kind, expectedChecksum));
  }

  private static async openOnce<K extends Kind>(
    store: ObjectStore,
    name: string,
    kind: K,
    expectedChecksum: string | undefined,
  ): Promise<DataObject<FooterOf<K>>> {
    const {
      bytes: tail,
      size,
      storedSize = size,
    } = await present(name, store.tail(name, tailBytes));
    const trailer = readTrailer(name, tail);
    if (expectedChecksum !== undefined && expectedChecksum !== trailer.checksum) {
      throw damaged(name, "it is not the object that its reference names (checksums differ)");
    }
    const end = skippableHeaderBytes + trailer.indexLength + trailerBytes;
    if (end > size) throw damaged(name, "its index length is impossible");
    const ending =
      end <= tail.length
        ? tail.subarray(tail.length - end)
        : // A very large index: read all of it.
          await present(name, store.get(name, { start: size - end, end: size }));
    const index = readIndex(name, ending, trailer, kind, size - end);
    const whole = tail.length === size ? tail : undefined;
    const { footer, frames: all } = index;
    const keyFrames = all.filter(({ keys }) => keys === true);
    const frames = keyFrames.length === 0 ? all : all.filter(({ keys }) => keys !== true);
    const { checksum } = trailer;
    return new DataObject(store, name, { frames, footer }, keyFrames, checksum, storedSize, whole);
  }

  /** Reads and checks a frame; returns its lines. */
  async readFrame(entry: FrameEntry): Promise<Buffer> {
    return this.sound(entry, await this.fetch(entry));
  }

  /** The lines of a frame; if its bytes are damaged, those of another copy. */
  private sound(entry: FrameEntry, bytes: Buffer): Promise<Buffer> {
    let read: Buffer | undefined = bytes;
    return soundly(this.store, this.name, async () => {
      const given = read ?? (await this.fetch(entry));
      read = undefined;
      return this.decode(entry, given);
    });
  }

  /** Reads and checks frames in order; yields the lines of each. The next frames are fetched meanwhile. */
  async *readFrames(entries: readonly FrameEntry[]): AsyncGenerator<Buffer> {
    const isLarge = entries.some(({ length }) => length > framesAheadBytes);
    const atOnce = isLarge ? 1 : framesAtOnce;
    const fetching = severalAtOnce(entries, atOnce, async (entry) => {
      return { entry, bytes: await this.fetch(entry) };
    });
    for await (const { entry, bytes } of fetching) yield await this.sound(entry, bytes);
  }

  private async fetch({ offset, length }: FrameEntry): Promise<Buffer> {
    const range = { start: offset, end: offset + length };
    return (
      this.whole?.subarray(range.start, range.end) ??
      soundly(this.store, this.name, () => present(this.name, this.store.get(this.name, range)))
    );
  }

  private decode(entry: FrameEntry, bytes: Buffer): Buffer {
    const start = entry.offset;
    if (bytes.length !== entry.length) throw damaged(this.name, "it is truncated");
    if (sha256(bytes) !== entry.checksum) {
      throw damaged(this.name, `the frame at byte ${start} fails its checksum`);
    }
    let lines: Buffer;
    try {
      lines = decompress(bytes);
    } catch (error) {
      throw damaged(this.name, `the frame at byte ${start} cannot be decompressed`, error);
    }
    if (lines.length !== entry.size) {
      throw damaged(
        this.name,
        `the frame at byte ${start} does not have the length that its index says`,
      );
    }
    return lines;
  }
}

/** The result of `read`; throws if the object is missing, as it may have been deleted since it was listed. */
async function present<T>(name: string, read: Promise<T>): Promise<T> {
  try {
    return await read;
  } catch (error) {
    if (error instanceof ObjectMissing) throw damaged(name, "it is missing", error);
    throw error;
  }
}

/** What `read` gives; if it meets damage, what it gives once more if another copy of the object is sound. */
async function soundly<T>(store: ObjectStore, name: string, read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (error) {
    if (!isDamage(error) || !(await store.readElsewhere?.(name))) throw error;
    return read();
  }
}

interface Trailer {
  indexLength: number;
  checksum: string;
  version: number;
  kindCode: number;
}

function readTrailer(name: string, tail: Buffer): Trailer {
  const trailer = tail.subarray(Math.max(0, tail.length - trailerBytes));
  if (trailer.length !== trailerBytes || !trailer.subarray(40).equals(magic)) {
    throw damaged(name, "it does not end as a Thinkback object does (truncated?)");
  }
  return {
    indexLength: trailer.readUInt32LE(0),
    version: trailer.readUInt16LE(4),
    kindCode: trailer.readUInt8(6),
    checksum: trailer.toString("hex", 8, 40),
  };
}

/**
 * Parses and checks an index; also checks that its frames fill the object from 0 to `framesEnd` without a gap. The
 * checksum comes before the version, which it covers: else an altered version looks like a later one.
 */
function readIndex<K extends Kind>(
  name: string,
  ending: Buffer,
  { checksum, version, kindCode }: Trailer,
  kind: K,
  framesEnd: number,
): DataIndex<FooterOf<K>> {
  const covered = ending.subarray(0, ending.length - trailerBytes + 8);
  if (sha256(covered) !== checksum) {
    throw damaged(name, `its index fails its checksum${orNewer(version)}`);
  }
  if (version > formatVersion) throw newerFormat(name, version, formatVersion);
  if (kindCode !== kinds[kind].code) throw damaged(name, `it is not of kind ${kind}`);
  const text = ending.toString("utf8", skippableHeaderBytes, ending.length - trailerBytes);
  let content: unknown;
  try {
    content = JSON.parse(text);
  } catch (error) {
    throw damaged(name, "its index cannot be read", error);
  }
  const index = checked(indexOf(kind), content, name);
  let offset = 0;
  for (const frame of index.frames) {
    if (frame.offset !== offset || frame.size > frameBytesMax) {
      throw damaged(name, "its index does not fit its frames");
    }
    offset += frame.length;
  }
  if (offset !== framesEnd) throw damaged(name, "its index does not fit its frames");
  return index;
}
