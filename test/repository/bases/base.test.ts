import fc from "fast-check";
import { beforeEach, describe, expect, test } from "vitest";
import { digestOf, SetDigest } from "../../../src/digest.js";
import { DataObject } from "../../../src/format/data-object.js";
import type { Repository } from "../../../src/format/description.js";
import { encodeJsonObject } from "../../../src/format/json-object.js";
import { parseKeyLine } from "../../../src/format/lines.js";
import { mergeLatest } from "../../../src/format/merge.js";
import { orderCode } from "../../../src/key-order.js";
import {
  type BaseManifest,
  type BasePart,
  newestBase as newestIn,
  readManifest,
} from "../../../src/repository/bases/base.js";
import { baseCursor, findInBase } from "../../../src/repository/bases/base-reader.js";
import { BaseWriter } from "../../../src/repository/bases/base-writer.js";
import { parseJson, textOfJson } from "../../../src/server-text.js";
import { MemoryStore } from "../../../src/storage/memory-store.js";
import { overriding } from "../../simulation/overriding.js";
import { newestBase, readBases } from "../looks.js";
import { copyOf, json, makeRepository, namesIn } from "../recording.js";
import { mixedKeys } from "../scenario.js";

const table = "0a000000-0000-4000-8000-000000000001";

let repository: Repository;
beforeEach(async () => {
  repository = await makeRepository();
});

const newWriter = (begun = 10, unique = "1", partBytesTarget?: number) =>
  new BaseWriter(repository, { table, primaryKey: "id", epoch: 1, begun, unique }, partBytesTarget);

type Row = [key: unknown, document: unknown];

async function write(rows: Row[], instant = 20): Promise<BaseManifest> {
  const writer = newWriter();
  for (const [i, [key, document]] of rows.entries()) writer.add(json(key), 5, i, json(document));
  return writer.finish(instant, 4);
}

async function read(base: BaseManifest): Promise<Row[]> {
  const rows: Row[] = [];
  for await (const batch of mergeLatest([baseCursor(repository.store, base)])) {
    for (const { version } of batch) {
      const document: unknown = parseJson(version.document!);
      rows.push([parseJson(version.key), document]);
    }
  }
  return rows;
}

const rowsOf = (keys: unknown[]): Row[] =>
  keys.map((key) => [key, { id: key, text: JSON.stringify(key) }]);

test("a base is not published if the signal aborts while its last part is stored", async () => {
  const stop = new AbortController();
  const put = async (name: string, bytes: Uint8Array) => {
    await repository.store.put(name, bytes);
    stop.abort(new Error("no longer wanted"));
  };
  const seen = { ...repository, store: overriding(repository.store, { put }) };
  const identity = { table, primaryKey: "id", epoch: 1, begun: 10, unique: "1" };
  const writer = new BaseWriter(seen, identity);
  writer.add(json(1), 5, 1, json({ id: 1 }));
  await expect(writer.finish(20, 4, stop.signal)).rejects.toThrow("no longer wanted");
  const names = await namesIn(repository.store, "bases/");
  expect(names.filter((name) => name.endsWith("manifest.json"))).toEqual([]);
  expect(names).toHaveLength(2);
});

