/** Reads data objects to their ends: checks every line, their order, and what index and manifests say of them. */
import { digestOf, SetDigest } from "../digest.js";
import { damaged } from "../errors.js";
import type { FrameEntry } from "../format/data-kinds.js";
import type { DataObject } from "../format/data-object.js";
import { type KeyVersion, parseKeyLine, parseLine, type Version } from "../format/lines.js";
import { codeOfKey, isLater } from "../format/merge.js";
import type { OrderCode } from "../key-order.js";
import type { BasePart } from "../repository/bases/base.js";
import type { FoldedManifest, FoldedPart, FoldedRecords } from "../repository/log/folded.js";
import type { Segment } from "../repository/log/log.js";
import { textOfJson } from "../server-text.js";
import type { Findings } from "./findings.js";
import { framesOf, timesOf } from "./frames.js";
import { KeysCheck, type Reading } from "./key-frames.js";

/** Checks a segment, as far as it can be read. What is wrong with its keys alone is added to `findings`. */
export async function checkSegment(
  segment: Segment,
  sealing: Reading,
  findings: Findings,
): Promise<void> {
  const keys = new KeysCheck(segment, sealing);
  const lastSequences = new Map<string, number>();
  const check = (frames: readonly FrameEntry[]) =>
    checkSegmentFrames(segment, frames, lastSequences, keys);
  await check(keys.readableFrames);
  await keys.finish(check, findings);
}

/** @param lastSequences by table: that of the last version that was checked */
async function checkSegmentFrames(
  segment: Segment,
  frames: readonly FrameEntry[],
  lastSequences: Map<string, number>,
  keys: KeysCheck,
): Promise<void> {
  const { name } = segment;
  const { from, to } = segment.index.footer;
  for await (const { entry, versions } of framesOf(segment, parseLine, frames)) {
    const { table } = entry;
    if (table === undefined) throw damaged(name, "one of its frames belongs to no table");
    let last = lastSequences.get(table) ?? 0;
    for (const version of versions) {
      const { time, sequence, table: named } = version;
      if (named !== table && !entry.keys) {
        throw damaged(name, `a line of ${named} stands in a frame of ${table}`);
      }
      if (time < from || time > to) {
        throw damaged(name, `a version's time, ${time}, lies outside its tick`);
      }
      if (sequence <= last) throw damaged(name, `the version ${sequence} is out of order`);
      last = sequence;
      keys.add(table, version);
    }
    lastSequences.set(table, last);
  }
}

/** Checks the order of a sorted object: by key; versions of one key, where several are allowed, by capture. */
class SortedOrder {
  private last: { code: OrderCode; time: number; sequence: number } | undefined;
  /** JSON texts of the least and the greatest key. */
  firstKey: string | undefined;
  lastKey = "";

  constructor(
    private readonly name: string,
    private readonly oneOfEach: boolean,
  ) {}

  add({ key, time, sequence }: { key: Buffer; time: number; sequence: number }): void {
    const { last, name } = this;
    const code = codeOfKey(key, name);
    const rises =
      !last ||
      code > last.code ||
      (!this.oneOfEach && code === last.code && isLater({ time, sequence }, last));
    if (!rises) throw damaged(name, `the key ${textOfJson(key)} is out of order`);
    this.last = { code, time, sequence };
    this.lastKey = textOfJson(key);
    this.firstKey ??= this.lastKey;
  }
}

/** Checks a part of a folded segment, as `checkSegment` does. */
export async function checkFoldedPart(
  object: DataObject,
  table: string,
  part: FoldedPart,
  manifest: Pick<FoldedManifest, "from" | "to">,
  sealing: Reading,
  findings: Findings,
): Promise<void> {
  const keys = new KeysCheck(object, sealing);
  const check = (frames: readonly FrameEntry[]) =>
    checkFoldedFrames(object, frames, table, part, manifest, keys);
  if (keys.readsDocuments) await check(keys.readableFrames);
  await keys.finish(check, findings);
}

