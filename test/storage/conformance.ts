/** What every ObjectStore must do; see the obligations in src/storage/object-store.ts. */
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import {
  deleteAll,
  failureOf,
  ObjectExists,
  ObjectMissing,
  type ObjectStore,
  storedForm,
} from "../../src/storage/object-store.js";

/** Two views of one new, empty place, as two processes would have them; the same object if it cannot be shared. */
export interface StorePair {
  first: ObjectStore;
  second: ObjectStore;
  /** The same bytes may be put under a taken name: they are taken for an earlier try, whose reply was lost. */
  losesReplies?: true;
  /** What errors put before the name of an object. */
  prefix?: string;
  remove(): Promise<void>;
}

const text = (value: string) => Buffer.from(value);

export async function namesOf(store: ObjectStore, prefix: string): Promise<string[]> {
  const names: string[] = [];
  for await (const { name } of store.list(prefix)) names.push(name);
  return names;
}

/** Begins a put for each of `bytes`; returns the indexes of those that succeeded. Any other error than ObjectExists is thrown. */
async function race(stores: ObjectStore[], name: string, writers: number): Promise<number[]> {
  const outcomes = await Promise.allSettled(
    Array.from({ length: writers }, (_, i) =>
      stores[i % stores.length]!.put(name, text(`writer ${i} `.repeat(1000 + i))),
    ),
  );
  const winners: number[] = [];
  for (const [i, outcome] of outcomes.entries()) {
    if (outcome.status === "fulfilled") winners.push(i);
    else expect(outcome.reason).toBeInstanceOf(ObjectExists);
  }
  return winners;
}

/** Lets others go first, so many times. */
async function pause(turns: number): Promise<void> {
  for (let turn = 0; turn < turns; turn += 1) await new Promise((done) => setImmediate(done));
}

