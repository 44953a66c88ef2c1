import { existsSync, rmSync } from "node:fs";
import * as fs from "node:fs/promises";
import { mkdir, mkdtemp, readdir, rename, rm, symlink, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { systemClock } from "../../src/clock.js";
import { ThinkbackError } from "../../src/errors.js";
import { DirectoryStore } from "../../src/storage/directory-store.js";
import { MemoryStore } from "../../src/storage/memory-store.js";
import {
  failureOf,
  ObjectExists,
  type ObjectStore,
  putOnce,
  StoreError,
  StoreFull,
  StoreUnavailable,
} from "../../src/storage/object-store.js";
import { StoreBelow, StoreBeside } from "../../src/storage/part-store.js";
import { impatient, RetryingStore } from "../../src/storage/retrying-store.js";
import { namesOf, storeConformance } from "./conformance.js";

/** Faults of the file system, planted between the store and node:fs. */
const faults = vi.hoisted(() => ({
  /** Called before each of these; may throw, or hang. */
  before: (_operation: string, _path: string): void | Promise<void> => undefined,
}));

vi.mock("node:fs/promises", async (importOriginal) => {
  const real = await importOriginal<typeof fs>();
  const wrapped = (handle: fs.FileHandle, path: string) =>
    new Proxy(handle, {
      get: (target, property) => {
        const value: unknown = Reflect.get(target, property, target);
        if (typeof value !== "function") return value;
        return async (...args: unknown[]) => {
          await faults.before(String(property), path);
          return (value as (...args: unknown[]) => unknown).apply(target, args);
        };
      },
    });
  return {
    ...real,
    open: async (path: string, ...rest: [never]) => {
      await faults.before("open", path);
      return wrapped(await real.open(path, ...rest), path);
    },
    link: async (from: string, to: string) => {
      await faults.before("link", to);
      return real.link(from, to);
    },
    mkdir: async (path: string, options: { recursive: true }) => {
      await faults.before("mkdir", path);
      return real.mkdir(path, options);
    },
  };
});

function fault(code: string): NodeJS.ErrnoException {
  return Object.assign(new Error(`${code}: planted by the test`), { code });
}

async function newDirectory(): Promise<string> {
  return mkdtemp(join(tmpdir(), "thinkback-test-"));
}

storeConformance("MemoryStore", async () => {
  const store = new MemoryStore();
  return { first: store, second: store, remove: async () => undefined };
});

storeConformance("DirectoryStore", async () => {
  const directory = await newDirectory();
  const place = join(directory, "not", "yet", "there");
  return {
    first: new DirectoryStore(place),
    second: new DirectoryStore(`${place}/`),
    remove: () => rm(directory, { recursive: true }),
  };
});

storeConformance("the part of a store below a prefix", async () => {
  const whole = new MemoryStore();
  await whole.put("lanes/1/log/x", Buffer.from("1"));
  const store = new StoreBelow(whole, "lanes/2/");
  return {
    first: store,
    second: new StoreBelow(whole, "lanes/2/"),
    prefix: "lanes/2/",
    remove: async () => undefined,
  };
});

storeConformance("the part of a store beside a prefix", async () => {
  const whole = new MemoryStore();
  await whole.put("lanes/1/log/x", Buffer.from("1"));
  const store = new StoreBeside(whole, "lanes/");
  return { first: store, second: store, remove: async () => undefined };
});

test("the parts of a store are its objects, each in one part, under their names there", async () => {
  const whole = new MemoryStore();
  for (const name of ["a", "lanes-x", "lanes/1/a", "lanes/10/a", "lanes/2/b", "lanes0", "z"]) {
    await whole.put(name, Buffer.from(name));
  }
  expect(await namesOf(new StoreBelow(whole, "lanes/1/"), "")).toEqual(["a"]);
  expect(await namesOf(new StoreBelow(whole, "lanes/2/"), "b")).toEqual(["b"]);
  const beside = new StoreBeside(whole, "lanes/");
  expect(await namesOf(beside, "")).toEqual(["a", "lanes-x", "lanes0", "z"]);
  expect(await namesOf(beside, "lanes")).toEqual(["lanes-x", "lanes0"]);
  const after = async (name: string) => {
    const names: string[] = [];
    for await (const object of beside.list("", { after: name })) names.push(object.name);
    return names;
  };
  expect(await after("lanes-x")).toEqual(["lanes0", "z"]);
  expect(await after("lanes0")).toEqual(["z"]);
});

describe("DirectoryStore on a file system that fails", () => {
  let directory: string;
  let store: DirectoryStore;
  beforeEach(async () => {
    directory = await newDirectory();
    store = new DirectoryStore(directory);
    await store.put("log/first", Buffer.from("1"));
  });
  afterEach(async () => {
    faults.before = () => undefined;
    await rm(directory, { recursive: true });
  });

  const failAt = (operation: string, code: string) => {
    faults.before = (called) => {
      if (called === operation) throw fault(code);
    };
  };

  const failAtSyncOf = (place: string, when: () => boolean, error = () => fault("EIO")) => {
    faults.before = (called, path) => {
      if (called === "sync" && path === place && when()) throw error();
    };
  };
  const until = async (is: () => boolean) => {
    while (!is()) await new Promise((resolve) => setImmediate(resolve));
  };

  test.each([
    ["writeFile", "ENOSPC"],
    ["sync", "ENOSPC"],
    ["link", "ENOSPC"],
    ["open", "EDQUOT"],
  ])("a full disk at %s (%s) is StoreFull; nothing appears, nothing is left", async (at, code) => {
    failAt(at, code);
    const error: unknown = await store.put("log/second", Buffer.from("2")).catch((e: unknown) => e);
    expect(error).toBeInstanceOf(StoreFull);
    expect(error).toMatchObject({
      code: "full",
      message: `no space left in ${directory} to write object log/second`,
    });
    faults.before = () => undefined;
    expect(await readdir(join(directory, "log"))).toEqual(["first"]);
    await store.put("log/second", Buffer.from("2"));
    expect((await store.get("log/second")).toString()).toBe("2");
  });

  test("a write that fails halfway leaves no part under the name, and no temporary file", async () => {
    failAt("sync", "EIO");
    await expect(store.put("log/torn", Buffer.alloc(1 << 20))).rejects.toThrow("EIO");
    expect(await readdir(join(directory, "log"))).toEqual(["first"]);
  });

  test.each(["open", "writeFile", "sync"])(
    "a put whose caller leaves before %s puts nothing any more, whatever the buffer then holds",
    async (at) => {
      const leaving = new AbortController();
      const reason = new Error("the caller has left");
      faults.before = (operation, path) => {
        if (operation === at && path.includes(".tmp-")) leaving.abort(reason);
      };
      const put = store.put("log/left", Buffer.from("x"), leaving.signal);
      await expect(put).rejects.toBe(reason);
      expect(await readdir(join(directory, "log"))).toEqual(["first"]);
      const calls = [
        () => store.put("log/left", Buffer.from("x"), leaving.signal),
        () => store.get("log/first", undefined, leaving.signal),
        () => store.tail("log/first", 1, leaving.signal),
        () => store.size("log/first", leaving.signal),
        () => store.delete("log/first", leaving.signal),
        () => store.tidy(Date.now(), leaving.signal),
        () => store.keepRoom(leaving.signal),
      ];
      for (const call of calls) await expect(call()).rejects.toBe(reason);
    },
  );

  test("a reader never sees a name before its bytes are synced", async () => {
    const seen: string[] = [];
    faults.before = (operation, path) => {
      if (operation === "open") return;
      seen.push(
        `${operation} ${path.includes(".tmp-") ? "temporary" : path.slice(directory.length)}`,
      );
    };
    await store.put("log/ordered", Buffer.from("x"));
    expect(seen.filter((step) => !/^(close|stat) /.test(step))).toEqual([
      "writeFile temporary",
      "sync temporary",
      "link /log/ordered",
      "sync /log",
    ]);
  });

  describe("whose sync fails after a name was made", () => {
    const named = () => join(directory, "log", "named");
    const isLinked = () => existsSync(named());
    const put = (to: ObjectStore = store) => to.put("log/named", Buffer.from("x"));

    test("has that name synced by the next put, with its bytes, before it is told to be taken", async () => {
      failAtSyncOf(join(directory, "log"), isLinked);
      await expect(put()).rejects.toThrow("EIO");
      await expect(put()).rejects.toThrow("EIO");
      // Whoever comes then, and has not put it.
      await expect(put(new DirectoryStore(directory))).rejects.toThrow("EIO");
      const synced: string[] = [];
      faults.before = (operation, path) => {
        if (operation === "sync") synced.push(path.slice(directory.length));
      };
      await expect(put()).rejects.toBeInstanceOf(ObjectExists);
      expect(synced).toEqual(["/log/named", "/log"]);
      const seen = synced.length;
      await expect(put(new DirectoryStore(directory))).rejects.toBeInstanceOf(ObjectExists);
      expect(synced.slice(seen)).toEqual(expect.arrayContaining(["/log/named", "/log"]));
    });

    test.each(["EIO", "ENOSPC", "EROFS"])(
      "never counts as put while it fails, also if writing then fails (%s)",
      async (code) => {
        failAtSyncOf(join(directory, "log"), isLinked, () => fault(isLinked() ? code : "EIO"));
        const retrying = new RetryingStore(store, systemClock, () => 0, impatient);
        await expect(put(retrying)).rejects.toBeInstanceOf(StoreError);
        await expect(putOnce(retrying, "log/named", Buffer.from("x"))).rejects.toBeInstanceOf(
          StoreError,
        );
        let writes = 0;
        faults.before = (operation) => {
          if (operation === "writeFile" && (writes += 1)) throw fault(code);
        };
        await putOnce(retrying, "log/named", Buffer.from("x"));
        expect(writes).toBe(0);
      },
    );

    test("that hangs, hangs for the next put too, until the name is durable", async () => {
      let release: () => void = () => undefined;
      const hung = new Promise<void>((resolve) => (release = resolve));
      let hanging = 0;
      faults.before = (operation, path) => {
        if (operation !== "sync" || path !== join(directory, "log") || !isLinked()) return;
        hanging += 1;
        return hung;
      };
      const puts = [put(), until(() => hanging === 1).then(() => put())];
      await until(() => hanging === 2);
      expect(await Promise.race([...puts, Promise.resolve("waits")])).toBe("waits");
      release();
      const [first, second] = await Promise.allSettled(puts);
      expect(first).toMatchObject({ status: "fulfilled" });
      expect(second).toMatchObject({ reason: expect.any(ObjectExists) as unknown });
    });

    test("of a deleted one is synced by the next delete", async () => {
      failAtSyncOf(join(directory, "log"), () => true);
      await put().catch(() => undefined);
      await expect(store.delete("log/named")).rejects.toThrow("EIO");
      await expect(store.delete("log/named")).rejects.toThrow("EIO");
      faults.before = () => undefined;
      await store.delete("log/named");
    });
  });

  test("new directories are synced up to the store's own, also where another process made them", async () => {
    await mkdir(join(directory, "bases", "t"), { recursive: true });
    const synced: string[] = [];
    faults.before = (operation, path) => {
      if (operation === "sync" && !path.includes(".tmp-"))
        synced.push(path.slice(directory.length));
    };
    await store.put("bases/t/part", Buffer.from("x"));
    expect(synced).toEqual(["/bases/t", "/bases", "", "/bases/t"]);
  });

  test.each(["EACCES", "EPERM", "EROFS"])("%s says which path, and what to do", async (code) => {
    failAt("open", code);
    for (const attempt of [
      () => store.put("log/no", Buffer.from("x")),
      () => store.get("log/first"),
    ]) {
      const error: unknown = await attempt().catch((e: unknown) => e);
      expect(error).toBeInstanceOf(ThinkbackError);
      expect(error).toMatchObject({
        code: "repository",
        message: expect.stringContaining(`no permission for ${join(directory, "log")}`) as string,
        hint: expect.stringContaining("permissions") as string,
      });
    }
  });

  test.each([
    ["EIO", "unavailable"],
    ["ESTALE", "unavailable"],
    ["ETIMEDOUT", "unavailable"],
    ["EMFILE", "unavailable"],
    ["ENOSPC", "full"],
    ["EDQUOT", "full"],
    ["EACCES", "forbidden"],
    ["EROFS", "forbidden"],
    ["ENAMETOOLONG", "unsupported"],
    ["ELOOP", "unsupported"],
  ])("%s is a failure of the kind %s, with its cause", async (code, kind) => {
    failAt("open", code);
    const put = store.put("log/no", Buffer.from("x"));
    const error: unknown = await put.catch((e: unknown) => e);
    expect(failureOf(error)).toBe(kind);
    expect((error as Error).cause).toMatchObject({ code });
  });

  test.each([
    ["link", "EPERM"],
    ["link", "EOPNOTSUPP"],
    ["link", "ENOTSUP"],
    ["link", "ENOSYS"],
    ["sync", "EINVAL"],
  ])("a file system that refuses %s (%s) is named, and nothing is left", async (at, code) => {
    failAt(at, code);
    const put = store.put("log/second", Buffer.from("x"));
    const error: unknown = await put.catch((e: unknown) => e);
    expect(failureOf(error)).toBe("unsupported");
    expect(error).toMatchObject({
      code: "repository",
      message: expect.stringMatching(/^the file system of .* cannot do what .* needs: /) as string,
      hint: expect.stringContaining("hard links") as string,
    });
    expect(await readdir(join(directory, "log"))).toEqual(["first"]);
  });

  test("temporary files that a killed process left, and foreign files, are not listed", async () => {
    await writeFile(join(directory, "log", ".tmp-5d7b"), "half an obj");
    await writeFile(join(directory, "log", "notes (1).txt"), "not ours");
    await mkdir(join(directory, "lost+found"));
    await writeFile(join(directory, "lost+found", "x"), "not ours");
    await mkdir(join(directory, ".snapshots"));
    await writeFile(join(directory, ".snapshots", "x"), "not ours");
    expect(await namesOf(store, "")).toEqual(["log/first"]);
    expect(await namesOf(store, "log/")).toEqual(["log/first"]);
  });

  test("a file in the place of a directory is told, and not taken for the object", async () => {
    await writeFile(join(directory, "writers"), "not a directory");
    const error: unknown = await store
      .put("writers/1.json", Buffer.from("x"))
      .catch((e: unknown) => e);
    expect(error).not.toBeInstanceOf(ObjectExists);
    expect(error).toMatchObject({ code: "repository" });
    expect((error as Error).message).toContain(join(directory, "writers"));
    expect(failureOf(error)).toBe("unsupported");
  });

  test("a store that went away is told, and not made again", async () => {
    await rename(directory, `${directory}.away`);
    const put = store.put("log/second", Buffer.from("x"));
    await expect(put).rejects.toThrow(`the directory ${directory} is gone`);
    await expect(put).rejects.toBeInstanceOf(StoreUnavailable);
    await expect(readdir(directory)).rejects.toThrow("ENOENT");
    // Where a disk was mounted, an empty directory is left.
    await mkdir(directory);
    await expect(store.put("bases/a", Buffer.from("x"))).rejects.toThrow("is gone");
    expect(await readdir(directory)).toEqual([]);
    await rm(directory, { recursive: true });
    await rename(`${directory}.away`, directory);
    await store.put("log/second", Buffer.from("x"));
    expect(await namesOf(store, "")).toEqual(["log/first", "log/second"]);
  });

  test("directories go with the last object in them, and come again", async () => {
    await store.put("bases/t/1/part", Buffer.from("x"));
    await store.put("bases/t/2/part", Buffer.from("x"));
    await store.delete("bases/t/1/part");
    expect(await readdir(join(directory, "bases", "t"))).toEqual(["2"]);
    await store.delete("bases/t/2/part");
    expect(await readdir(directory)).toEqual(["log"]);
    await store.delete("log/first");
    expect(await readdir(directory)).toEqual([]);
    await store.put("bases/t/1/part", Buffer.from("y"));
    expect((await store.get("bases/t/1/part")).toString()).toBe("y");
  });

  test.each(["open", "writeFile", "link"])(
    "a put whose directory is removed before %s makes it anew, durably",
    async (at) => {
      await store.put("a/b/first", Buffer.from("1"));
      let isRemoved = false;
      const synced: string[] = [];
      faults.before = (operation, path) => {
        if (operation === "sync" && isRemoved && !path.includes(".tmp-"))
          synced.push(path.slice(directory.length));
        const isTemporary = path.includes(".tmp-") || operation === "link";
        if (isRemoved || operation !== at || !isTemporary) return;
        isRemoved = true;
        rmSync(join(directory, "a"), { recursive: true });
      };
      await store.put("a/b/second", Buffer.from("2"));
      expect(isRemoved).toBe(true);
      expect(await namesOf(store, "a/")).toEqual(["a/b/second"]);
      expect(synced).toEqual(["/a/b", "/a", "", "/a/b"]);
    },
  );

  test("a put into a directory that another process made anew syncs that as well", async () => {
    await store.put("a/b/first", Buffer.from("1"));
    await rm(join(directory, "a"), { recursive: true });
    await mkdir(join(directory, "a", "b"), { recursive: true });
    const synced: string[] = [];
    faults.before = (operation, path) => {
      if (operation === "sync" && !path.includes(".tmp-"))
        synced.push(path.slice(directory.length));
    };
    await store.put("a/b/second", Buffer.from("2"));
    expect(synced).toEqual(["/a/b", "/a/b", "/a", ""]);
  });

  test("an object that is deleted with its directory at once was put, and does not come back", async () => {
    faults.before = (operation, path) => {
      if (operation !== "open" || path !== join(directory, "log")) return;
      rmSync(path, { recursive: true, force: true });
    };
    await store.put("log/second", Buffer.from("2"));
    expect(await namesOf(store, "")).toEqual([]);
  });

  test("what makes room is written with room kept aside; no listing shows that", async () => {
    await store.keepRoom();
    const reserved = (await readdir(directory)).filter((name) => name.startsWith(".reserve-"));
    expect(reserved).toHaveLength(16);
    expect(await namesOf(store, "")).toEqual(["log/first"]);
    let blocks = 3;
    const isReserved = async () =>
      (await readdir(directory)).filter((name) => name.startsWith(".reserve-")).length;
    faults.before = (operation) => {
      if (operation === "writeFile" && (blocks -= 1) >= 0) throw fault("ENOSPC");
    };
    await store.putUrgently("leases/1", Buffer.from("x"));
    expect(await isReserved()).toBe(13);
    await store.keepRoom();
    expect(await isReserved()).toBe(16);
    failAt("writeFile", "ENOSPC");
    await expect(store.putUrgently("leases/2", Buffer.from("x"))).rejects.toThrow(StoreFull);
    expect(await isReserved()).toBe(0);
    await store.keepRoom();
    expect(await isReserved()).toBe(0);
  });

  test("tidy removes what is empty, and what was left of old puts; not what is not the store's", async () => {
    for (const empty of ["bases/t/1", "bases/t/2", "folded/3", "log/2"])
      await mkdir(join(directory, empty), { recursive: true });
    await mkdir(join(directory, ".snapshots"));
    await mkdir(join(directory, "lost+found"));
    await mkdir(join(directory, "holds"));
    const now = Date.now();
    for (const [place, age] of [
      ["holds/.tmp-old", 2],
      ["log/.tmp-young", 0],
      ["log/notes (1)", 2],
    ] as const) {
      await writeFile(join(directory, place), "x");
      await utimes(
        join(directory, place),
        (now - age * 86_400_000) / 1000,
        now / 1000 - age * 86_400,
      );
    }
    await store.tidy(now - 86_400_000);
    expect((await readdir(directory)).sort()).toEqual([".snapshots", "log", "lost+found"]);
    expect((await readdir(join(directory, "log"))).sort()).toEqual([
      ".tmp-young",
      "first",
      "notes (1)",
    ]);
  });

  test("a directory that does not exist holds nothing", async () => {
    const absent = new DirectoryStore(join(directory, "absent"));
    expect(await namesOf(absent, "")).toEqual([]);
    expect(await absent.size("log/first")).toBeUndefined();
    await absent.delete("log/first");
    expect(await readdir(directory)).toEqual(["log"]);
  });

  describe("with symbolic links", () => {
    let elsewhere: string;
    const link = (to: string, ...place: string[]) => symlink(to, join(directory, ...place));
    const told = async (prefix: string) =>
      namesOf(store, prefix).catch((error: unknown) => (error as Error).message);

    beforeEach(async () => {
      elsewhere = await newDirectory();
    });
    afterEach(() => rm(elsewhere, { recursive: true }));

    test("what was moved to another disk is listed, read, written and tidied as before", async () => {
      const names = ["bases/t/1/manifest", "bases/t/1/part", "bases/t/2/part", "log/first"];
      for (const name of names.slice(0, 3)) await store.put(name, Buffer.from("x"));
      await rename(join(directory, "bases", "t"), join(elsewhere, "t"));
      await link(join(elsewhere, "t"), "bases", "t");
      await rename(join(elsewhere, "t", "1", "part"), join(elsewhere, "a part"));
      await symlink(join(elsewhere, "a part"), join(elsewhere, "t", "1", "part"));
      expect(await told("")).toEqual(names);
      expect(await told("bases/t/1/")).toEqual(names.slice(0, 2));
      expect(await told("bases/t/2")).toEqual(names.slice(2, 3));
      expect(await told("ba")).toEqual(names.slice(0, 3));
      const after: string[] = [];
      for await (const { name } of store.list("", { after: names[0]! })) after.push(name);
      expect(after).toEqual(names.slice(1));
      await store.put("bases/t/3/part", Buffer.from("y"));
      expect(await readdir(join(elsewhere, "t"))).toEqual(["1", "2", "3"]);
      await store.deleteMany(["bases/t/3/part", "bases/t/2/part"]);
      await writeFile(join(elsewhere, "t", "1", ".tmp-left"), "x");
      await mkdir(join(elsewhere, "t", "4"));
      await store.tidy(Date.now() + 60_000);
      expect(await readdir(join(elsewhere, "t"))).toEqual(["1"]);
      expect(await readdir(join(elsewhere, "t", "1"))).toEqual(["manifest", "part"]);
    });

    test("one that leads nowhere is a disk that is away, for each listing through it", async () => {
      await link(join(elsewhere, "unmounted"), "bases");
      const message = `${join(directory, "bases")} is a symbolic link that leads nowhere`;
      for (const prefix of ["", "bases/", "bases/t/1/", "ba", "log"]) {
        expect(await told(prefix)).toBe(message);
      }
      expect(await told("log/")).toEqual(["log/first"]);
      await rm(join(directory, "bases"));
      await link(join(elsewhere, "unmounted"), ".snapshots");
      expect(await told("")).toEqual(["log/first"]);
      const itself = join(elsewhere, "repository");
      await symlink(join(elsewhere, "unmounted"), itself);
      const listing = namesOf(new DirectoryStore(itself), "");
      await expect(listing).rejects.toBeInstanceOf(StoreUnavailable);
    });

    test("those that lead in a circle are refused by name", async () => {
      await link(directory, "log", "above");
      for (const prefix of ["", "log/"]) {
        expect(await told(prefix)).toMatch(
          /log.above is a symbolic link to a directory that holds/,
        );
      }
      await rm(join(directory, "log", "above"));
      await symlink(join(directory, "log"), join(elsewhere, "back"));
      await link(elsewhere, "log", "out");
      expect(await told("")).toMatch(/log.out.back is a symbolic link to a directory that holds/);
      await rm(join(directory, "log", "out"));
      await symlink("itself", join(directory, "itself"));
      expect(await told("")).toMatch(/ELOOP/);
    });
  });
});
