/**
 * The file of a plan, kept in the repository: so that whoever carries it out, on whatever machine, does exactly what
 * was approved. It holds documents: in a sealed repository only readers open it.
 */
import { createReadStream } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { DataObject } from "../format/data-object.js";
import { recoveryPlanPartName } from "../format/names.js";
import { DataObjectWriter, frameBytesTarget } from "../format/object-writer.js";
import type { ObjectStore } from "../storage/object-store.js";
import type { StoredPlan } from "./events.js";

/** A part is closed at so many bytes of compressed frames. */
const partBytesTarget = 8 * 1024 * 1024;

/**
 * Stores the file in parts.
 * @param number of the event by which the plan was begun: it tells apart the plans of two workers
 */
export async function storePlan(
  store: ObjectStore,
  { id, number }: { id: string; number: number },
  path: string,
): Promise<StoredPlan["parts"]> {
  const writer = new DataObjectWriter("plan");
  const parts: StoredPlan["parts"] = [];
  const put = async () => {
    const { bytes, checksum } = writer.finish({});
    const name = recoveryPlanPartName(id, number, parts.length);
    await store.put(name, bytes);
    parts.push({ name, checksum });
  };
  for await (const { lines, rows } of frames(path)) {
    writer.addFrame(lines, rows);
    if (writer.byteLength >= partBytesTarget) await put();
  }
  if (writer.byteLength > 0) await put();
  return parts;
}

/** Whole lines of the file, about as many as fill a frame. */
async function* frames(path: string): AsyncGenerator<{ lines: Buffer; rows: number }> {
  let some: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of createReadStream(path) as AsyncIterable<Buffer>) {
    const end = chunk.lastIndexOf(newline) + 1;
    if (bytes + end < frameBytesTarget || end === 0) {
      some.push(chunk);
      bytes += chunk.length;
      continue;
    }
    yield frameOf([...some, chunk.subarray(0, end)]);
    some = [chunk.subarray(end)];
    bytes = chunk.length - end;
  }
  if (bytes > 0) yield frameOf(some);
}

const newline = 0x0a;

function frameOf(some: readonly Buffer[]): { lines: Buffer; rows: number } {
  const lines = Buffer.concat(some);
  let rows = 0;
  for (let at = lines.indexOf(newline); at !== -1; at = lines.indexOf(newline, at + 1)) rows += 1;
  return { lines, rows };
}

/** Writes the file that was stored in these parts. It holds documents, so only its owner may read it. */
export async function fetchPlan(
  store: ObjectStore,
  parts: StoredPlan["parts"],
  path: string,
): Promise<void> {
  const file = await open(path, "wx", 0o600);
  try {
    for (const part of parts) await fetchPart(store, part, file);
  } finally {
    await file.close();
  }
}

async function fetchPart(
  store: ObjectStore,
  { name, checksum }: StoredPlan["parts"][number],
  file: FileHandle,
): Promise<void> {
  const object = await DataObject.open(store, name, "plan", checksum);
  for await (const lines of object.readFrames(object.index.frames)) await file.writeFile(lines);
}