describe("a base", () => {
  test("gives back its rows, and says how many and what", async () => {
    const rows = rowsOf(mixedKeys);
    const base = await write(rows);
    expect(await read(base)).toEqual(rows);
    const digest = new SetDigest();
    for (const [, document] of rows) digest.add(digestOf(json(document)));
    expect(base).toMatchObject({
      repository: repository.description.id,
      table,
      primaryKey: "id",
      instant: 20,
      logFrom: 4,
      rows: rows.length,
      digest: digest.hex(),
      documentBytes: rows.reduce((sum, [, document]) => sum + json(document).length, 0),
    });
    const name = (await namesIn(repository.store)).find((one) => one.endsWith("manifest.json"))!;
    expect(await readManifest(repository.store, name)).toMatchObject(base);
  });

  test("of an empty table has no parts", async () => {
    const base = await write([]);
    expect(base).toMatchObject({ rows: 0, parts: [], digest: "0000000000000000" });
    expect(await read(base)).toEqual([]);
    expect(await findInBase(repository.store, base, orderCode(json("a")))).toBeUndefined();
  });

  test("finds every key of any type, and none that is not there", async () => {
    // Every second key only, so that the others fall between, before and behind.
    const there = mixedKeys.filter((_, i) => i % 2 === 1);
    const base = await write(rowsOf(there));
    for (const key of mixedKeys) {
      const found = await findInBase(repository.store, base, orderCode(json(key)));
      expect(found?.key, JSON.stringify(key)).toEqual(there.includes(key) ? json(key) : undefined);
    }
  });

  test("of any sorted rows finds each, across the frames", async () => {
    const keys = fc.uniqueArray(
      fc.oneof(fc.string(), fc.integer(), fc.array(fc.integer(), { maxLength: 2 })),
      {
        selector: (key) => orderCode(json(key)),
        maxLength: 12,
      },
    );
    await fc.assert(
      fc.asyncProperty(keys, async (all) => {
        repository = await makeRepository();
        const sorted = all.toSorted((a, b) => (orderCode(json(a)) < orderCode(json(b)) ? -1 : 1));
        // 100 KB each: five to a frame.
        const base = await write(
          sorted.map((key) => [key, { id: key, fill: "x".repeat(100_000) }]),
        );
        for (const key of sorted) {
          const found = await findInBase(repository.store, base, orderCode(json(key)));
          expect(found?.key.toString()).toBe(JSON.stringify(key));
        }
      }),
      { numRuns: 20 },
    );
  });

  test("that is written from both ends is the same as from one", async () => {
    const sizes = fc.array(fc.integer({ min: 1, max: 9 }), { maxLength: 8 });
    await fc.assert(
      fc.asyncProperty(sizes, fc.nat(20), fc.nat(), async (blocks, frontRows, seed) => {
        repository = await makeRepository();
        const count = frontRows + blocks.reduce((sum, size) => sum + size, 0);
        // Some frames and parts hold many rows, some one.
        const length = (i: number) => ((seed + i * 7919) % 5 === 0 ? 600_000 : 10);
        const rows = Array.from({ length: count }, (_, i): Row => {
          const id = `k${String(i).padStart(4, "0")}`;
          return [id, { id, fill: String(i % 10).repeat(length(i)) }];
        });
        const both = newWriter(10, "1", 1_000_000);
        const front = rows.slice(0, frontRows);
        let end = count;
        for (let i = 0; i < Math.max(front.length, blocks.length); i += 1) {
          const row = front[i];
          if (row) both.add(json(row[0]), 5, 1, json(row[1]));
          const size = blocks[i] ?? 0;
          const block = rows.slice(end - size, end);
          both.addBack((add) => block.forEach(([key, doc]) => add(json(key), 5, 1, json(doc))));
          end -= size;
          expect(both.rows).toBe(Math.min(i + 1, frontRows) + count - end);
        }
        const base = await both.finish(20, 4);
        const one = newWriter(11, "2");
        for (const [key, document] of rows) one.add(json(key), 5, 1, json(document));
        const { digest, documentBytes } = await one.finish(21, 4);
        expect(base).toMatchObject({ rows: count, digest, documentBytes });
        expect(await read(base)).toEqual(rows);
        const keys = base.parts.flatMap(({ firstKey, lastKey }) => [firstKey, lastKey]);
        expect(keys).toEqual(keys.toSorted());
        for (const [key] of rows) {
          const found = await findInBase(repository.store, base, orderCode(json(key)));
          expect(found?.key.toString()).toBe(JSON.stringify(key));
        }
      }),
      { numRuns: 30 },
    );
  });

  test("refuses rows of the back that do not rise, blocks that do not fall, and ends that overlap", async () => {
    const block = (writer: BaseWriter, keys: string[]) =>
      writer.addBack((add) => keys.forEach((key) => add(json(key), 5, 1, json({ id: key }))));
    const outOfOrder = "out of order";
    expect(() => block(newWriter(), ["b", "a"])).toThrow(outOfOrder);
    const writer = newWriter();
    block(writer, ["m", "n"]);
    block(writer, []);
    expect(() => block(writer, ["l", "m"])).toThrow(outOfOrder);
    const overlapping = newWriter(10, "2");
    overlapping.add(json("k"), 5, 1, json({ id: "k" }));
    block(overlapping, ["k", "l"]);
    await expect(overlapping.finish(20, 4)).rejects.toThrow(outOfOrder);
  });

  describe("of several parts", () => {
    const count = 90;
    const fill = "x".repeat(400_000);
    const rows = (): Row[] => Array.from({ length: count }, (_, i) => [i * 2, { id: i * 2, fill }]);

    test("has parts that follow each other, each whole; and finds keys at all their ends", async () => {
      const base = await write(rows());
      expect(base.parts.length).toBeGreaterThan(2);
      expect(base.parts.reduce((sum, part) => sum + part.rows, 0)).toBe(count);
      expect((await read(base)).map(([key]) => key)).toEqual(rows().map(([key]) => key));
      for (const [i, part] of base.parts.entries()) {
        expect(part.name).toMatch(/part-00000\d\.zst$/);
        const next = base.parts[i + 1];
        if (next) expect(Number(next.firstKey)).toBe(Number(part.lastKey) + 2);
        expect(await repository.store.size(part.name)).toBe(part.bytes);
        for (const key of [part.firstKey, part.lastKey]) {
          const found = await findInBase(repository.store, base, orderCode(Buffer.from(key)));
          expect(found?.key.toString()).toBe(key);
        }
        const between = json(Number(part.lastKey) + 1);
        expect(await findInBase(repository.store, base, orderCode(between))).toBeUndefined();
      }
    });

    test("is refused when two of its parts are exchanged", async () => {
      const base = await write(rows());
      const [a, b] = base.parts;
      const store = await copyOf(repository.store, {
        [a!.name]: await repository.store.get(b!.name),
        [b!.name]: await repository.store.get(a!.name),
      });
      repository = { ...repository, store };
      await expect(read(base)).rejects.toMatchObject({
        code: "damaged",
        message: expect.stringContaining(a!.name) as string,
      });
    });
  });

  test("has beside each part the keys, with the digests of the documents", async () => {
    const rows = rowsOf(mixedKeys);
    const { parts } = await write(rows);
    const { name, checksum } = parts[0]!.keys;
    const object = await DataObject.open(repository.store, name, "baseKeys", checksum);
    const lines = await object.readFrame(object.index.frames[0]!);
    const found: unknown[] = [];
    for (let start = 0; start < lines.length; ) {
      const end = lines.indexOf(0x0a, start);
      const { key, digest, time, sequence } = parseKeyLine(lines, start, end, name);
      found.push([textOfJson(key), digest, time, sequence]);
      start = end + 1;
    }
    expect(found).toEqual(
      rows.map(([key, document], i) => [JSON.stringify(key), digestOf(json(document)), 5, i]),
    );
  });

  test("does not exist before its manifest; and no manifest is written if a part could not be", async () => {
    class FullStore extends MemoryStore {
      override put(name: string, bytes: Uint8Array): Promise<void> {
        if (name.endsWith(".keys.zst")) return Promise.reject(new Error("full"));
        return super.put(name, bytes);
      }
    }
    repository = await makeRepository(new FullStore());
    await expect(write(rowsOf(["a"]))).rejects.toThrow("full");
    expect(await namesIn(repository.store, "bases/")).toEqual([
      `bases/${table}/000000000000010-1/part-000000.zst`,
    ]);
    expect(await newestBase(repository.store, table, 99)).toBeUndefined();
  });

  test.each<[string, unknown, unknown]>([
    ["again", "a", "a"],
    ["smaller", "b", "a"],
    ["of a smaller type", 1, true],
    ["equal but written otherwise", 0, -0],
  ])("refuses a key that comes %s", (_, first, second) => {
    const writer = newWriter();
    writer.add(json(first), 1, 1, json({}));
    expect(() => writer.add(json(second), 1, 2, json({}))).toThrow("out of order");
  });

  test("takes over parts of another base, and is all of both", async () => {
    const first = newWriter(10, "1", 200);
    for (let key = 0; key < 20; key += 1) first.add(json(key), 5, key, json({ id: key }));
    const before = await first.finish(20, 4);
    const second = newWriter(30, "2", 200);
    second.add(json(-1), 25, 1, json({ id: -1 }));
    second.keep(before.parts[1]!);
    second.add(json("last"), 25, 2, json({ id: "last" }));
    const base = await second.finish(30, 30);
    expect(base.parts.map(({ name }) => name)).toEqual([
      `bases/${table}/000000000000030-2/part-000000.zst`,
      before.parts[1]!.name,
      `bases/${table}/000000000000030-2/part-000001.zst`,
    ]);
    const documents = (await read(base)).map(([, document]) => document);
    const digest = new SetDigest();
    for (const document of documents) digest.add(digestOf(json(document)));
    expect(base).toMatchObject({ rows: before.parts[1]!.rows + 2, digest: digest.hex() });
    expect(second).toMatchObject({ partsWritten: 2, partsKept: 1, rows: base.rows });
    expect((await newestBase(repository.store, table, 99))?.parts).toEqual(base.parts);
    const lost = await copyOf(repository.store, { [before.parts[1]!.name]: undefined });
    const inventory = await readBases(lost);
    expect(inventory.damaged.map(({ base: of }) => of.instant)).toEqual([20, 30]);
    expect(() => newestIn(inventory, table, 99)).toThrow(`${before.parts[1]!.name} is damaged`);
    expect(newestIn(inventory, `${table.slice(0, -1)}f`, 99)).toBeUndefined();
  });

  test("takes over no part whose keys come again, or came already", async () => {
    const before = await write(rowsOf([1, 2, 3]));
    const behind = newWriter(30, "2");
    behind.add(json(1), 1, 1, json({}));
    expect(() => behind.keep(before.parts[0]!)).toThrow("out of order");
    const within = newWriter(30, "3");
    within.keep(before.parts[0]!);
    expect(() => within.keep(before.parts[0]!)).toThrow("out of order");
    expect(() => within.add(json(3), 1, 1, json({}))).toThrow("out of order");
  });

  test("is not read when a part holds other rows than the manifest says", async () => {
    const base = await write(rowsOf([1, 2, 3]));
    for (const change of [{ rows: 2 }, { firstKey: "0" }]) {
      const changed = { ...base, parts: [{ ...base.parts[0]!, ...change }] };
      const message = expect.stringContaining("does not hold the rows") as string;
      await expect(read(changed)).rejects.toMatchObject({ code: "damaged", message });
      const found = findInBase(repository.store, changed, orderCode(json(1)));
      await expect(found).rejects.toMatchObject({ code: "damaged", message });
    }
  });

  test("is not published twice for one instant and writer", async () => {
    await write([]);
    await expect(write([])).rejects.toThrow("exists already");
  });
});