export function storeConformance(kind: string, make: () => Promise<StorePair>): void {
  describe(kind, () => {
    let pair: StorePair;
    let store: ObjectStore;
    beforeEach(async () => {
      pair = await make();
      store = pair.first;
    });
    afterEach(() => pair.remove());

    describe("put", () => {
      test("stores all bytes, of any value and none", async () => {
        const every = Buffer.from(Array.from({ length: 256 }, (_, i) => i));
        await store.put("every", every);
        await store.put("nothing", Buffer.alloc(0));
        expect(await store.get("every")).toEqual(every);
        expect(await store.get("nothing")).toEqual(Buffer.alloc(0));
      });

      test("stores a copy: what the caller does to its buffer later changes nothing", async () => {
        const bytes = text("before");
        await store.put("copied", bytes);
        bytes.fill("x");
        expect((await store.get("copied")).toString()).toBe("before");
      });

      test("refuses a taken name with ObjectExists, and changes nothing", async () => {
        await store.put("a/taken", text("first"));
        const second = store.put("a/taken", text("second"));
        await expect(second).rejects.toBeInstanceOf(ObjectExists);
        expect(failureOf(await second.catch((e: unknown) => e))).toBe("exists");
        const same = store.put("a/taken", text("first"));
        if (pair.losesReplies) await Promise.allSettled([same]);
        else await expect(same).rejects.toBeInstanceOf(ObjectExists);
        expect((await store.get("a/taken")).toString()).toBe("first");
      });

      test("lets exactly one of 20 concurrent writers win, and keeps its bytes", async () => {
        const winners = await race([store], "log/contested", 20);
        expect(winners).toHaveLength(1);
        const kept = (await store.get("log/contested")).toString();
        expect(kept).toBe(`writer ${winners[0]} `.repeat(1000 + winners[0]!));
      });

      test("lets exactly one win also where two processes write", async () => {
        for (let round = 0; round < 5; round += 1) {
          const name = `writers/0000000${round}.json`;
          const winners = await race([pair.first, pair.second], name, 20);
          expect(winners).toHaveLength(1);
          const kept = `writer ${winners[0]} `.repeat(1000 + winners[0]!);
          expect((await pair.first.get(name)).toString()).toBe(kept);
          expect((await pair.second.get(name)).toString()).toBe(kept);
        }
      });

      test("can take a name again once it was deleted", async () => {
        await store.put("again", text("1"));
        await store.delete("again");
        await store.put("again", text("2"));
        expect((await store.get("again")).toString()).toBe("2");
      });

      test.each([
        "",
        "/",
        "/a",
        "a/",
        "a//b",
        ".",
        "..",
        "../a",
        "a/../b",
        ".hidden",
        "a/.tmp-1",
        "a b",
        "ä",
        "a\\b",
        "a\0b",
        "a\n",
      ])("refuses the invalid name %j everywhere", async (name) => {
        await expect(store.put(name, text("x"))).rejects.toThrow("not a valid object name");
        await expect(store.get(name)).rejects.toThrow("not a valid object name");
        await expect(store.tail(name, 1)).rejects.toThrow("not a valid object name");
        await expect(store.size(name)).rejects.toThrow("not a valid object name");
        await expect(store.delete(name)).rejects.toThrow("not a valid object name");
        expect(await namesOf(store, "")).toEqual([]);
      });
    });

    describe("get and size", () => {
      test("tell a missing object", async () => {
        await store.put("there/is", text("x"));
        for (const name of ["none", "there/none", "there", "there/is/none"]) {
          const error: unknown = await store.get(name).catch((e: unknown) => e);
          expect(error, name).toBeInstanceOf(ObjectMissing);
          expect((error as ObjectMissing).objectName).toBe(`${pair.prefix ?? ""}${name}`);
          expect(failureOf(error)).toBe("missing");
          const ofTail: unknown = await store.tail(name, 1).catch((e: unknown) => e);
          expect(failureOf(ofTail), name).toBe("missing");
          expect(await store.size(name), name).toBeUndefined();
        }
      });

      test("the first of some names that is missing is told, where that can be asked", async () => {
        for (const name of ["a/1", "a/3", "b"]) await store.put(name, text(name));
        if (!store.firstMissing) return;
        expect(await store.firstMissing(["a/1", "a/3", "b"])).toBeUndefined();
        expect(await store.firstMissing(["b", "a/2", "a/4", "a/1"])).toBe("a/2");
        expect(await store.firstMissing([])).toBeUndefined();
      });

      test("give the size in bytes", async () => {
        await store.put("size", text("ä€"));
        expect(await store.size("size")).toBe(storedForm(store, "size", text("ä€")).bytes.length);
      });

      test.each([
        [0, 10, "0123456789"],
        [0, 4, "0123"],
        [3, 7, "3456"],
        [9, 10, "9"],
        [4, 4, ""],
        [8, 99, "89"],
        [10, 12, ""],
        [50, 60, ""],
        [7, 3, ""],
      ])("give the range from %i to %i, clamped", async (start, end, expected) => {
        await store.put("digits", text("0123456789"));
        expect((await store.get("digits", { start, end })).toString()).toBe(expected);
      });

      test.each([
        [0, ""],
        [1, "9"],
        [4, "6789"],
        [10, "0123456789"],
        [99, "0123456789"],
      ])("give the last %i bytes, and the size of the whole", async (bytes, expected) => {
        await store.put("digits", text("0123456789"));
        expect(await store.tail("digits", bytes)).toMatchObject({
          bytes: text(expected),
          size: 10,
        });
        await store.put("nothing", Buffer.alloc(0));
        expect(await store.tail("nothing", bytes)).toMatchObject({
          bytes: Buffer.alloc(0),
          size: 0,
        });
      });

      test("give a buffer that is the caller's own", async () => {
        await store.put("own", text("stays"));
        (await store.get("own")).fill("x");
        (await store.get("own", { start: 0, end: 3 })).fill("x");
        (await store.tail("own", 3)).bytes.fill("x");
        expect((await store.get("own")).toString()).toBe("stays");
      });
    });

    describe("list", () => {
      const names = [
        "A",
        "Z9",
        "_x",
        "a-1",
        "a-b/x",
        "a.b",
        "a.b-c/1",
        "a/b-c",
        "a/b.c",
        "a/b/c",
        "a/b0",
        "a/b1/d",
        "a0",
        "a_b",
        "ab/1",
        "log/00000001/1-2-1.zst",
        "log/00000001/1-2-10.zst",
        "log/00000001/3-4-2.zst",
        "log/00000002/5-6-1.zst",
      ];

      beforeEach(async () => {
        // Neither in order of names nor in its reverse.
        const mixed = [...names].sort((a, b) => (`${a.length}${a}` < `${b.length}${b}` ? 1 : -1));
        for (const name of mixed) await store.put(name, text(name));
      });

      test("gives all names in the order of their bytes, however nested", async () => {
        const sorted = [...names].sort((a, b) => Buffer.compare(text(a), text(b)));
        expect(await namesOf(store, "")).toEqual(sorted);
      });

      test.each([
        "a",
        "a/",
        "a/b",
        "a.",
        "log/",
        "log/00000001/1-2",
        "lo",
        "A",
        "nothing",
        "a/b/c/d",
      ])("gives those that begin with %j", async (prefix) => {
        const wanted = names.filter((name) => name.startsWith(prefix));
        wanted.sort((a, b) => Buffer.compare(text(a), text(b)));
        expect(await namesOf(store, prefix)).toEqual(wanted);
      });

      test.each([
        ["", "a"],
        ["", "a/"],
        ["", "a/b"],
        ["", "a/b/"],
        ["", "a/b/c"],
        ["", "a/bb"],
        ["", "log/00000001/1-2-1.zst"],
        ["", "zzz"],
        ["a", "a/b-c"],
        ["a/b", "a/b"],
        ["a/b", "A"],
        ["log/", "log/00000001/3"],
        ["log/", "log/00000001/z"],
        ["log/", "a"],
        ["log/", "m"],
      ])("gives those that begin with %j and come after %j", async (prefix, after) => {
        const wanted = names.filter((name) => name.startsWith(prefix) && name > after).sort();
        const found: string[] = [];
        for await (const { name } of store.list(prefix, { after })) found.push(name);
        expect(found).toEqual(wanted);
      });

      test("gives sizes", async () => {
        for await (const { name, size } of store.list("")) {
          expect(size).toBe(storedForm(store, name, text(name)).bytes.length);
        }
      });

      test("sees what the other process wrote, and not what it deleted", async () => {
        await pair.second.put("log/00000002/7-8-2.zst", text("x"));
        await pair.second.delete("log/00000002/5-6-1.zst");
        expect(await namesOf(pair.first, "log/00000002/")).toEqual(["log/00000002/7-8-2.zst"]);
      });

      test("goes on when objects go away under it", async () => {
        const seen: string[] = [];
        for await (const { name } of store.list("a")) {
          seen.push(name);
          if (seen.length === 1) {
            await store.delete("a/b/c");
            await store.delete("a0");
          }
        }
        const rest = names.filter(
          (name) => name.startsWith("a") && !["a/b/c", "a0"].includes(name),
        );
        expect(seen.filter((name) => !["a/b/c", "a0"].includes(name)).sort()).toEqual(rest.sort());
      });
    });

    describe("delete", () => {
      test("removes; and removing what is not there is no error", async () => {
        await store.put("d/one", text("1"));
        await store.put("d/two", text("2"));
        await store.delete("d/one");
        await store.delete("d/one");
        for (const name of ["never", "d", "d/two/below"]) await store.delete(name);
        expect(await store.size("d/one")).toBeUndefined();
        expect(await namesOf(store, "")).toEqual(["d/two"]);
      });

      test("of all that lies somewhere loses no put into the same place by another process", async () => {
        for (let round = 0; round < 100; round += 1) {
          const place = `a/${round % 3}/b`;
          await pair.first.put(`${place}/old`, text("x"));
          const deleting = pause(round % 7).then(() => pair.first.delete(`${place}/old`));
          await Promise.all([pair.second.put(`${place}/new`, text(`${round}`)), deleting]);
          expect((await pair.first.get(`${place}/new`)).toString()).toBe(`${round}`);
          await pair.second.delete(`${place}/new`);
        }
        expect(await namesOf(store, "")).toEqual([]);
      });
    });

    describe("deleteMany", () => {
      test("removes all of them, also where some are not there, and nothing else", async () => {
        const names = Array.from({ length: 250 }, (_, i) => `log/${i % 3}/${i}`);
        const kept = ["log/0/kept", "log/kept", "other/1/1"];
        for (const name of [...names, ...kept]) await store.put(name, text("x"));
        await store.deleteMany?.([...names.slice(0, 200), "log/none", "none/1"]);
        await store.deleteMany?.([]);
        await deleteAll(store, names);
        expect(await namesOf(store, "")).toEqual(kept);
      });

      test("refuses a name that is none before it removes anything", async () => {
        await store.put("a", text("x"));
        const deleting = store.deleteMany?.(["a", "../b"]);
        await expect(deleting ?? store.delete("../b")).rejects.toThrow("not a valid object name");
        expect(await namesOf(store, "")).toEqual(["a"]);
      });
    });

    describe("tidy", () => {
      test("leaves every object, and loses no put at the same time", async () => {
        await store.put("kept/deep/down", text("x"));
        for (let round = 0; round < 30; round += 1) {
          const names = ["p/q/r", "p/s", "kept/deep/2"].map((name) => `${name}-${round}`);
          const tidying = [pair.second.tidy?.(0), pair.first.tidy?.(0)];
          await Promise.all([...names.map((name) => store.put(name, text("x"))), ...tidying]);
          expect(await namesOf(pair.second, "")).toEqual(["kept/deep/down", ...names].sort());
          await Promise.all(names.map((name) => pair.second.delete(name)));
        }
      });
    });
  });
}