async function checkFoldedFrames(
  object: DataObject,
  frames: readonly FrameEntry[],
  table: string,
  part: FoldedPart,
  { from, to }: Pick<FoldedManifest, "from" | "to">,
  keys: KeysCheck,
): Promise<void> {
  const { name } = object;
  const order = new SortedOrder(name, false);
  let rows = 0;
  let [min, max] = [Number.MAX_SAFE_INTEGER, 0];
  for await (const { versions } of framesOf(object, parseLine, frames)) {
    for (const version of versions) {
      order.add(version);
      keys.add(undefined, version);
      const { time, table: named } = version;
      if (named !== undefined && named !== table) {
        throw damaged(name, `it holds a line of ${named}`);
      }
      if (time < from || time > to) {
        throw damaged(
          name,
          `a version's time, ${time}, lies outside the time of its folded segment`,
        );
      }
    }
    const times = timesOf(versions);
    [min, max] = [Math.min(min, times.min), Math.max(max, times.max)];
    rows += versions.length;
  }
  const { firstKey, lastKey, minTime, maxTime } = part;
  const isSame =
    rows === part.rows &&
    order.firstKey === firstKey &&
    order.lastKey === lastKey &&
    min === minTime &&
    max === maxTime;
  if (!isSame) throw damaged(name, "it does not hold what its manifest says");
}

export async function checkFoldedRecords(
  object: DataObject,
  { rows }: FoldedRecords,
): Promise<void> {
  let found = 0;
  for await (const { versions } of framesOf(object, parseLine)) found += versions.length;
  if (found !== rows) throw damaged(object.name, "it does not hold what its manifest says");
}

/**
 * Checks a part of a base, and that its keys say the same. What is wrong with the keys is added to `findings`; what is
 * wrong with the part is thrown.
 */
export async function checkBasePart(
  object: DataObject,
  keysObject: DataObject | undefined,
  part: BasePart,
  findings: Findings,
): Promise<void> {
  const { name } = object;
  const order = new SortedOrder(name, true);
  const digest = new SetDigest();
  let documentBytes = 0;
  let keys = keysObject && new KeyLines(keysObject);
  for await (const { versions } of framesOf(object, parseLine)) {
    for (const version of versions) {
      order.add(version);
      if (version.document === null) throw damaged(name, "it holds a delete");
      const documentDigest = digestOf(version.document);
      digest.add(documentDigest);
      documentBytes += version.document.length;
      if (keys && !(await findings.during(() => keys!.expect(version, documentDigest)))) {
        keys = undefined;
      }
    }
  }
  const isSame =
    digest.count === part.rows &&
    digest.hex() === part.digest &&
    documentBytes === part.documentBytes &&
    order.firstKey === part.firstKey &&
    order.lastKey === part.lastKey;
  if (!isSame) throw damaged(name, "it does not hold what its manifest says");
  await findings.during(() => keys?.expectEnd());
}

/** Checks the keys of a base part by themselves, without the part. */
export async function checkBaseKeys(object: DataObject): Promise<void> {
  const order = new SortedOrder(object.name, true);
  for await (const { versions } of framesOf(object, parseKeyLine))
    versions.forEach((line) => order.add(line));
}

/** The lines of a base part's keys, one at a time. */
class KeyLines {
  private readonly frames: AsyncGenerator<{ versions: KeyVersion[] }>;
  private versions: KeyVersion[] = [];
  private at = 0;

  constructor(private readonly object: DataObject) {
    this.frames = framesOf(object, parseKeyLine);
  }

  /** Returns true if the next line is of this version; throws if it is not. */
  async expect({ key, time, sequence }: Version, digest: string): Promise<true> {
    const line = await this.next();
    const isSame =
      line?.key.equals(key) &&
      line.time === time &&
      line.sequence === sequence &&
      line.digest === digest;
    if (isSame) return true;
    throw damaged(this.object.name, `it differs from its part at key ${textOfJson(key)}`);
  }

  async expectEnd(): Promise<void> {
    if (await this.next())
      throw damaged(this.object.name, "it names more keys than its part holds");
  }

  private async next(): Promise<KeyVersion | undefined> {
    while (this.at >= this.versions.length) {
      const next = await this.frames.next();
      if (next.done) return undefined;
      this.versions = next.value.versions;
      this.at = 0;
    }
    return this.versions[this.at++];
  }
}
