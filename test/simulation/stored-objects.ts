/** Everything in the repository is opened and read: chain, bases, data objects. */
import { digestOf, SetDigest, sha256 } from "../../src/digest.js";
import type { Kind } from "../../src/format/data-kinds.js";
import { DataObject } from "../../src/format/data-object.js";
import { lineSpans, parseKeyLine, parseLine } from "../../src/format/lines.js";
import {
  bundlePrefix,
  operationsPrefix,
  parseManifestName,
  recoveriesPrefix,
} from "../../src/format/names.js";
import type { ObjectReference } from "../../src/format/segment.js";
import type { Span } from "../../src/json-bytes.js";
import { readManifest } from "../../src/repository/bases/base.js";
import { openSegment } from "../../src/repository/log/log.js";
import { LogView } from "../../src/repository/log/log-view.js";
import { textOfJson } from "../../src/server-text.js";
import type { ObjectStore } from "../../src/storage/object-store.js";
import { verify } from "../../src/verify/verify.js";
import { readBases } from "../repository/looks.js";

/** Throws at the first object that is not whole, or not in its place; and unless verify says the same. */
export async function verifyRepository(store: ObjectStore): Promise<void> {
  await readWholeChain(store);
  const inventory = await readBases(store);
  for (const { error } of inventory.damaged) throw error;
  for await (const { name } of store.list("")) {
    if (parseManifestName(name)) await verifyBase(store, name);
    else if (name.endsWith(".zst")) await readObject(store, name);
  }
  const { damage, breaks } = (await verify(store, { share: 1, random: () => 0 })).report;
  if (damage.length > 0) throw new Error(`verify finds damage: ${JSON.stringify(damage)}`);
  if (breaks.length > 0) throw new Error(`broken version chain: ${JSON.stringify(breaks)}`);
}

async function readWholeChain(store: ObjectStore): Promise<void> {
  const view = await LogView.read(store);
  for await (const piece of view.chain(view.expiry?.logTo ?? -1, Number.MAX_SAFE_INTEGER)) {
    if ("manifest" in piece) continue;
    for (const frame of piece.index.frames) await piece.readFrame(frame);
  }
}

async function readObject(store: ObjectStore, name: string): Promise<void> {
  if (name.startsWith("log/")) {
    await openSegment(store, name);
    return;
  }
  const kind = kindOf(name);
  const object = await DataObject.open(store, name, kind);
  for (const frame of object.index.frames) await object.readFrame(frame);
}

function kindOf(name: string): Kind {
  if (name.startsWith(bundlePrefix)) return "bundle";
  if (name.startsWith("folded/")) {
    return /\/(catalog|coverage)-\d+\.zst$/.test(name) ? "foldedRecords" : "foldedPart";
  }
  if (name.startsWith(operationsPrefix)) return "operation";
  if (name.startsWith(recoveriesPrefix)) return "plan";
  return name.endsWith(".keys.zst") ? "baseKeys" : "basePart";
}

/** Every part holds what the manifest says of it, and its keys are those of its documents. */
async function verifyBase(store: ObjectStore, name: string): Promise<void> {
  const { parts } = await readManifest(store, name);
  for (const part of parts) {
    const documents = await linesOf(store, part, "basePart", (lines, { start, end }) => {
      const { key, time, sequence, document } = parseLine(lines, start, end, part.name);
      return [textOfJson(key), time, sequence, digestOf(document!)];
    });
    const keys = await linesOf(store, part.keys, "baseKeys", (lines, { start, end }) => {
      const { key, time, sequence, digest } = parseKeyLine(lines, start, end, part.keys.name);
      return [textOfJson(key), time, sequence, digest];
    });
    const digest = new SetDigest();
    for (const [, , , of] of documents) digest.add(of);
    const whole =
      digest.hex() === part.digest &&
      digest.count === part.rows &&
      documents.at(0)?.[0] === part.firstKey &&
      documents.at(-1)?.[0] === part.lastKey;
    if (!whole) throw new Error(`${part.name} does not hold the documents that ${name} says`);
    if (JSON.stringify(keys) !== JSON.stringify(documents))
      throw new Error(`${part.keys.name} does not hold the keys of ${part.name}`);
  }
}

type Line = [key: string, time: number, sequence: number, digest: string];

async function linesOf(
  store: ObjectStore,
  { name, checksum }: ObjectReference,
  kind: Kind,
  parse: (lines: Buffer, span: Span) => Line,
): Promise<Line[]> {
  const object = await DataObject.open(store, name, kind, checksum);
  const all: Line[] = [];
  for (const frame of object.index.frames) {
    const lines = await object.readFrame(frame);
    for (const span of lineSpans(lines, name)) all.push(parse(lines, span));
  }
  return all;
}

/** One checksum over all names and bytes of a store. */
export async function hashOf(store: ObjectStore): Promise<string> {
  const parts: Buffer[] = [];
  for await (const { name } of store.list("")) parts.push(Buffer.from(name), await store.get(name));
  return sha256(...parts);
}
