import fc from "fast-check";
import { beforeEach, describe, expect, test } from "vitest";
import { encodeJsonObject } from "../../../src/format/json-object.js";
import {
  addPin,
  listPins,
  livePins,
  type Pin,
  removePin,
} from "../../../src/repository/registers/pins.js";
import { MemoryStore } from "../../../src/storage/memory-store.js";
import type { StoredObject } from "../../../src/storage/object-store.js";
import { overriding } from "../../simulation/overriding.js";
import { namesIn } from "../recording.js";

const pin: Pin = { name: "before-release", at: 1000, made: 2000, note: "1.2" };
let store: MemoryStore;
beforeEach(() => {
  store = new MemoryStore();
});

describe("pins", () => {
  test("are listed by name, as they were made", async () => {
    const plain = { name: "a", at: 5, made: 6 };
    await addPin(store, pin);
    await addPin(store, plain);
    expect(await listPins(store)).toEqual([plain, pin]);
  });

  test("are stored as they are specified", async () => {
    await addPin(store, pin);
    await removePin(store, pin.name, 3000);
    const bodies = await Promise.all(
      (await namesIn(store)).map(async (name) => [
        name,
        (await store.get(name)).toString().slice(0, -80),
      ]),
    );
    const of = (number: number, at: number, pins: string) => [
      `pins/000000000${number}.json`,
      `{"thinkback":"pins","version":1,"number":${number},"at":${at},"pins":[${pins}]`,
    ];
    const one = '{"name":"before-release","at":1000,"made":2000,"note":"1.2"}';
    expect(bodies).toEqual([of(1, 2000, one), of(2, 3000, "")]);
  });

  test("with an end count until the history is older", () => {
    const ending = { ...pin, name: "a", until: 5000 };
    expect(livePins([ending, pin], 5000)).toEqual([ending, pin]);
    expect(livePins([ending, pin], 5001)).toEqual([pin]);
  });

  test("that have ended are listed for 30 days, and are left out by the next change then", async () => {
    const day = 86_400_000;
    const ending = { ...pin, name: "a", until: 5000 };
    await addPin(store, ending);
    await addPin(store, { ...pin, name: "b", made: 5000 + 30 * day });
    expect((await listPins(store)).map(({ name }) => name)).toEqual(["a", "b"]);
    await addPin(store, { ...pin, name: "c", made: 5001 + 30 * day });
    expect((await listPins(store)).map(({ name }) => name)).toEqual(["b", "c"]);
  });

  test("can be removed and made again, without deleting anything", async () => {
    const keeping = overriding(store, { delete: () => Promise.reject(new Error("may not")) });
    await addPin(keeping, pin);
    expect(await removePin(keeping, pin.name, 3000)).toEqual(pin);
    expect(await listPins(keeping)).toEqual([]);
    const again = { name: pin.name, at: 7000, made: 8000 };
    await addPin(keeping, again);
    expect(await listPins(keeping)).toEqual([again]);
    await removePin(keeping, pin.name, 9000);
    expect(await listPins(keeping)).toEqual([]);
    expect(await namesIn(store)).toHaveLength(4);
  });

  test("of one name are refused while one is there", async () => {
    await addPin(store, pin);
    await expect(addPin(store, { ...pin, at: 1 })).rejects.toMatchObject({
      code: "usage",
      message: "there is a pin before-release already",
    });
    expect(await listPins(store)).toEqual([pin]);
  });

  test("that are not there cannot be removed", async () => {
    const unknown = { code: "unknown", message: "there is no pin before-release" };
    await expect(removePin(store, pin.name, 1)).rejects.toMatchObject(unknown);
    await addPin(store, pin);
    await removePin(store, pin.name, 1);
    await expect(removePin(store, pin.name, 1)).rejects.toMatchObject(unknown);
    await expect(removePin(store, "before", 1)).rejects.toMatchObject({ code: "unknown" });
  });

  test.each(["", "-a", "A", "ä", "a_b", "a/b", "..", ".a", "a b", "a".repeat(101)])(
    "are not called %j",
    async (name) => {
      await expect(addPin(store, { ...pin, name })).rejects.toMatchObject({ code: "usage" });
      await expect(removePin(store, name, 1)).rejects.toMatchObject({ code: "usage" });
      expect(await namesIn(store)).toEqual([]);
    },
  );

  test("whose names begin alike, or look like numbers, are told apart", async () => {
    const names = ["a", "a-0000000001", "a-b", "a0", "0000000001", "aa"];
    for (const [at, name] of names.entries()) await addPin(store, { name, at, made: 0 });
    await removePin(store, "a", 1);
    await removePin(store, "a-b", 1);
    const left = await listPins(store);
    expect(left.map(({ name, at }) => [at, name])).toEqual([
      [4, "0000000001"],
      [1, "a-0000000001"],
      [3, "a0"],
      [5, "aa"],
    ]);
  });

  test("made by several at once under one name: one succeeds; the same with removing", async () => {
    const adding = await Promise.allSettled(
      [1, 2, 3, 4, 5].map((at) => addPin(store, { ...pin, at })),
    );
    expect(adding.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
    const won = adding.findIndex(({ status }) => status === "fulfilled") + 1;
    expect(await listPins(store)).toEqual([{ ...pin, at: won }]);
    const removing = await Promise.allSettled(
      [1, 2, 3, 4, 5].map(() => removePin(store, pin.name, 9)),
    );
    expect(removing.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
    expect(await namesIn(store)).toHaveLength(2);
  });

  test("follow what was said last, whatever is said", async () => {
    const name = fc.constantFrom("a", "b", "a-b");
    const word = fc.record({ name, adds: fc.boolean(), at: fc.nat() });
    await fc.assert(
      fc.asyncProperty(fc.array(word, { maxLength: 20 }), async (words) => {
        const fresh = new MemoryStore();
        const model = new Map<string, Pin>();
        for (const { name: of, adds, at } of words) {
          const said = adds
            ? addPin(fresh, { name: of, at, made: 1 })
            : removePin(fresh, of, 1).then(() => undefined);
          const allowed = adds !== model.has(of);
          await (allowed ? said : expect(said).rejects.toThrow(/there is (a|no) pin/));
          if (adds && allowed) model.set(of, { name: of, at, made: 1 });
          if (!adds) model.delete(of);
        }
        const expected = [...model.values()].sort((x, y) => (x.name < y.name ? -1 : 1));
        expect(await listPins(fresh)).toEqual(expected);
      }),
      { numRuns: 50 },
    );
  });

  test.each([0, 1, 3])(
    "are those put last, where a listing shows only %i changes",
    async (shown) => {
      await addPin(store, pin);
      await addPin(store, { ...pin, name: "other" });
      await removePin(store, pin.name, 3000);
      await removePin(store, "other", 3000);
      await addPin(store, { ...pin, name: "other", at: 5 });
      async function* list(prefix: string): AsyncGenerator<StoredObject> {
        let listed = 0;
        for await (const object of store.list(prefix)) {
          listed += 1;
          if (listed <= shown) yield object;
        }
      }
      const behind = overriding(store, { list });
      expect(await listPins(behind)).toEqual([{ ...pin, name: "other", at: 5 }]);
    },
  );

  test.each([
    ["of another type", "settings", { number: 1, pins: [] }],
    ["of another number", "pins", { number: 2, pins: [] }],
    ["without pins", "pins", { number: 1 }],
    ["with a pin that has no instant", "pins", { number: 1, pins: [{ name: "a" }] }],
    ["with a pin that has no name", "pins", { number: 1, pins: [{ at: 5 }] }],
    ["with nothing for a pin", "pins", { number: 1, pins: [null] }],
  ])("%s are an error: what they keep is not known", async (_, type, fields) => {
    await store.put("pins/0000000001.json", encodeJsonObject(type, fields));
    const damaged = {
      code: "damaged",
      message: expect.stringContaining("pins/0000000001.json") as string,
    };
    await expect(listPins(store)).rejects.toMatchObject(damaged);
    await expect(addPin(store, pin)).rejects.toMatchObject(damaged);
    await expect(removePin(store, pin.name, 1)).rejects.toMatchObject(damaged);
    expect(await namesIn(store)).toHaveLength(1);
  });
});
