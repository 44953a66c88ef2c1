import { generateX25519Identity } from "age-encryption";
import fc from "fast-check";
import { beforeAll, describe, expect, test } from "vitest";
import { isDamage } from "../../src/errors.js";
import { DataObject } from "../../src/format/data-object.js";
import { DataObjectWriter } from "../../src/format/object-writer.js";
import { type Identity, identityOf } from "../../src/sealing/identity.js";
import { type Key, type KeySet, makeKeySet } from "../../src/sealing/key-set.js";
import { sealedWith } from "../../src/sealing/keyring.js";
import type { SealedStore } from "../../src/sealing/sealed-store.js";
import { MemoryStore } from "../../src/storage/memory-store.js";
import { failureOf, type ObjectStore } from "../../src/storage/object-store.js";
import { StoreBelow } from "../../src/storage/part-store.js";
import { whyNotLong } from "../long.js";
import { storeConformance } from "../storage/conformance.js";

const repository = "6c8b0000-0000-4000-8000-000000000000";
let reader: Identity;
let writer: Identity;
let stranger: Identity;
let keys: Key[];
let set: KeySet;
beforeAll(async () => {
  [reader, writer, stranger] = (await Promise.all(
    [1, 2, 3].map(async () => identityOf(await generateX25519Identity())),
  )) as [Identity, Identity, Identity];
  keys = [
    { name: "reader", role: "reader", offline: false, ...reader.public },
    { name: "writer", role: "writer", offline: false, ...writer.public },
  ];
  set = makeKeySet({ repository, number: 1, at: 1, keys, former: [] }, [reader]);
});

function sealed(below: ObjectStore, identity = reader, of = repository): SealedStore {
  return sealedWith(below, { ...set, repository: of }, [identity]);
}

storeConformance("a sealed store", async () => {
  const below = new MemoryStore();
  return { first: sealed(below), second: sealed(below), remove: async () => undefined };
});

storeConformance("a part of a sealed store", async () => {
  const below = new MemoryStore();
  return {
    first: new StoreBelow(sealed(below), "lanes/1/"),
    second: new StoreBelow(sealed(below), "lanes/1/"),
    prefix: "lanes/1/",
    remove: async () => undefined,
  };
});

const documents = ["alpha", "beta"].map(
  (text) => `{"k":"${text}","t":1,"n":1,"d":{"id":"${text}"}}\n`,
);
const keyLines = '{"k":"alpha","t":1,"n":1,"d":"0123456789abcdef"}\n';
const records = '{"k":["x"],"t":1,"n":2,"u":"coverage","p":null,"d":{"y":1}}\n';

/** A segment with two frames of documents, one of keys and one of records. */
function segment(): Buffer {
  const object = new DataObjectWriter("segment");
  for (const line of documents) object.addFrame(Buffer.from(line), 1, { table: "11-22" });
  object.addFrame(Buffer.from(records), 1, { table: "coverage" });
  object.addFrame(Buffer.from(keyLines), 1, { table: "11-22", keys: true });
  return object.finish(footer).bytes;
}

const footer = {
  repository,
  epoch: 1,
  sequence: 1,
  from: 1,
  to: 2,
  previous: null,
  frontier: 2,
  lagging: {},
  proofBoundMs: 2000,
  serverClock: null,
  clockAheadMs: 0,
  closed: false,
  links: { catalog: null, coverage: null, checkpoint: null },
  totals: {},
  checkpoint: true,
};
const name = "log/00000001/000000000000001-000000000000002-0000000001.zst";

async function linesOf(store: ObjectStore, which: "index" | "keyFrames"): Promise<string[]> {
  const object = await DataObject.open(store, name, "segment");
  const frames = which === "index" ? object.index.frames : object.keyFrames;
  const lines: string[] = [];
  for await (const frame of object.readFrames(frames)) lines.push(frame.toString());
  return lines;
}

