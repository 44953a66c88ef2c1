/** Reads data objects to their ends: checks every line, their order, and what index and manifests say of them. */
import { digestOf, SetDigest } from "../digest.js";
import { damaged } from "../errors.js";
import type { FrameEntry } from "../format/data-kinds.js";
import type { DataObject } from "../format/data-object.js";
import {
  type KeyVersion,
  lineSpans,
  parseKeyLine,
  parseLine,
  type Version,
} from "../format/lines.js";
import { codeOfKey, isLater } from "../format/merge.js";
import type { OrderCode } from "../key-order.js";
import type { BasePart } from "../repository/bases/base.js";
import type { FoldedManifest, FoldedPart, FoldedRecords } from "../repository/log/folded.js";
import type { Segment } from "../repository/log/log.js";
import { textOfJson } from "../server-text.js";
import type { Findings } from "./findings.js";

/** Each frame with its versions, which are valid until the next frame is read. */
async function* framesOf<T extends { key: Buffer; time: number }>(
  object: DataObject,
  parse: (lines: Buffer, start: number, end: number, object: string) => T,
): AsyncGenerator<{ entry: FrameEntry; versions: T[] }> {
  const { name } = object;
  for (const entry of object.index.frames) {
    const lines = await object.readFrame(entry);
    const versions: T[] = [];
    for (const { start, end } of lineSpans(lines, name)) {
      checkJson(lines, start, end, name);
      versions.push(parse(lines, start, end, name));
    }
    checkLabel(entry, versions, name);
    yield { entry, versions };
  }
}

function checkJson(lines: Buffer, start: number, end: number, name: string): void {
  try {
    JSON.parse(lines.toString("utf8", start, end));
  } catch (error) {
    throw damaged(name, `line at byte ${start} is not JSON`, error);
  }
}

/** Checks what the index says of a frame: readers skip frames by that. */
function checkLabel(
  entry: FrameEntry,
  versions: { key: Buffer; time: number }[],
  name: string,
): void {
  const at = `the frame at byte ${entry.offset}`;
  if (versions.length !== entry.rows) {
    throw damaged(name, `${at} holds ${versions.length} lines instead of ${entry.rows}`);
  }
  if (entry.firstKey !== undefined && !beginsWith(versions, entry.firstKey)) {
    throw damaged(name, `${at} does not begin with the key that its index says`);
  }
  const { minTime, maxTime } = entry;
  if (minTime === undefined && maxTime === undefined) return;
  const times = timesOf(versions);
  if (times.min !== minTime || times.max !== maxTime) {
    throw damaged(name, `${at} does not have the times that its index says`);
  }
}

function beginsWith([first]: { key: Buffer }[], key: string): boolean {
  return first !== undefined && textOfJson(first.key) === key;
}

function timesOf(versions: { time: number }[]): { min: number; max: number } {
  let [min, max] = [Number.MAX_SAFE_INTEGER, 0];
  for (const { time } of versions) {
    if (time < min) min = time;
    if (time > max) max = time;
  }
  return { min, max };
}

export async function checkSegment(segment: Segment): Promise<void> {
  const { name } = segment;
  const { from, to } = segment.index.footer;
  const lastSequences = new Map<string, number>();
  for await (const { entry, versions } of framesOf(segment, parseLine)) {
    const { table } = entry;
    if (table === undefined) throw damaged(name, "one of its frames belongs to no table");
    let last = lastSequences.get(table) ?? 0;
    for (const { time, sequence, table: named } of versions) {
      if (named !== table) {
        throw damaged(name, `a line of ${named} stands in a frame of ${table}`);
      }
      if (time < from || time > to) {
        throw damaged(name, `a version's time, ${time}, lies outside its tick`);
      }
      if (sequence <= last) throw damaged(name, `the version ${sequence} is out of order`);
      last = sequence;
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

export async function checkFoldedPart(
  object: DataObject,
  table: string,
  part: FoldedPart,
  { from, to }: Pick<FoldedManifest, "from" | "to">,
): Promise<void> {
  const { name } = object;
  const order = new SortedOrder(name, false);
  let rows = 0;
  let [min, max] = [Number.MAX_SAFE_INTEGER, 0];
  for await (const { versions } of framesOf(object, parseLine)) {
    for (const version of versions) {
      order.add(version);
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
