/**
 * A base is written from its first key on, and may be written from its last key back at the same time.
 *
 * Invariant: rows come in strictly rising key order, those of the back in blocks that do and that fall one after the
 * other, above all others; and the manifest is put only after every part is durable. Break it and a merge misses rows,
 * or a base is believed whose parts are not there.
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
import { type BaseManifest, type BasePart, baseKind } from "./base.js";
import { PartWriter } from "./part-writer.js";

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

/** Takes one row of a base; the buffers are copied. */
export type AddRow = (key: Buffer, time: Instant, sequence: number, document: Buffer) => void;

export class BaseWriter {
  private readonly prefix: string;
  /** Entries of parts that were written, as soon as those are encoded, and of parts that were taken over. */
  private readonly parts: (BasePart | Promise<BasePart>)[] = [];
  /** Of the parts, those of the back included. */
  private readonly digest = new SetDigest();
  /** At how many bytes of lines the open part is closed. */
  private closeAt: number;
  /** Parts that were written, and parts of another base that were taken over. */
  partsWritten = 0;
  partsKept = 0;
  /** Bytes of the stored objects that were written. */
  bytesWritten = 0;
  private readonly open: PartWriter;
  private firstKeyOfOpen = "";
  private readonly rising = new RisingKeys();
  private back: Back | undefined;
  private readonly putting = new InTurn(1);

  /** @param compressor compresses the parts if they are to be kept for long; without one, they are written fast */
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

  /** True if there is an open part with less than a quarter of the target. */
  get hasSmallPart(): boolean {
    const { open } = this;
    return open.rows > 0 && open.lineBytes < this.partBytesTarget * smallShare;
  }

  /** Adds a row; the buffers are copied. Await `drain` now and then: it is what bounds memory. */
  add(key: Buffer, time: Instant, sequence: number, document: Buffer): void {
    this.rising.next(key);
    if (this.open.rows === 0) this.firstKeyOfOpen = textOfJson(key);
    this.open.add(key, time, sequence, document);
    if (this.open.lineBytes >= this.closeAt) this.closePart();
  }

  /** Adds a block of rows, which `give` gives; they lie before those of the blocks that were added until now. */
  addBack(give: (add: AddRow) => void): void {
    this.back ??= new Back(this.compressor);
    this.back.addBlock(give);
    if (this.back.open.lineBytes >= this.partBytesTarget) this.closeBackPart();
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
    this.rising.next(jsonOfText(part.firstKey));
    this.rising.last = jsonOfText(part.lastKey);
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

  /**
   * Stores what is left and publishes the manifest.
   * @param signal looked at between the two; then nothing is published
   */
  async finish(
    instant: Instant,
    logFrom: Instant,
    signal?: Pick<AbortSignal, "throwIfAborted">,
  ): Promise<BaseManifest> {
    this.closePart();
    this.closeBackPart();
    if (this.back?.firstKey) this.rising.next(this.back.firstKey);
    await this.stored();
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
    const finished = open.finish(names);
    const entry = finished.then((part) => part.entry);
    // Who stores the part gets the rejection.
    entry.catch(() => undefined);
    this.partsWritten += 1;
    const { store } = this.repository;
    this.putting.add(async () => {
      const { documents, keys } = await finished;
      await Promise.all([store.put(names.name, documents), store.put(names.keysName, keys)]);
      this.bytesWritten += documents.length + keys.length;
    });
    return entry;
  }
}

/** The last parts of a base, which are written from the last row back. */
class Back {
  /** In the order of keys. */
  readonly parts: Promise<BasePart>[] = [];
  readonly open: PartWriter;
  /** The least of all keys; undefined before the first row. */
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

/** Sees to it that keys rise. */
class RisingKeys {
  /** Undefined before the first key; it changes with the next one. */
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