describe("a sealed segment", () => {
  let below: MemoryStore;
  beforeAll(async () => {
    below = new MemoryStore();
    await sealed(below, writer).put(name, segment());
  });

  test("is read whole, and in any range, by a reader", async () => {
    const plain = segment();
    expect((await sealed(below).get(name)).equals(plain)).toBe(true);
    expect(await linesOf(sealed(below), "index")).toEqual([...documents, records]);
    expect(await linesOf(sealed(below), "keyFrames")).toEqual([keyLines]);
    const place = fc.integer({ min: 0, max: plain.length + 3 });
    await fc.assert(
      fc.asyncProperty(place, place, async (a, b) => {
        const range = { start: Math.min(a, b), end: Math.max(a, b) };
        const read = await sealed(below).get(name, range);
        expect(read.equals(plain.subarray(range.start, range.end))).toBe(true);
      }),
    );
  });

  test("gives a writer its index, keys and records, and no document", async () => {
    const store = sealed(below, writer);
    expect(await linesOf(store, "keyFrames")).toEqual([keyLines]);
    const object = await DataObject.open(store, name, "segment");
    expect((await object.readFrame(object.index.frames[2]!)).toString()).toBe(records);
    for (const read of [object.readFrame(object.index.frames[0]!), store.get(name)]) {
      const error: unknown = await read.catch((caught: unknown) => caught);
      expect(failureOf(error)).toBe("forbidden");
      expect(error).toMatchObject({
        message: expect.stringContaining("holds documents") as string,
      });
    }
  });

  test("gives nobody else anything, and holds nothing in the clear", async () => {
    const error: unknown = await sealed(below, stranger)
      .tail(name, 100)
      .catch((e: unknown) => e);
    expect(failureOf(error)).toBe("forbidden");
    const stored = (await below.get(name)).toString("latin1");
    for (const text of ["alpha", "11-22", "coverage", repository, "frames"]) {
      expect(stored).not.toContain(text);
    }
  });

  test("is refused, and named, whatever byte of it is altered, and wherever it is cut", async () => {
    const stored = await below.get(name);
    const isRead = async (bytes: Buffer) => {
      const altered = new MemoryStore();
      await altered.put(name, bytes);
      const errors: unknown[] = [];
      for (const store of [sealed(altered), sealed(altered, writer)]) {
        for (const read of [() => store.get(name), () => linesOf(store, "keyFrames")]) {
          await read().then(
            () => undefined,
            (error: unknown) => errors.push(error),
          );
        }
      }
      return errors;
    };
    const step = whyNotLong === undefined ? 1 : 5;
    for (let at = 0; at < stored.length; at += step) {
      const altered = Buffer.from(stored);
      altered[at] = altered[at]! ^ 1;
      const errors = await isRead(altered);
      const damages = errors.filter((error) => isDamage(error));
      expect(damages.length, `byte ${at}`).toBeGreaterThan(0);
      for (const error of damages) expect(error).toMatchObject({ object: name });
    }
    for (const length of [0, 1, 183, 184, stored.length - 1]) {
      const errors = await isRead(stored.subarray(0, length));
      expect(errors.filter((error) => isDamage(error)).length, `${length} bytes`).toBe(4);
    }
  });

  test("is not believed under another name, in another repository, or without a key", async () => {
    const stored = await below.get(name);
    const other = name.replace("0000000001.zst", "0000000002.zst");
    const moved = new MemoryStore();
    await moved.put(other, stored);
    await moved.put(name, stored);
    await expect(sealed(moved).get(other)).rejects.toThrow(/signature is wrong/);
    await expect(new StoreBelow(sealed(moved), "log/").get(name.slice(4))).resolves.toBeDefined();
    const elsewhere = sealed(moved, reader, repository.replace("6", "7"));
    await expect(elsewhere.get(name)).rejects.toThrow(/signature is wrong/);
    // Everything that is public, and a key of one's own.
    const forger = new MemoryStore();
    const forgedKeys = [
      ...keys,
      { name: "x", role: "writer" as const, offline: false, ...stranger.public },
    ];
    const forging = sealedWith(forger, { ...set, keys: forgedKeys }, [stranger]);
    await forging.put(name, segment());
    await expect(sealed(forger).get(name)).rejects.toThrow(/signed by a key that is not trusted/);
    const plain = new MemoryStore();
    await plain.put(name, segment());
    await expect(sealed(plain).get(name)).rejects.toThrow(/not a sealed object/);
  });
});
