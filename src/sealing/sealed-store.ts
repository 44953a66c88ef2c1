/**
 * A store that seals what is put, and opens what is read: encrypted, signed, and bound to its name. Ranges are read
 * without the rest of the object.
 */
import { damaged, isDamage, messageOf } from "../errors.js";
import { keysPrefix, repositoryName } from "../format/names.js";
import {
  checkName,
  type ListOptions,
  type ObjectStore,
  type Range,
  type Sealing,
  type StoredObject,
  StoreForbidden,
  type Tail,
} from "../storage/object-store.js";
import { StoreLayer } from "../storage/store-layer.js";
import type { KeysInForce } from "./keys-in-force.js";
import {
  checkSealed,
  checkSection,
  type OpenedObject,
  openEnd,
  type PlaceOf,
  readEnd,
  readSection,
  type SealedEnd,
  sealObject,
  signerIn,
  UnreadableSection,
} from "./sealed-object.js";

/** What is stored as it is, because it says how to read everything else. */
const isClear = (name: string) => name === repositoryName;

/** By how much a tail that is read is longer than the tail that is asked for: headers, tags, signature. */
const slackBytes = 8 * 1024;
/** How much of the stored bytes of objects that were opened is remembered. */
const rememberedBytesMax = 16 * 1024 * 1024;

interface Remembered {
  object: OpenedObject;
  /** The last stored bytes, which came when the object was opened. */
  tail: Buffer;
}

export class SealedStore extends StoreLayer {
  override readonly sealing: Sealing;
  private readonly remembered = new Map<string, Remembered>();
  private rememberedBytes = 0;

  /** @param placeName gives the name that an object is sealed for; its own unless it lies elsewhere */
  constructor(
    below: ObjectStore,
    private readonly keys: KeysInForce,
    private readonly placeName = (name: string) => name,
  ) {
    super(below);
    this.sealing = {
      readsDocuments: keys.readsDocuments,
      seal: (name, bytes) => this.seal(name, bytes),
      check: (name, stored) => {
        if (!isClear(name)) checkSealed(this.place(name), stored, keys);
      },
      renewKeys: (doing) => keys.renew(doing),
      below,
      reading: (elsewhere, name) => new SealedStore(elsewhere, keys, name),
    };
    if (below.readElsewhere) {
      this.readElsewhere = (name, signal) => {
        this.forget(name);
        return below.readElsewhere!(name, signal);
      };
    }
    this.passOn(["firstMissing", "tidy", "keepRoom"], {
      deleteMany: async (names, signal) => {
        for (const name of names) this.forget(name);
        await below.deleteMany!(names, signal);
      },
      putUrgently: async (name, bytes, signal) =>
        below.putUrgently!(name, this.seal(name, Buffer.from(bytes)), signal),
    });
  }

  override async put(name: string, bytes: Uint8Array, signal?: AbortSignal): Promise<void> {
    checkName(name);
    signal?.throwIfAborted();
    const given = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    await this.below.put(name, this.seal(name, given), signal);
  }

  override async get(name: string, range?: Range, signal?: AbortSignal): Promise<Buffer> {
    if (isClear(name)) return this.below.get(name, range, signal);
    if (!range) return this.getWhole(name, signal);
    const known = await this.open(name, 0, signal);
    const { size } = known.object;
    const start = Math.min(range.start, size);
    return this.read(name, known, start, Math.max(start, Math.min(range.end, size)), signal);
  }

  override async tail(name: string, bytes: number, signal?: AbortSignal): Promise<Tail> {
    if (isClear(name)) return this.below.tail(name, bytes, signal);
    const { object } = await this.open(name, bytes, signal);
    const { indexBytes, size, storedSize } = object;
    return { bytes: indexBytes.subarray(Math.max(0, indexBytes.length - bytes)), size, storedSize };
  }

  /** Lists everything but the key sets, which are looked for below. */
  override async *list(prefix: string, options?: ListOptions): AsyncGenerator<StoredObject> {
    for await (const object of this.below.list(prefix, options)) {
      if (!object.name.startsWith(keysPrefix)) yield object;
    }
  }

  override async delete(name: string, signal?: AbortSignal): Promise<void> {
    this.forget(name);
    await super.delete(name, signal);
  }

  private seal(name: string, bytes: Buffer): Buffer {
    if (isClear(name)) return bytes;
    const { keys } = this;
    keys.lookInTime();
    const place = this.place(name);
    return sealObject(place, bytes, keys.recipients, keys.signerOf(place.name));
  }

  private place(name: string): PlaceOf {
    return { repository: this.keys.repository, name: this.placeName(name) };
  }

  private async getWhole(name: string, signal: AbortSignal | undefined): Promise<Buffer> {
    const stored = await this.below.get(name, undefined, signal);
    const object = await this.openFrom(name, stored, stored.length);
    if (!object) throw damaged(name, "it is cut off");
    const { documents, structure } = object;
    for (const section of [documents, structure]) {
      const bytes = stored.subarray(section.offset, section.offset + section.length);
      checkSection(name, bytes, section.sha256);
    }
    return this.read(name, { object, tail: stored }, 0, object.size, signal);
  }

