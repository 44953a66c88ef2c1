/** Keys and digests of a sealed repository, by which a writer goes on: they must be those of the versions beside them. */
import { beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import type { Kind } from "../../src/format/data-kinds.js";
import { DataObject } from "../../src/format/data-object.js";
import { encodeStored } from "../../src/format/json-object.js";
import { parseFoldedName } from "../../src/format/names.js";
import { DataObjectWriter } from "../../src/format/object-writer.js";
import { foldedKind, readFoldedManifest } from "../../src/repository/log/folded.js";
import { MemoryStore } from "../../src/storage/memory-store.js";
import type { ObjectStore } from "../../src/storage/object-store.js";
import { verify } from "../../src/verify/verify.js";
import { foldLog } from "../repository/looks.js";
import { copyOf, namesIn, restoredAt } from "../repository/recording.js";
import {
  makeSealedHistory,
  type SealedHistory,
  sealedId,
  sealedTable,
} from "../sealing/sealed-history.js";

/** Which calls of `digestOf` lie, counted from 1. */
const lies = vi.hoisted(() => ({ calls: 0, at: 0 }));
vi.mock("../../src/digest.js", async (original) => {
  const real = await original<typeof import("../../src/digest.js")>();
  const digestOf = (document: Uint8Array) => {
    lies.calls += 1;
    return lies.calls === lies.at ? "0123456789ab5def" : real.digestOf(document);
  };
  return { ...real, digestOf };
});

let world: SealedHistory;
/** The log as one folded segment, without the segments. */
let folded: MemoryStore;

beforeAll(async () => {
  world = await makeSealedHistory(1);
  const copy = await copyOf(world.stored);
  await foldAll(copy);
  folded = await withoutLog(copy);
});

beforeEach(() => {
  lies.at = 0;
});

function foldAll(below: ObjectStore) {
  const description = { id: sealedId, created: 0, sealed: true };
  const now = world.last + 86_400_000;
  return foldLog(
    { store: world.opened(below), description },
    {
      now,
      publishedAt: () => now,
      settleMs: 0,
      unique: "f2",
      partial: true,
      resolutionOf: () => 1,
      spanMaxMs: () => 86_400_000,
      pinned: [],
    },
  );
}

const inspect = async (store: ObjectStore) =>
  (await verify(store, { share: 1, random: () => 0 })).report;

const segmentOf = async (below: ObjectStore) => (await namesIn(below, "log/")).at(-1)!;
const partOf = async (below: ObjectStore) =>
  (await namesIn(below, "folded/")).find((name) => name.includes(`/${sealedTable}-`))!;

/** The stored bytes of an object with other lines in its frames of keys; no frame where there are no lines. */
async function withKeys(
  below: ObjectStore,
  name: string,
  alter: (lines: string[]) => string[],
): Promise<{ bytes: Buffer; checksum: string }> {
  const kind: Kind = name.startsWith("log/") ? "segment" : "foldedPart";
  const object = await DataObject.open(world.opened(below), name, kind);
  const writer = new DataObjectWriter(kind);
  for (const entry of [...object.index.frames, ...object.keyFrames]) {
    const { offset: _, length: __, size: ___, checksum: ____, rows: _____, ...label } = entry;
    let lines = (await object.readFrame(entry)).toString().split("\n").slice(0, -1);
    if (entry.keys) lines = alter(lines);
    if (lines.length > 0)
      writer.addFrame(Buffer.from(`${lines.join("\n")}\n`), lines.length, label);
  }
  return writer.finish(object.index.footer);
}

/** A copy with other keys in the last segment. */
async function withKeysOfSegment(alter: (lines: string[]) => string[]): Promise<MemoryStore> {
  const name = await segmentOf(world.stored);
  const { bytes } = await withKeys(world.stored, name, alter);
  const copy = await copyOf(world.stored, { [name]: undefined });
  await world.opened(copy).put(name, bytes);
  return copy;
}

/** A copy with other keys in a part of the folded segment, whose manifest is made to fit. */
async function withKeysOfPart(alter: (lines: string[]) => string[]): Promise<MemoryStore> {
  const name = await partOf(folded);
  const { bytes, checksum } = await withKeys(folded, name, alter);
  const parsed = parseFoldedName((await namesIn(folded, "folded/")).find(parseFoldedName)!)!;
  const manifest = await readFoldedManifest(world.opened(folded), parsed);
  const copy = await copyOf(folded, { [name]: undefined, [parsed.name]: undefined });
  const store = world.opened(copy);
  await store.put(name, bytes);
  const stored = (await copy.get(name)).length;
  const tables = manifest.tables.map(({ table, parts }) => ({
    table,
    parts: parts.map((part) => (part.name === name ? { ...part, checksum, bytes: stored } : part)),
  }));
  const { checksum: _, ...fields } = manifest as typeof manifest & { checksum: string };
  await store.put(parsed.name, encodeStored(foldedKind, { ...fields, tables }));
  return copy;
}

const first = (alter: (line: string) => string) => (lines: string[]) =>
  lines.map((line, i) => (i === 0 ? alter(line) : line));

/** How keys can be wrong; and true for those which a writer notices, who cannot compare. */
const ways: [string, (lines: string[]) => string[], boolean][] = [
  [
    "another digest",
    first((line) => line.replace(/"d":"(.)/, '"d":"0$1').replace(/.("}$)/, "$1")),
    false,
  ],
  ["a delete for a document", first((line) => line.replace(/"d":.*/, '"d":null}')), false],
  ["no digest", first((line) => line.replace(/"d":.*/, '"d":{"id":1}}')), true],
  ["a version that is not there", (lines) => [...lines, lines.at(-1)!], true],
  ["a version less", (lines) => lines.slice(0, -1), true],
];

describe.each([
  ["a segment", withKeysOfSegment, () => world.stored, segmentOf],
  ["a part of a folded segment", withKeysOfPart, () => folded, partOf],
] as const)("%s", (_, altered, whole, nameIn) => {
  test("with the keys of its versions is sound for readers, and for writers", async () => {
    const reader = await inspect(world.opened(whole()));
    const writer = await inspect(world.opened(whole(), world.writer));
    expect([reader.damage, writer.damage]).toEqual([[], []]);
    expect([reader.readsDocuments, writer.readsDocuments]).toEqual([true, false]);
    expect([reader.chainsFollowed, writer.chainsFollowed]).toEqual([true, false]);
    expect(writer.read.objects).toBeGreaterThan(3);
  });

  test.each(ways)(
    "with %s among its keys is named, and nothing is lost",
    async (__, alter, forWriters) => {
      const copy = await altered(alter);
      const name = await nameIn(copy);
      const { damage, lost } = await inspect(world.opened(copy));
      expect(damage).toMatchObject([{ object: name, isOfKeys: true, costs: [] }]);
      expect(damage[0]!.refuses).toContain("until a fold has made its keys anew");
      expect(lost).toEqual([]);
      const documents = await restoredAt(world.opened(copy), sealedTable, world.last);
      expect(documents).toEqual(world.history.at(sealedTable, world.last));
      const { damage: byWriter } = await inspect(world.opened(copy, world.writer));
      expect(byWriter.map(({ object }) => object)).toEqual(forWriters ? [name] : []);
    },
  );
});

test("keys that are wrong do not hide that their segment is another one than the log names", async () => {
  const names = await namesIn(world.stored, "log/");
  const name = names.at(-2)!;
  const { bytes } = await withKeys(world.stored, name, (lines) => lines.slice(1));
  const copy = await copyOf(world.stored, { [name]: undefined });
  await world.opened(copy).put(name, bytes);
  const { damage } = await inspect(world.opened(copy));
  expect(damage).toMatchObject([{ object: name, isOfKeys: false }]);
  expect(damage[0]!.what).toContain("it is not the object that");
});

test("a fold makes the keys anew, and publishes nothing whose keys are wrong when it is read back", async () => {
  const wrong = await withKeysOfSegment((lines) => lines.slice(1));
  await foldAll(wrong);
  const { damage } = await inspect(world.opened(await withoutLog(wrong)));
  expect(damage).toEqual([]);
  const copy = await copyOf(world.stored);
  lies.calls = 0;
  // The first digest is that of the first key of the table.
  lies.at = 1;
  await expect(foldAll(copy)).rejects.toThrow(/the keys of .* differ from its versions/);
  expect((await namesIn(copy, "folded/")).filter(parseFoldedName)).toEqual([]);
});

/** Without the segments that a folded one stands for. */
async function withoutLog(below: ObjectStore): Promise<MemoryStore> {
  const names = await namesIn(below, "log/");
  return copyOf(below, Object.fromEntries(names.map((name) => [name, undefined])));
}
