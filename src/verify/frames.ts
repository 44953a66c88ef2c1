/** Reads the frames of data objects: checks every line, and what the index says of the frame. */
import { damaged } from "../errors.js";
import type { FrameEntry } from "../format/data-kinds.js";
import type { DataObject } from "../format/data-object.js";
import { lineSpans } from "../format/lines.js";
import { textOfJson } from "../server-text.js";

/** Frames, each with its lines and their versions, which are valid until the next frame is read. */
export async function* framesOf<T extends { key: Buffer; time: number }>(
  object: DataObject,
  parse: (lines: Buffer, start: number, end: number, object: string) => T,
  frames: readonly FrameEntry[] = object.index.frames,
): AsyncGenerator<{ entry: FrameEntry; lines: Buffer; versions: T[] }> {
  const { name } = object;
  for (const entry of frames) {
    const lines = await object.readFrame(entry);
    const versions: T[] = [];
    for (const { start, end } of lineSpans(lines, name)) {
      checkJson(lines, start, end, name);
      versions.push(parse(lines, start, end, name));
    }
    checkLabel(entry, versions, name);
    yield { entry, lines, versions };
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

export function timesOf(versions: { time: number }[]): { min: number; max: number } {
  let [min, max] = [Number.MAX_SAFE_INTEGER, 0];
  for (const { time } of versions) {
    if (time < min) min = time;
    if (time > max) max = time;
  }
  return { min, max };
}
