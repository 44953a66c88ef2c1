/**
 * Writes a base from its first key forwards and, if wanted, from its last key backwards at the same time.
 *
 * Invariant: the rows of the front come in strictly rising key order. Rows of the back come in blocks: keys rise within
 * a block, and each block lies below the block before and above all rows of the front. The manifest is put only after
 * every part is durable. Break it and a merge misses rows, or a base is believed whose parts are not there.
 */
import { SetDigest } from "../../digest.js";
import { ThinkbackError } from "../../errors.js";
import type { Repository } from "../../format/description.js";
import type { FrameCompressor } from "../../format/frame-compressor.js";
import { InTurn } from "../../format/in-turn.js";
import { encodeStored } from "../../format/json-object.js";
import { baseKeysName, baseManifestName, basePartName, basePrefix } from "../../format/names.js";
import type { Instant } from "../../instant.js";
import { compareKeys } from "../../key-order.js";
import { jsonOfText, textOfJson } from "../../server-text.js";
import { storedForm } from "../../storage/object-store.js";
import { type BaseManifest, type BasePart, baseKind } from "./base.js";
import { PartWriter } from "./part-writer.js";

/**
 * How many bytes of lines close a part. A fold rewrites a whole part for one change, and memory holds the open part.
 */
const partBytesTargetDefault = 16 * 1024 * 1024;
/** A part below this share of the target counts as small. */
const smallShare = 1 / 4;

export interface BaseIdentity {
  table: string;
  /** The epoch in whose log the base's instant lies. */
  epoch: number;
  primaryKey: string;
  /** With `unique` it names the directory of the parts. For a copy, when the copy began. */
  begun: Instant;
  /** Tells apart bases that several processes make of one table at one instant. */
  unique: string;
}

/** Adds one row to a base. The buffers are copied. */
export type AddRow = (key: Buffer, time: Instant, sequence: number, document: Buffer) => void;

export class BaseWriter {
  private readonly prefix: string;
  /** Entries of the front's closed parts, which resolve when the parts are encoded, and of parts that were kept. */
  private readonly parts: (BasePart | Promise<BasePart>)[] = [];
  /** The set digest of all closed and kept parts, those of the back included. */
  private readonly digest = new SetDigest();
  /** How many bytes of lines close the open part. */
  private closeAt: number;
  /** How many parts were written, and how many parts of another base were kept. */
  partsWritten = 0;
  partsKept = 0;
  /** Bytes of the stored objects that were written. */
  bytesWritten = 0;
  private readonly open: PartWriter;
  private firstKeyOfOpen = "";
  private readonly rising = new RisingKeys();
  private back: Back | undefined;
  private readonly putting = new InTurn(1);

  /** @param compressor given for a base that is kept for long; without one, the parts are compressed fast */
  constructor(
    private readonly repository: Repository,
    private readonly identity: BaseIdentity,
    private readonly partBytesTarget = partBytesTargetDefault,
    private readonly compressor?: FrameCompressor,
  ) {
    this.closeAt = partBytesTarget;
    this.open = new PartWriter(compressor);
    this.prefix = basePrefix(identity.table, identity.begun, identity.unique);
  }

  get rows(): number {
    return this.digest.count + this.open.rows + (this.back?.open.rows ?? 0);
  }

  /** True if there is an open part that holds less than a quarter of the target. */
  get hasSmallPart(): boolean {
    const { open } = this;
    return open.rows > 0 && open.lineBytes < this.partBytesTarget * smallShare;
  }

  /**
   * Adds a row to the front. The buffers are copied. The caller must await `drain` now and then, which bounds memory.
   */
  add(key: Buffer, time: Instant, sequence: number, document: Buffer): void {
    this.rising.next(key);
    if (this.open.rows === 0) this.firstKeyOfOpen = textOfJson(key);
    this.open.add(key, time, sequence, document);
    if (this.open.lineBytes >= this.closeAt) this.closePart();
  }

  /** Adds a block of rows to the back; `give` gives the rows. They lie before all blocks that were added until now. */
  addBack(give: (add: AddRow) => void): void {
    this.back ??= new Back(this.compressor);
    this.back.addBlock(give);
    if (this.back.open.lineBytes >= this.partBytesTarget) this.closeBackPart();
  }

  /**
   * Announces about how many bytes of lines come next. If these and the open part exceed the target, the open part is
   * closed at half of their sum (at most at the target). Closed at the target, it would leave a small part after it.
   */
  announce(lineBytes: number): void {
    const { partBytesTarget } = this;
    const both = lineBytes + this.open.lineBytes;
    this.closeAt = Math.min(both < partBytesTarget ? partBytesTarget : both / 2, partBytesTarget);
  }