  /** Bytes of an opened object, from `start` up to `end`. */
  private async read(
    name: string,
    { object, tail }: Remembered,
    start: number,
    end: number,
    signal: AbortSignal | undefined,
  ): Promise<Buffer> {
    const tailStart = object.storedSize - tail.length;
    const stored = async (from: number, to: number) => {
      if (from >= tailStart) return tail.subarray(from - tailStart, to - tailStart);
      const bytes = await this.below.get(name, { start: from, end: to }, signal);
      if (bytes.length !== to - from) throw damaged(name, "it is cut off");
      return bytes;
    };
    const parts: Buffer[] = [];
    for (const which of ["documents", "structure"] as const) {
      const { start: first, end: last } = object[which];
      const range = { start: Math.max(start, first), end: Math.min(end, last) };
      if (range.start >= range.end) continue;
      parts.push(
        await this.opening(name, () =>
          readSection(this.place(name), object, which, range, stored, this.keys),
        ),
      );
    }
    const { start: first } = object.index;
    if (end > first)
      parts.push(object.indexBytes.subarray(Math.max(0, start - first), end - first));
    return parts.length === 1 ? parts[0]! : Buffer.concat(parts);
  }

  private async open(
    name: string,
    bytes: number,
    signal: AbortSignal | undefined,
  ): Promise<Remembered> {
    checkName(name);
    const known = this.remembered.get(name);
    // A key that has signed it may not be trusted any more.
    if (known && this.keys.trusts(known.object.signer, this.placeName(name))) return known;
    const wanted = bytes + slackBytes;
    const { bytes: tail, size } = await this.below.tail(name, wanted, signal);
    let ending = tail;
    let object = await this.openFrom(name, tail, size);
    if (!object) {
      // A very large index.
      const end = readEnd(name, tail, size);
      ending = await this.below.get(name, { start: size - end.ending, end: size }, signal);
      object = await this.openFrom(name, ending, size);
    }
    if (!object) throw damaged(name, "it is cut off");
    const opened = { object, tail: ending };
    this.remember(name, opened);
    return opened;
  }

  /** Opens an object from its last stored bytes; undefined if these are too few. */
  private async openFrom(
    name: string,
    tail: Buffer,
    storedSize: number,
  ): Promise<OpenedObject | undefined> {
    const end = readEnd(name, tail, storedSize);
    if (end.ending > tail.length) return undefined;
    await this.meet(name, end);
    const ending = tail.subarray(tail.length - end.ending);
    return this.opening(name, async () =>
      openEnd(this.place(name), end, ending, storedSize, this.keys),
    );
  }

  /** Takes newer key sets if they may name the object's signer. */
  private async meet(name: string, end: SealedEnd): Promise<void> {
    const { keys } = this;
    keys.lookInTime();
    const signer = signerIn(end);
    if (keys.trusts(signer, this.placeName(name))) return;
    try {
      await keys.lookForNewer();
    } catch (error) {
      if (!isDamage(error)) throw error;
      const why = `it is signed by a key that is not trusted with it, ${signer}, and a newer key set does not count`;
      throw damaged(name, `${why}: ${messageOf(error)}`, error);
    }
  }

  /** Opens something of an object; once more if a newer key set has the identities that it is sealed for. */
  private async opening<T>(name: string, open: () => Promise<T>): Promise<T> {
    try {
      return await open();
    } catch (error) {
      // What was remembered may be what is wrong.
      this.forget(name);
      if (!(error instanceof UnreadableSection)) throw error;
      if (await this.hasNewerKeys()) return this.opening(name, open);
      this.keys.refuseStranger(`reading ${name}`, error);
      throw explained(error);
    }
  }

  /** True if a newer key set was taken. One that does not count is none. */
  private async hasNewerKeys(): Promise<boolean> {
    try {
      return await this.keys.lookForNewer();
    } catch (error) {
      if (isDamage(error)) return false;
      throw error;
    }
  }

  private remember(name: string, opened: Remembered): void {
    const bytes = opened.tail.length + opened.object.indexBytes.length;
    if (bytes > rememberedBytesMax / 16) return;
    this.forget(name);
    this.remembered.set(name, opened);
    this.rememberedBytes += bytes;
    for (const oldest of this.remembered.keys()) {
      if (this.rememberedBytes <= rememberedBytesMax) break;
      this.forget(oldest);
    }
  }

  private forget(name: string): void {
    const known = this.remembered.get(name);
    if (!known) return;
    this.remembered.delete(name);
    this.rememberedBytes -= known.tail.length + known.object.indexBytes.length;
  }
}

function explained(error: UnreadableSection): StoreForbidden {
  const isOfDocuments = error.section === "documents";
  return new StoreForbidden(
    `reading ${error.object}: ${isOfDocuments ? "it holds documents, which the keys at hand do not open" : "it is sealed, and the keys at hand do not open it"}`,
    error,
    isOfDocuments
      ? "give the identity of a reader: --identity FILE"
      : "give the identity of a writer or reader that `thinkback key list` has: --identity FILE",
  );
}
