import { beforeEach, describe, expect, test } from "vitest";
import { encodeJsonObject } from "../../../src/format/json-object.js";
import {
  declareKeep,
  readSettings,
  type Settings,
} from "../../../src/repository/registers/settings.js";
import { MemoryStore } from "../../../src/storage/memory-store.js";
import type { StoredObject } from "../../../src/storage/object-store.js";
import { overriding } from "../../simulation/overriding.js";
import { namesIn } from "../recording.js";

const nameOf = (number: number) => `settings/${String(number).padStart(10, "0")}.json`;
let store: MemoryStore;
beforeEach(() => {
  store = new MemoryStore();
});

describe("the settings of a repository", () => {
  test("keep everything while nothing is declared", async () => {
    expect(await readSettings(store)).toEqual({ number: 0, at: 0, keep: null });
    await declareKeep(store, null, 5);
    expect(await namesIn(store)).toEqual([]);
  });

  test("are those that were declared last; what holds already is not declared again", async () => {
    await declareKeep(store, "all:1w,1m:30d", 1000);
    expect(await readSettings(store)).toMatchObject({
      number: 1,
      at: 1000,
      keep: "all:7d, 1m:30d",
    });
    expect(await declareKeep(store, "all:7d, 60s:30d", 2000)).toMatchObject({
      number: 1,
      at: 1000,
    });
    expect(await declareKeep(store, "all:8d", 3000)).toEqual({
      number: 2,
      at: 3000,
      keep: "all:8d",
    });
    await declareKeep(store, null, 4000);
    expect(await readSettings(store)).toMatchObject({ number: 3, at: 4000, keep: null });
    await declareKeep(store, "all:7d, 1m:30d", 5000);
    expect(await readSettings(store)).toMatchObject({ number: 4, keep: "all:7d, 1m:30d" });
    expect(await namesIn(store)).toEqual([1, 2, 3, 4].map(nameOf));
  });

  test("are stored as they are specified", async () => {
    await declareKeep(store, "all:7d", 1000);
    const text = (await store.get(nameOf(1))).toString();
    expect(text.slice(0, -80)).toBe(
      '{"thinkback":"settings","version":1,"number":1,"at":1000,"keep":"all:7d"',
    );
  });

  test("that cannot be read are refused, and nothing is stored", async () => {
    await expect(declareKeep(store, "1m:7d", 1000)).rejects.toMatchObject({ code: "usage" });
    expect(await namesIn(store)).toEqual([]);
  });

  test("declared by several at once are all there, and one of them holds", async () => {
    const texts = Array.from({ length: 8 }, (_, i) => `all:${i + 1}d`);
    await Promise.all(texts.map((keep, i) => declareKeep(store, keep, i)));
    expect(await namesIn(store)).toEqual(texts.map((_, i) => nameOf(i + 1)));
    const kept = await Promise.all(
      texts.map(
        async (_, i) => JSON.parse((await store.get(nameOf(i + 1))).toString()) as Settings,
      ),
    );
    expect(new Set(kept.map(({ keep }) => keep))).toEqual(new Set(texts));
    expect(texts).toContain((await readSettings(store)).keep);
  });

  test("declared by several alike are stored once", async () => {
    await Promise.all([1, 2, 3, 4].map((at) => declareKeep(store, "all:9d", at)));
    expect(await namesIn(store)).toEqual([nameOf(1)]);
  });

  test("are the last ones also where the listing is behind", async () => {
    await declareKeep(store, "all:1d", 1);
    await declareKeep(store, "all:2d", 2);
    await declareKeep(store, "all:3d", 3);
    for (const hidden of [nameOf(3), nameOf(2), nameOf(1)]) {
      async function* list(prefix: string): AsyncGenerator<StoredObject> {
        for await (const object of store.list(prefix)) if (object.name < hidden) yield object;
      }
      const behind = overriding(store, { list });
      expect(await readSettings(behind)).toMatchObject({ number: 3, keep: "all:3d" });
    }
  });

  test("that are damaged, or not what their name says, are an error and not the ones before", async () => {
    await declareKeep(store, "all:1d", 1);
    const other = encodeJsonObject("settings", { number: 7, at: 1, keep: null });
    await store.put(nameOf(2), other);
    await expect(readSettings(store)).rejects.toThrow(/0000000002\.json is damaged: its name/);
    await store.put(nameOf(3), Buffer.from("{}"));
    await expect(readSettings(store)).rejects.toMatchObject({ code: "damaged" });
    await expect(declareKeep(store, "all:1d", 1)).rejects.toMatchObject({ code: "damaged" });
  });

  test("come from a later listing where the one listed was deleted meanwhile; not for ever", async () => {
    await declareKeep(store, "all:1d", 1);
    await declareKeep(store, "all:2d", 2);
    let misses = 0;
    const vanishing = overriding(store, {
      get: async (name) => {
        if (misses === 0) await store.delete(nameOf(2));
        misses += 1;
        return store.get(name);
      },
    });
    expect(await readSettings(vanishing)).toMatchObject({ number: 1 });
    const ghost = overriding(store, { get: (name) => new MemoryStore().get(name) });
    await expect(readSettings(ghost)).rejects.toMatchObject({ code: "damaged" });
  });
});
