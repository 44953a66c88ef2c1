import { damaged } from "../../errors.js";
import { DataObject } from "../../format/data-object.js";
import type { Version } from "../../format/lines.js";
import {
  codeOfText,
  FilteredCursor,
  SortedCursor,
  type SortedFrame,
  type VersionCursor,
} from "../../format/merge.js";
import { type KeyFilter, theseKeys, wantedFrames } from "../../key-filter.js";
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

/** A cursor over the documents of a base, in key order: of all, or of those whose keys are wanted. */
export function baseCursor(
  store: ObjectStore,
  base: BaseManifest,
  filter?: KeyFilter,
): VersionCursor {
  const cursor = new SortedCursor(baseFrames(store, base, filter));
  return filter ? new FilteredCursor(cursor, filter) : cursor;
}

async function* baseFrames(
  store: ObjectStore,
  { table, parts }: BaseManifest,
  filter: KeyFilter | undefined,
): AsyncGenerator<SortedFrame> {
  const codeOf = (key: string) => codeOfText(key, `bases/${table}`);
  const wanted = filter
    ? parts.filter(({ firstKey, lastKey }) => filter.meets(codeOf(firstKey), codeOf(lastKey)))
    : parts;
  const opening = severalAtOnce(wanted, partsAtOnce, async (part) => {
    return { opened: await openPart(store, part), part };
  });
  for await (const { opened, part } of opening) yield* partFrames(opened, part.lastKey, filter);
}

async function* partFrames(
  { object }: OpenedPart,
  lastKey = "",
  filter?: KeyFilter,
): AsyncGenerator<SortedFrame> {
  const codeOf = (key: string) => codeOfText(key, object.name);
  const frames = wantedFrames(object.index.frames, lastKey, filter, codeOf);
  for await (const lines of object.readFrames(frames)) yield { lines, object: object.name };
}

/** The version of one key in a base; undefined if the base has none. Reads only what can hold it. */
export async function findInBase(
  store: ObjectStore,
  base: BaseManifest,
  code: OrderCode,
): Promise<Version | undefined> {
  const cursor = baseCursor(store, base, theseKeys([code]));
  return (await cursor.advance()) ? cursor.version : undefined;
}
