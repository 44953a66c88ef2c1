/** Which parts a fold should keep and which rows the others should hold, worked out on plain arrays. */
import type { OrderCode } from "../../src/key-order.js";
import type { BaseManifest } from "../../src/repository/bases/base.js";
import { openPart, partCursor } from "../../src/repository/bases/base-reader.js";
import type { ObjectStore } from "../../src/storage/object-store.js";

export interface ModelRow {
  code: OrderCode;
  /** Bytes of its line. */
  bytes: number;
}

export interface ModelPart {
  /** Name of the part's object. */
  name: string;
  rows: ModelRow[];
  /** Bytes of the stored object. */
  stored: number;
}

/** The parts of a base as they are stored. */
export async function readParts(store: ObjectStore, base: BaseManifest): Promise<ModelPart[]> {
  const parts: ModelPart[] = [];
  for (const part of base.parts) {
    const rows: ModelRow[] = [];
    const cursor = partCursor(await openPart(store, part));
    while (await cursor.advance()) {
      const { key, time, sequence, document } = cursor.version;
      const around = `{"k":,"t":${time},"n":${sequence},"d":}\n`.length;
      rows.push({ code: cursor.code, bytes: around + key.length + document!.length });
    }
    parts.push({ name: part.name, rows, stored: (await store.size(part.name))! });
  }
  return parts;
}

export const bytesOf = (rows: ModelRow[]) => rows.reduce((sum, { bytes }) => sum + bytes, 0);

/** A part of the expected base: the name of one that is kept, or the keys of one that is written. */
export type Expected = { kept: string } | { keys: OrderCode[] };

/**
 * @param before the parts of the base before
 * @param after all rows of the new base
 * @param changed every key of which the log holds a version
 */
export function expectedParts(
  before: ModelPart[],
  after: ModelRow[],
  changed: OrderCode[],
  target: number,
): { parts: Expected[]; read: string[] } {
  const parts: Expected[] = [];
  const read: string[] = [];
  let open: ModelRow[] = [];
  const close = () => {
    if (open.length > 0) parts.push({ keys: open.map(({ code }) => code) });
    open = [];
  };
  const write = (rows: ModelRow[], half: number) => {
    let limit = half;
    for (const row of rows) {
      open.push(row);
      if (bytesOf(open) < limit) continue;
      close();
      limit = target;
    }
  };
  let canJoin = false;
  for (const [i, { name, rows }] of before.entries()) {
    const above = before[i - 1]?.rows.at(-1)?.code;
    const upTo = i === before.length - 1 ? undefined : rows.at(-1)!.code;
    const owns = (code: OrderCode) =>
      (above === undefined || code > above) && (upTo === undefined || code <= upTo);
    const isChanged = changed.some(owns);
    const isSmall = open.length > 0 && 4 * bytesOf(open) < target;
    if (isChanged || (canJoin && isSmall)) {
      const both = bytesOf(open) + bytesOf(rows);
      write(
        after.filter(({ code }) => owns(code)),
        both < target ? target : Math.min(both / 2, target),
      );
      read.push(name);
    } else {
      close();
      parts.push({ kept: name });
    }
    canJoin = isChanged;
  }
  if (before.length === 0) write(after, target);
  close();
  return { parts, read };
}
