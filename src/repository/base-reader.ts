import type { OrderCode } from "../key-order.js";
import type { ObjectStore } from "../storage/object-store.js";
import type { BaseManifest, BasePart } from "./base.js";
import { DataObject } from "./data-object.js";
import { parseLines, type Version } from "./lines.js";
import { codeOfKey, SortedCursor, type SortedFrame } from "./merge.js";

/** A cursor over all documents of a base, in key order. */
export function baseCursor(store: ObjectStore, base: BaseManifest): SortedCursor {
  return new SortedCursor(baseFrames(store, base.parts));
}

async function* baseFrames(store: ObjectStore, parts: BasePart[]): AsyncGenerator<SortedFrame> {
  for (const { name, checksum } of parts) {
    const object = await DataObject.open(store, name, "basePart", checksum);
    for (const entry of object.index.frames)
      yield { lines: await object.readFrame(entry), object: name };
  }
}

/** The version of one key in a base; undefined if it has none. Reads one frame. */
export async function findInBase(
  store: ObjectStore,
  base: BaseManifest,
  code: OrderCode,
): Promise<Version | undefined> {
  const codeOf = (key: string) => codeOfKey(Buffer.from(key), `bases/${base.table}`);
  const part = base.parts.find(
    (one) => codeOf(one.firstKey) <= code && code <= codeOf(one.lastKey),
  );
  if (!part) return undefined;
  const object = await DataObject.open(store, part.name, "basePart", part.checksum);
  const entry = object.index.frames.filter((frame) => codeOf(frame.firstKey ?? "") <= code).at(-1);
  if (!entry) return undefined;
  for (const version of parseLines(await object.readFrame(entry), part.name)) {
    if (codeOfKey(version.key, part.name) === code) return version;
  }
  return undefined;
}