describe("newestBase", () => {
  test("is the newest at or before the instant", async () => {
    for (const instant of [300, 100, 200]) {
      const writer = newWriter(instant, "f");
      writer.add(json("a"), instant, 1, json({ instant }));
      await writer.finish(instant, instant);
    }
    const instantOf = async (at: number) =>
      (await newestBase(repository.store, table, at))?.instant;
    expect(await instantOf(99)).toBeUndefined();
    expect(await instantOf(100)).toBe(100);
    expect(await instantOf(299)).toBe(200);
    expect(await instantOf(Number.MAX_SAFE_INTEGER)).toBe(300);
    const other = "0b000000-0000-4000-8000-000000000002";
    expect(await newestBase(repository.store, other, 999)).toBeUndefined();
  });
});

describe("readManifest", () => {
  test("refuses a manifest in the place of another table's or instant's", async () => {
    const base = await write([]);
    const other = table.replace(/^0a/, "0b");
    for (const name of [
      `bases/${other}/000000000000020-1/manifest.json`,
      `bases/${table}/000000000000021-1/manifest.json`,
    ]) {
      await repository.store.put(name, encodeJsonObject("base", base));
      await expect(readManifest(repository.store, name)).rejects.toMatchObject({
        code: "damaged",
        message: `object ${name} is damaged: its name and its content differ`,
      });
    }
  });

  describe("refuses a manifest that is sealed, but", () => {
    type Change = (base: BaseManifest) => Partial<BaseManifest>;
    const parts =
      (change: (parts: BasePart[]) => unknown[]): Change =>
      (base) => ({ parts: change(base.parts) as BasePart[] });
    const part = (index: number, change: (part: BasePart) => object): Change =>
      parts((all) => all.map((one, i) => (i === index ? { ...one, ...change(one) } : one)));
    const together = /parts do not add up/;
    const order = /out of order/;
    const rows = /: its field parts.1.rows is not a number from 1 on$/;
    const digest = /: its field parts.1.digest is (missing|not a digest)$/;

    test.each<[string, Change, RegExp]>([
      ["lacks its first part", parts((all) => all.slice(1)), together],
      ["lacks a part in the middle", parts((all) => all.filter((_, i) => i !== 1)), together],
      ["lacks its last part", parts((all) => all.slice(0, -1)), together],
      ["lacks all parts", parts(() => []), together],
      ["has a part twice", parts((all) => [all[0]!, ...all]), order],
      ["has its parts in another order", parts((all) => all.toReversed()), order],
      ["has parts that overlap", part(1, () => ({ firstKey: "5" })), order],
      [
        "has parts that share a key",
        parts(([a, b, ...rest]) => [a, { ...b, firstKey: a!.lastKey }, ...rest]),
        order,
      ],
      ["has a part that ends before it begins", part(1, () => ({ lastKey: "5" })), order],
      ["has a part without rows", part(1, () => ({ rows: 0 })), rows],
      ["has a part with one row less", part(1, ({ rows }) => ({ rows: rows - 1 })), together],
      ["has a part with another digest", part(1, () => ({ digest: "0".repeat(16) })), together],
      ["has a part without a digest", part(1, () => ({ digest: undefined })), digest],
      [
        "has a part with a digest that is none",
        part(1, () => ({ digest: "x".repeat(16) })),
        digest,
      ],
      ["has a part with fewer bytes", part(1, () => ({ documentBytes: 1 })), together],
      ["has a key that can be none", part(1, () => ({ firstKey: "{}" })), /not a primary key/],
      ["claims a row more", ({ rows }) => ({ rows: rows + 1 }), together],
      ["claims another digest", () => ({ digest: "0".repeat(16) }), together],
      [
        "claims other bytes",
        ({ documentBytes }) => ({ documentBytes: documentBytes + 1 }),
        together,
      ],
      [
        "has another table's part",
        part(1, ({ name }) => ({ name: name.replace("0a", "0b") })),
        /another table/,
      ],
    ])("%s", async (_, change, message) => {
      const writer = newWriter(10, "1", 200);
      for (let i = 0; i < 20; i += 1) writer.add(json(i * 10), 5, i, json({ id: i * 10 }));
      const base = await writer.finish(20, 4);
      expect(base.parts.length).toBeGreaterThan(3);
      const name = `bases/${table}/000000000000020-2/manifest.json`;
      const changed = { ...base, ...change(base) };
      await repository.store.put(name, encodeJsonObject("base", changed));
      await expect(readManifest(repository.store, name)).rejects.toMatchObject({
        code: "damaged",
        message: expect.stringMatching(message) as string,
      });
      await expect(newestBase(repository.store, table, 99)).resolves.toMatchObject({ rows: 20 });
    });
  });
});
