import { damaged } from "../../errors.js";
import { DataObject } from "../../format/data-object.js";
import { parseLines, type Version } from "../../format/lines.js";
import { codeOfKey, codeOfText, SortedCursor, type SortedFrame } from "../../format/merge.js";
import type { OrderCode } from "../../key-order.js";
import { partsAtOnce, severalAtOnce } from "../../several-at-once.js";
import type { ObjectStore } from "../../storage/object-store.js";
import type { BaseManifest, BasePart } from "./base.js";

/** A part of a base, opened for reading. */
export interface OpenedPart {
  object: DataObject;
  /** Bytes of its lines, before compression. */
  lineBytes: number;
}

/** Opens a part. Throws, naming it, if it is not the object that the manifest describes. */
export async function openPart(store: ObjectStore, part: BasePart): Promise<OpenedPart> {
  const object = await DataObject.open(store, part.name, "basePart", part.checksum);
  const { frames } = object.index;
  const rows = frames.reduce((sum, frame) => sum + frame.rows, 0);
  if (rows !== part.rows || frames[0]?.firstKey !== part.firstKey) {
    throw damaged(part.name, "it does not hold the rows that its manifest says");
  }
  return { object, lineBytes: frames.reduce((sum, frame) => sum + frame.size, 0) };
}

/** A cursor over the documents of a part, in key order. */
export function partCursor(part: OpenedPart): SortedCursor {
  return new SortedCursor(partFrames(part));
}

/** A cursor over all documents of a base, in key order. */
export function baseCursor(store: ObjectStore, base: BaseManifest): SortedCursor {
  return new SortedCursor(baseFrames(store, base.parts));
}

async function* baseFrames(store: ObjectStore, parts: BasePart[]): AsyncGenerator<SortedFrame> {
  const opening = severalAtOnce(parts, partsAtOnce, (part) => openPart(store, part));
  for await (const part of opening) yield* partFrames(part);
}

async function* partFrames({ object }: OpenedPart): AsyncGenerator<SortedFrame> {
  for await (const lines of object.readFrames(object.index.frames)) {
    yield { lines, object: object.name };
  }
}

/** The version of one key in a base; undefined if the base has none. Reads one frame. */
export async function findInBase(
  store: ObjectStore,
  base: BaseManifest,
  code: OrderCode,
): Promise<Version | undefined> {
  const codeOf = (key: string) => codeOfText(key, `bases/${base.table}`);
  const part = base.parts.find(
    (one) => codeOf(one.firstKey) <= code && code <= codeOf(one.lastKey),
  );
  if (!part) return undefined;
  const { object } = await openPart(store, part);
  const entry = object.index.frames.filter((frame) => codeOf(frame.firstKey ?? "") <= code).at(-1);
  if (!entry) return undefined;
  for (const version of parseLines(await object.readFrame(entry), part.name)) {
    if (codeOfKey(version.key, part.name) === code) return version;
  }
  return undefined;
}
