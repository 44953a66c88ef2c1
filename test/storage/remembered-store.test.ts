import { describe, expect, test } from "vitest";
import { MemoryStore } from "../../src/storage/memory-store.js";
import { ObjectMissing, type ObjectStore } from "../../src/storage/object-store.js";
import { RememberedStore } from "../../src/storage/remembered-store.js";
import { namesIn } from "../repository/recording.js";

/** Notes what it is asked. */
class AskedStore extends MemoryStore {
  readonly asked: string[] = [];
  fails = false;

  override async get(...[name, range]: Parameters<ObjectStore["get"]>): Promise<Buffer> {
    this.asked.push(`get ${name}`);
    if (this.fails) throw new Error("the store fails");
    return super.get(name, range);
  }

  override async tail(...[name, bytes]: Parameters<ObjectStore["tail"]>) {
    this.asked.push(`tail ${name}`);
    return super.tail(name, bytes);
  }

  override size(name: string): Promise<number | undefined> {
    this.asked.push(`size ${name}`);
    return super.size(name);
  }

  override list(prefix: string) {
    this.asked.push(`list ${prefix}`);
    return super.list(prefix);
  }
}

async function storeWith(objects: Record<string, Buffer>) {
  const below = new AskedStore();
  for (const [name, bytes] of Object.entries(objects)) await below.put(name, bytes);
  below.asked.length = 0;
  return { below, store: new RememberedStore(below) };
}

describe("a remembered store", () => {
  test("asks for nothing twice, and tells ranges apart", async () => {
    const { below, store } = await storeWith({
      "a/1": Buffer.from("one"),
      "b/1": Buffer.from("two"),
    });
    for (let time = 0; time < 2; time += 1) {
      expect((await store.get("a/1")).toString()).toBe("one");
      expect((await store.get("a/1", { start: 1, end: 2 })).toString()).toBe("n");
      expect(await store.tail("a/1", 2)).toEqual({ bytes: Buffer.from("ne"), size: 3 });
      expect(await store.size("b/1")).toBe(3);
      expect(await store.size("none")).toBeUndefined();
      expect(await namesIn(store, "a/")).toEqual(["a/1"]);
    }
    expect(below.asked).toEqual([
      "get a/1",
      "get a/1",
      "tail a/1",
      "size b/1",
      "size none",
      "list a/",
    ]);
  });

  test("lists a part of what was listed, without what came since", async () => {
    const { below, store } = await storeWith({
      "a/1/x": Buffer.alloc(1),
      "a/2/x": Buffer.alloc(1),
    });
    expect(await namesIn(store, "a/")).toEqual(["a/1/x", "a/2/x"]);
    await below.put("a/2/y", Buffer.alloc(1));
    expect(await namesIn(store, "a/2/")).toEqual(["a/2/x"]);
    expect(await namesIn(store, "a/")).toEqual(["a/1/x", "a/2/x"]);
  });

  test("does not hold what is long, nor a failure", async () => {
    const { below, store } = await storeWith({
      long: Buffer.alloc(64 * 1024 + 1),
      short: Buffer.alloc(1),
    });
    await store.get("long");
    await store.get("long");
    expect(below.asked).toEqual(["get long", "get long"]);
    below.fails = true;
    await expect(store.get("short")).rejects.toThrow("the store fails");
    below.fails = false;
    expect(await store.get("short")).toHaveLength(1);
  });

  test("knows the size of what it has listed", async () => {
    const { below, store } = await storeWith({ "a/1": Buffer.alloc(7) });
    await namesIn(store, "a/");
    expect(await store.size("a/1")).toBe(7);
    expect(await store.size("a/2")).toBeUndefined();
    expect(below.asked).toEqual(["list a/", "size a/2"]);
  });

  test("takes the bytes that it was given for an object that is listed and as long, and for no other", async () => {
    const below = new AskedStore();
    for (const name of ["a/same", "a/longer", "b/unlisted"])
      await below.put(name, Buffer.from("stored"));
    const repeated = (text: string) => ({ bytes: Buffer.from(text), storedBytes: text.length });
    const known = new Map([["a/longer", repeated("given!!")]]);
    for (const name of ["a/same", "a/gone", "b/unlisted"]) known.set(name, repeated("given!"));
    const store = new RememberedStore(below);
    store.know(known);
    expect((await store.get("a/same")).toString()).toBe("stored");
    await namesIn(store, "a/");
    expect((await store.get("a/same")).toString()).toBe("given!");
    expect((await store.get("a/same", { start: 2, end: 9 })).toString()).toBe("ven!");
    expect(await store.tail("a/same", 3)).toEqual({ bytes: Buffer.from("en!"), size: 6 });
    expect((await store.get("a/longer")).toString()).toBe("stored");
    expect((await store.get("b/unlisted")).toString()).toBe("stored");
    await expect(store.get("a/gone")).rejects.toThrow(ObjectMissing);
    expect(below.asked).toEqual([
      "get a/same",
      "list a/",
      "get a/longer",
      "get b/unlisted",
      "get a/gone",
    ]);
  });

  test("can only be read", async () => {
    const { store } = await storeWith({});
    await expect(store.put()).rejects.toThrow();
    await expect(store.delete()).rejects.toThrow();
  });
});
