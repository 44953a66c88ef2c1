/** Everything in the repository is opened and read: chain, bases, data objects. */
import { digestOf, SetDigest, sha256 } from "../../src/digest.js";
import { readBases, readManifest } from "../../src/repository/base.js";
import { DataObject, type Kind } from "../../src/repository/data-object.js";
import { parseLines } from "../../src/repository/lines.js";
import { openSegment } from "../../src/repository/log.js";
import { LogView } from "../../src/repository/log-view.js";
import { parseManifestName } from "../../src/repository/names.js";
import type { ObjectStore } from "../../src/storage/object-store.js";
import { verify } from "../../src/verify/verify.js";

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
  for await (const piece of view.chain(-1, Number.MAX_SAFE_INTEGER)) {
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
  if (name.startsWith("folded/")) {
    return /\/(catalog|coverage)-\d+\.zst$/.test(name) ? "foldedRecords" : "foldedPart";
  }
  return name.endsWith(".keys.zst") ? "baseKeys" : "basePart";
}

async function verifyBase(store: ObjectStore, name: string): Promise<void> {
  const manifest = await readManifest(store, name);
  const digest = new SetDigest();
  for (const part of manifest.parts) {
    await DataObject.open(store, part.keys.name, "baseKeys", part.keys.checksum);
    const object = await DataObject.open(store, part.name, "basePart", part.checksum);
    for (const frame of object.index.frames) {
      for (const { document } of parseLines(await object.readFrame(frame), part.name)) {
        if (document) digest.add(digestOf(document));
      }
    }
  }
  if (digest.hex() !== manifest.digest || digest.count !== manifest.rows)
    throw new Error(`${name} does not hold the documents that it says`);
}

/** One checksum over all names and bytes of a store. */
export async function hashOf(store: ObjectStore): Promise<string> {
  const parts: Buffer[] = [];
  for await (const { name } of store.list("")) parts.push(Buffer.from(name), await store.get(name));
  return sha256(...parts);
}