  /** Adds all rows of a part of another base of the table by referring to that part. */
  keep(part: BasePart): void {
    this.closePart();
    this.rising.next(jsonOfText(part.firstKey));
    this.rising.last = jsonOfText(part.lastKey);
    this.parts.push(part);
    this.digest.addSet(SetDigest.of(part.rows, part.digest));
    this.partsKept += 1;
  }

  /**
   * Resolves when there is room for frames and at most one closed part waits to be stored. Rejects if a part could not
   * be stored.
   */
  async drain(): Promise<void> {
    await this.compressor?.room();
    await this.putting.drain();
  }

  /** Resolves when every closed part is stored. */
  stored(): Promise<void> {
    return this.putting.end();
  }

  /** Stores the open parts, so that no row is held in memory any more. No row may be added after it. */
  async close(): Promise<void> {
    this.closePart();
    this.closeBackPart();
    await this.stored();
  }

  /**
   * Stores the open parts and publishes the manifest.
   * @param signal checked before the manifest is put; if it has aborted, nothing is published
   */
  async finish(
    instant: Instant,
    logFrom: Instant,
    signal?: Pick<AbortSignal, "throwIfAborted">,
  ): Promise<BaseManifest> {
    await this.close();
    if (this.back?.firstKey) this.rising.next(this.back.firstKey);
    signal?.throwIfAborted();
    const parts = await Promise.all([...this.parts, ...(this.back?.parts ?? [])]);
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
    const bytes = encodeStored(baseKind, manifest);
    await this.repository.store.put(baseManifestName(prefix), bytes);
    this.bytesWritten += bytes.length;
    return manifest;
  }

  private closePart(): void {
    this.closeAt = this.partBytesTarget;
    if (this.open.rows === 0) return;
    const lastKey = textOfJson(this.rising.last!);
    this.parts.push(this.put(this.open, this.firstKeyOfOpen, lastKey));
  }

  private closeBackPart(): void {
    const { back } = this;
    if (!back || back.open.rows === 0) return;
    const firstKey = textOfJson(back.firstKey!);
    back.parts.unshift(this.put(back.open, firstKey, back.lastKeyOfOpen));
  }

  /** Finishes an open part, and begins to store it. */
  private put(open: PartWriter, firstKey: string, lastKey: string): Promise<BasePart> {
    const number = this.partsWritten;
    const names = {
      name: basePartName(this.prefix, number),
      keysName: baseKeysName(this.prefix, number),
      firstKey,
      lastKey,
    };
    this.digest.addSet(open.digest);
    const { store } = this.repository;
    const finished = open.finish(names).then(({ documents, ...rest }) => {
      return { ...rest, documents: storedForm(store, names.name, documents) };
    });
    const entry = finished.then(({ entry: facts, documents }) => {
      return { ...facts, bytes: documents.bytes.length };
    });
    // The work that stores the part gets the rejection.
    entry.catch(() => undefined);
    this.partsWritten += 1;
    this.putting.add(async () => {
      const { documents, keys } = await finished;
      await Promise.all([
        documents.store.put(names.name, documents.bytes),
        store.put(names.keysName, keys),
      ]);
      this.bytesWritten += documents.bytes.length + keys.length;
    });
    return entry;
  }
}

/** The last parts of a base, which are written from the last row backwards. */
class Back {
  /** The closed parts, in the order of keys. */
  readonly parts: Promise<BasePart>[] = [];
  readonly open: PartWriter;
  /** The least key so far; undefined before the first row. */
  firstKey: Buffer | undefined;
  lastKeyOfOpen = "";

  constructor(compressor: FrameCompressor | undefined) {
    this.open = new PartWriter(compressor);
  }

  addBlock(give: (add: AddRow) => void): void {
    const { open } = this;
    const isFirst = open.rows === 0;
    const rising = new RisingKeys();
    let first: Buffer | undefined;
    open.precede();
    give((key, time, sequence, document) => {
      rising.next(key);
      first ??= Buffer.from(key);
      open.add(key, time, sequence, document);
    });
    if (!first || !rising.last) return;
    checkRises(rising.last, this.firstKey);
    if (isFirst) this.lastKeyOfOpen = textOfJson(rising.last);
    this.firstKey = first;
  }
}

/** Checks that keys rise. */
class RisingKeys {
  /** The last key; undefined before the first. Its buffer is overwritten by the next key. */
  last: Buffer | undefined;

  next(key: Buffer): void {
    checkRises(this.last, key);
    if (this.last?.length === key.length) this.last.set(key);
    else this.last = Buffer.from(key);
  }
}

/** Throws if both keys are there and the second is not the greater. */
function checkRises(before: Buffer | undefined, key: Buffer | undefined): void {
  if (!before || !key || compareKeys(before, key) < 0) return;
  throw new ThinkbackError("internal", `key ${textOfJson(key)} came out of order`);
}
