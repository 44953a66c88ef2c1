import fc from "fast-check";
import { beforeEach, describe, expect, test } from "vitest";
import { encodeJsonObject } from "../../src/repository/json-object.js";
import { addPin, checkPinName, listPins, type Pin, removePin } from "../../src/repository/pins.js";
import { MemoryStore } from "../../src/storage/memory-store.js";
import { isName, type StoredObject } from "../../src/storage/object-store.js";
import { overriding } from "../simulation/overriding.js";
import { namesIn } from "./recording.js";

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
    const of = (number: number, made: number, removed: boolean) => [
      `pins/before-release/000000000${number}.json`,
      `{"thinkback":"pin","version":1,"number":${number},"name":"before-release","at":1000,"made":${made},"removed":${removed},"note":"1.2"`,
    ];
    expect(bodies).toEqual([of(1, 2000, false), of(2, 3000, true)]);
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

  test("whose names begin alike, or look like numbers, do not mix", async () => {
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

  test("that were removed stay removed, and made again stay made, where the listing is behind", async () => {
    await addPin(store, pin);
    await addPin(store, { ...pin, name: "other" });
    await removePin(store, pin.name, 3000);
    await removePin(store, "other", 3000);
    await addPin(store, { ...pin, name: "other", at: 5 });
    async function* list(prefix: string): AsyncGenerator<StoredObject> {
      for await (const object of store.list(prefix))
        if (object.name.endsWith("0000000001.json")) yield object;
    }
    const behind = overriding(store, { list });
    expect(await listPins(behind)).toEqual([{ ...pin, name: "other", at: 5 }]);
  });

  test("that are damaged, or lie under another name, are an error: what they keep is not known", async () => {
    await store.put("pins/a/0000000001.json", encodeJsonObject("pin", { ...pin, number: 1 }));
    await expect(listPins(store)).rejects.toThrow(/pins\/a\/0000000001\.json is damaged: its name/);
    await store.put("pins/a/0000000002.json", Buffer.from("{}"));
    await expect(listPins(store)).rejects.toMatchObject({ code: "damaged" });
    await expect(addPin(store, { ...pin, name: "a" })).rejects.toMatchObject({ code: "damaged" });
  });

  test("have names that are those of objects", () => {
    fc.assert(
      fc.property(fc.stringMatching(/^[a-z0-9][a-z0-9-]{0,99}$/), (name) => {
        checkPinName(name);
        expect(isName(`pins/${name}/0000000001.json`)).toBe(true);
      }),
    );
  });
});
