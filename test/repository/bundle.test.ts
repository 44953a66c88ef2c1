/**
 * A bundle repeats objects, and is never believed over them: one that cannot be used, or is behind, changes nothing but
 * the number of reads; and one that says what is not so is found by verify and made anew by repair.
 */
import { beforeAll, describe, expect, test } from "vitest";
import { DataObject } from "../../src/format/data-object.js";
import type { Repository } from "../../src/format/description.js";
import { decodeJsonObject, encodeJsonObject } from "../../src/format/json-object.js";
import { bundleName, parseFoldedName, parseManifestName } from "../../src/format/names.js";
import { DataObjectWriter } from "../../src/format/object-writer.js";
import { readManifest } from "../../src/repository/bases/base.js";
import { bundlesKept, listBundles, readBundle } from "../../src/repository/bundle.js";
import { LogView } from "../../src/repository/log/log-view.js";
import { type Drill, putDrill } from "../../src/repository/records/drills.js";
import { latestExpiry, nextExpiry, putExpiry } from "../../src/repository/registers/expiry.js";
import { openRepository } from "../../src/repository/repository.js";
import type { MemoryStore } from "../../src/storage/memory-store.js";
import type { ObjectStore } from "../../src/storage/object-store.js";
import { sweep } from "../../src/upkeep/sweep.js";
import { kindOf, type ObjectKind } from "../../src/verify/object-kinds.js";
import { repair } from "../../src/verify/repair.js";
import { verify } from "../../src/verify/verify.js";
import { laterData } from "../format/later-version.js";
import { overriding } from "../simulation/overriding.js";
import { PatientClock } from "../verify/world.js";
import { agedEnd, agedRepository, agedTables } from "./aged.js";
import { LatentStore } from "./latent-store.js";
import { bundledObjects, planSweep, readStatus, renewBundle } from "./looks.js";
import { copyOf, namesIn, restoredAt } from "./recording.js";

let repository: Repository;
/** Its newest bundle lacks nothing. */
let store: MemoryStore;
let newest: string;

const drill: Drill = {
  unique: "0123456789ab",
  begun: agedEnd - 5,
  ended: agedEnd,
  instant: agedEnd - 1000,
  class: "exact",
  ok: true,
  server: null,
  documents: 20,
  bytes: 500,
  seconds: 1,
  documentsPerSecond: 20,
  bytesPerSecond: 500,
  tables: [
    {
      id: agedTables[0]!,
      name: "shop.t1",
      ok: true,
      rows: 20,
      bytes: 500,
      seconds: 1,
      digest: "00ff00ff00ff00ff",
    },
  ],
};

beforeAll(async () => {
  repository = await agedRepository(15);
  await putDrill(repository.store, drill);
  newest = (await renewBundle(repository, { at: agedEnd, lackingMax: 0 }))!;
  store = await copyOf(repository.store);
}, 120_000);

const within = (other: ObjectStore): Repository => ({ ...repository, store: other });

/** What status says, and which objects it read. */
async function look(of: MemoryStore) {
  const latent = new LatentStore(of, 1);
  return { status: await readStatus(await openRepository(latent)), read: latent.read };
}

const withoutBundles = async (of: MemoryStore) => {
  const names = await namesIn(of, "bundles/");
  return copyOf(of, Object.fromEntries(names.map((name) => [name, undefined])));
};

/** Verify's findings. */
async function damageOf(of: ObjectStore) {
  return (await verify(of, { share: 1, random: () => 0 })).report.damage;
}

/** The bundle of a repository in which some objects are others. */
async function bundleOf(changes: Record<string, Buffer | undefined>): Promise<Buffer> {
  const other = await withoutBundles(await copyOf(store, changes));
  for (const name of await namesIn(store, "bundles/")) {
    if (name !== newest) await other.put(name, await store.get(name));
  }
  expect(await renewBundle(within(other), { at: agedEnd, anew: true })).toBe(newest);
  return other.get(newest);
}

/** The JSON object with some fields changed, of the same length. */
async function altered(name: string, type: string, change: (fields: never) => object) {
  const bytes = await store.get(name);
  const { thinkback, version, checksum, ...fields } = decodeJsonObject(bytes, name, type);
  expect([thinkback, version, typeof checksum]).toEqual([type, 1, "string"]);
  const other = encodeJsonObject(type, change(fields as never));
  expect(other.length).toBe(bytes.length);
  expect(other.equals(bytes)).toBe(false);
  return other;
}

const flipped = (bytes: Buffer, at = Math.floor(bytes.length / 2)) => {
  const copy = Buffer.from(bytes);
  copy[at]! ^= 0x10;
  return copy;
};

test("what cannot be read is no reason for another bundle, however much there is of it", async () => {
  const copy = await copyOf(store);
  for (let i = 0; i < 40; i += 1) {
    await copy.put(
      `drills/${String(i).padStart(15, "0")}-${String(i).padStart(12, "0")}.json`,
      Buffer.from("x"),
    );
  }
  expect(await renewBundle({ ...repository, store: copy }, { at: agedEnd })).toBeUndefined();
});

describe("what a bundle repeats", () => {
  test("is all that grows with the age of a repository, byte for byte", async () => {
    const { objects, repository: id } = await readBundle(store, newest);
    expect(id).toBe(repository.description.id);
    const kinds = new Set<ObjectKind | undefined>();
    for (const [name, { bytes }] of objects) {
      expect(bytes.equals(await store.get(name)), name).toBe(true);
      kinds.add(kindOf(name));
    }
    expect(kinds).toEqual(
      new Set([
        "base manifest",
        "claim",
        "drill",
        "folded manifest",
        "folded records",
        // Of each of these the last one.
        "expiry",
        "settings",
      ]),
    );
    const { pieces } = await LogView.read(store);
    const folded = pieces.filter(({ kind }) => kind === "folded").map(({ name }) => name);
    expect([...objects.keys()]).toEqual(expect.arrayContaining(folded));
    expect(folded.length).toBeGreaterThan(40);
  });

  test("is lines of JSON that are in order", async () => {
    const object = await DataObject.open(store, newest, "bundle");
    const names: string[] = [];
    for (const entry of object.index.frames) {
      const lines = (await object.readFrame(entry)).toString().trimEnd().split("\n");
      for (const line of lines) {
        const { k, t, n, d } = JSON.parse(line) as { k: string; t: number; n: number; d: unknown };
        const bytes = await store.get(k);
        expect([t, n]).toEqual([agedEnd, bytes.length]);
        expect(d).toEqual(
          k.endsWith(".json") ? JSON.parse(bytes.toString()) : bytes.toString("base64"),
        );
        names.push(k);
      }
    }
    expect(names.length).toBeGreaterThan(60);
    expect(names).toEqual([...names].sort());
  });

  test("is not read one by one, and makes no difference to what is said", async () => {
    const { status, read } = await look(store);
    const { objects } = await readBundle(store, newest);
    expect(read.filter((name) => objects.has(name))).toEqual([]);
    const without = await look(await withoutBundles(store));
    expect(status).toEqual(without.status);
    expect(without.read.filter((name) => objects.has(name)).length).toBeGreaterThan(60);
    expect(status.lastProven?.done).toBe(agedEnd);
  });

  test("is not what is damaged itself: that may be put back as it was", async () => {
    const name = (await namesIn(store, "bases/")).find((of) => parseManifestName(of))!;
    const other = await copyOf(store, { [name]: flipped(await store.get(name)) });
    const renewed = await renewBundle(within(other), { at: agedEnd, anew: true });
    const { objects } = await readBundle(other, renewed!);
    expect(objects.size).toBe((await readBundle(store, newest)).objects.size - 1);
    expect(objects.has(name)).toBe(false);
  });
});

describe("a bundle", () => {
  const unusable: Record<string, (bytes: Buffer) => Buffer | undefined | Promise<Buffer>> = {
    "that is missing": () => undefined,
    "that is cut short": (bytes) => bytes.subarray(0, bytes.length - 100),
    "of which a byte of a frame is another": (bytes) => flipped(bytes),
    "of which a byte of the index is another": (bytes) => flipped(bytes, bytes.length - 60),
    "of a later version": laterData,
    "that has another's name": () => store.get(bundleName(1)),
    "that is none": () => store.get("repository.json"),
    "of another repository": async () => {
      const description = { ...repository.description, id: "00000000-0000-4000-8000-00000000000a" };
      const other = { description, store: await copyOf(store, { [newest]: undefined }) };
      expect(await renewBundle(other, { at: agedEnd, anew: true })).toBe(newest);
      return other.store.get(newest);
    },
  };

  test.each(Object.keys(unusable))("%s changes nothing but what is read", async (how) => {
    const bytes = await unusable[how]!(await store.get(newest));
    // Without those before it: of one that is missing, the one before would be taken.
    const others = (await namesIn(store, "bundles/")).map((name) => [name, undefined]);
    const changes = { ...Object.fromEntries(others), [newest]: bytes };
    const other = await copyOf(store, changes as Record<string, Buffer>);
    expect((await bundledObjects(within(other))).size).toBe(0);
    const { status, read } = await look(other);
    expect(status).toEqual((await look(store)).status);
    expect(read.length).toBeGreaterThan((await look(store)).read.length + 60);
    // Verify names it; and the next maintenance makes one that can be used.
    const damage = (await damageOf(other)).map(({ object, costs, refuses }) => ({
      object,
      costs,
      refuses,
    }));
    const named = { object: newest, costs: [], refuses: undefined };
    expect(damage).toEqual(bytes ? [named] : []);
    await renewBundle(within(other), { at: agedEnd });
    expect((await bundledObjects(within(other))).size).toBeGreaterThan(60);
    expect(await damageOf(other)).toEqual([]);
  });

  const sealed: Record<string, string> = {
    "is not JSON": "so it is not",
    "has no name": '{"k":7,"t":1,"n":3,"d":{}}',
    "has no object": '{"k":"repository.json","t":1,"n":3,"d":null}',
    "has another number of bytes": '{"k":"repository.json","t":1,"n":4,"d":{}}',
    "has no text in base64": '{"k":"folded/a/coverage-000000.zst","t":1,"n":3,"d":[1]}',
  };

  test.each(Object.keys(sealed))("of which a line %s is refused as a whole", async (what) => {
    const sound = '{"k":"settings/a.json","t":1,"n":3,"d":{}}';
    const encoded = (line: string) => {
      const writer = new DataObjectWriter("bundle");
      writer.addFrame(Buffer.from(`${sound}\n${line}\n`), 2);
      return writer.finish({ repository: repository.description.id, number: 9, at: 1 }).bytes;
    };
    const name = bundleName(9);
    const other = await copyOf(store, { [name]: encoded(sealed[what]!) });
    await expect(readBundle(other, name)).rejects.toMatchObject({ code: "damaged", object: name });
    expect((await bundledObjects(within(other))).size).toBe(0);
    const right = await copyOf(store, { [name]: encoded(sound) });
    expect([...(await bundledObjects(within(right)))]).toEqual([
      ["settings/a.json", { bytes: Buffer.from("{}\n"), storedBytes: 3 }],
    ]);
  });

  test("is not taken for that of a repository that does not say which it is", async () => {
    const nameless = { store, description: { created: 0 } as Repository["description"] };
    expect((await bundledObjects(nameless)).size).toBe(0);
    const none = await withoutBundles(store);
    expect((await bundledObjects({ ...nameless, store: none })).size).toBe(0);
  });

  test("tells nothing of what is not listed any more", async () => {
    const { pieces } = await LogView.read(store);
    const folded = pieces.filter(({ kind }) => kind === "folded");
    const base = (await namesIn(store, `bases/${agedTables[1]}/`)).find(parseManifestName)!;
    const gone = { [folded[3]!.name]: undefined, [base]: undefined };
    const other = await copyOf(store, gone);
    const { status } = await look(other);
    expect(status).toEqual((await look(await withoutBundles(other))).status);
    expect(status).not.toEqual((await look(store)).status);
  });

  test("tells nothing of what has another size by now", async () => {
    const name = (await namesIn(store, "folded/")).filter((of) => parseFoldedName(of))[2]!;
    const other = await copyOf(store, { [name]: (await store.get(name)).subarray(0, 300) });
    const { status } = await look(other);
    expect(status).toEqual((await look(await withoutBundles(other))).status);
    expect(status.tables[0]!.intervals.map((of) => of.class)).toContain("damaged");
    expect((await damageOf(other)).map(({ object }) => object)).toEqual([name]);
  });

  test("does not stand for a manifest that a restore needs", async () => {
    const [table] = agedTables as [string];
    const documents = await restoredAt(store, table, agedEnd - 60_000);
    const bases = (await namesIn(store, `bases/${table}/`)).filter(parseManifestName);
    const flips = await Promise.all(
      bases.map(async (name) => [name, flipped(await store.get(name))] as const),
    );
    const last = flips.at(-1)!;
    const other = await copyOf(store, { [last[0]]: last[1] });
    // An older base does as well.
    expect(await restoredAt(other, table, agedEnd - 60_000)).toEqual(documents);
    const none = await copyOf(store, Object.fromEntries(flips));
    await expect(restoredAt(none, table, agedEnd - 60_000)).rejects.toThrow("is damaged");
    expect((await damageOf(other)).map(({ object }) => object)).toEqual([last[0]]);
  });
});

describe("a bundle that says what is not so", () => {
  const lies: Record<string, () => Promise<[name: string, bytes: Buffer]>> = {
    "of a claim": async () => {
      const name = (await namesIn(store, "writers/"))[0]!;
      const change = (fields: { started: number }) => ({ ...fields, started: fields.started + 1 });
      return [name, await altered(name, "writer", change)];
    },
    "of a folded segment": async () => {
      const name = (await namesIn(store, "folded/")).find((of) => parseFoldedName(of))!;
      const change = (fields: { published: number }) => ({ ...fields, published: agedEnd - 7 });
      return [name, await altered(name, "folded", change)];
    },
    "of a drill": async () => {
      const name = (await namesIn(store, "drills/"))[0]!;
      const change = (fields: Drill) => ({ ...fields, instant: fields.instant - 1 });
      return [name, await altered(name, "drill", change)];
    },
  };

  test.each(Object.keys(lies))("%s is damage that costs nothing, and is made anew", async (of) => {
    const [name, bytes] = await lies[of]!();
    const lying = await bundleOf({ [name]: bytes });
    const other = await copyOf(store, { [newest]: lying });
    expect(await damageOf(other)).toEqual([
      {
        object: newest,
        what: `its copy of ${name} differs from the object`,
        costs: [],
        refuses: undefined,
        isOfKeys: false,
      },
    ]);
    const options = { data: false, settleMs: 0, unique: "repair1" };
    const owner = { host: "test", process: 3, isAlive: () => false };
    const clock = new PatientClock(agedEnd + 600_000);
    const { repaired } = await repair(other, { ...options, clock, owner });
    const by = (await listBundles(other)).at(-1)!.name;
    expect(by > newest).toBe(true);
    expect(repaired).toMatchObject([{ object: newest, outcome: "rebuilt", by: [by] }]);
    expect(await damageOf(other)).toEqual([]);
    expect((await look(other)).status).toEqual((await look(store)).status);
  });

  test("of a base whose manifest is damaged is not blamed for that", async () => {
    const name = (await namesIn(store, "bases/")).find((of) => parseManifestName(of))!;
    const other = await copyOf(store, { [name]: flipped(await store.get(name)) });
    expect((await damageOf(other)).map(({ object }) => object)).toEqual([name]);
    await expect(readManifest(other, name)).rejects.toThrow(name);
  });
});

describe("renewing a bundle", () => {
  const options = { at: agedEnd };

  test("is left until more than some objects are in none", async () => {
    const { size } = (await readBundle(store, newest)).objects;
    const none = await withoutBundles(store);
    expect(await renewBundle(within(none), { ...options, lackingMax: size })).toBeUndefined();
    expect(await namesIn(none, "bundles/")).toEqual([]);
    expect(await renewBundle(within(none), { ...options, lackingMax: size - 1 })).toBe(
      bundleName(1),
    );
    expect(await renewBundle(within(none), { ...options, lackingMax: 0 })).toBeUndefined();
    const more = { ...drill, unique: "1123456789ab" };
    await putDrill(none, more);
    expect(await renewBundle(within(none), { ...options, lackingMax: 1 })).toBeUndefined();
    expect(await renewBundle(within(none), { ...options, lackingMax: 0 })).toBe(bundleName(2));
  });

  test("leaves out what was expired, and what others stand for", async () => {
    const base = (await namesIn(store, "bases/")).find((of) => parseManifestName(of))!;
    const folded = (await namesIn(store, "folded/")).find((of) => parseFoldedName(of))!;
    // The same in the same place, under another name: one of the two is in use.
    const twin = folded.replace(/[a-z0-9]+\/manifest/, "zz/manifest");
    const other = await copyOf(store, { [twin]: await store.get(folded) });
    const expiry = nextExpiry(await latestExpiry(other), agedEnd);
    await putExpiry(other, { ...expiry, bases: { ...expiry.bases, [base]: agedEnd } });
    const renewed = await renewBundle(within(other), { ...options, anew: true });
    const { objects } = await readBundle(other, renewed!);
    expect([base, folded, twin].filter((name) => objects.has(name))).toHaveLength(1);
    expect(objects.has(base)).toBe(false);
  });

  test("puts nothing where somebody else did, or once the lease is gone", async () => {
    const other = await copyOf(store);
    const racing = overriding(other as ObjectStore, {
      put: async (name, bytes) => {
        await other.put(name, await store.get(newest));
        await other.put(name, bytes);
      },
    });
    const anew = { ...options, anew: true };
    expect(await renewBundle(within(racing), anew)).toBeUndefined();
    expect(await listBundles(other)).toHaveLength((await listBundles(store)).length + 1);
    const before = await namesIn(store);
    const signal = {
      throwIfAborted: () => {
        throw new Error("the lease is gone");
      },
    };
    await expect(renewBundle(within(store), { ...anew, signal })).rejects.toThrow("lease is gone");
    expect(await namesIn(store)).toEqual(before);
  });

  test("leaves the last few to who has listed them, and a sweep deletes those before", async () => {
    const other = await copyOf(store);
    for (let round = 0; round < 5; round += 1) {
      await renewBundle(within(other), { ...options, anew: true });
    }
    const before = await namesIn(other, "bundles/");
    const now = agedEnd + 1;
    const plan = await planSweep(within(other), {
      now,
      aged: now,
      graceMs: 86_400_000,
      holdsBegan: [],
    });
    await sweep(within(other), plan);
    expect(await namesIn(other, "bundles/")).toEqual(before.slice(-bundlesKept));
    expect(before.length).toBeGreaterThan(bundlesKept);
  });

  test("that is gone when it is read is as if it had not been listed, and no damage", async () => {
    const gone = await copyOf(store, { [newest]: undefined });
    const vanishing = overriding(gone as ObjectStore, { list: (prefix) => store.list(prefix) });
    expect((await bundledObjects(within(vanishing))).size).toBe(0);
    expect(await damageOf(vanishing)).toEqual([]);
  });

  test("passes on that the store fails", async () => {
    const failing = overriding(store as ObjectStore, {
      get: (name, range) =>
        name === newest ? Promise.reject(new Error("no network")) : store.get(name, range),
      tail: (name, bytes) =>
        name === newest ? Promise.reject(new Error("no network")) : store.tail(name, bytes),
    });
    await expect(bundledObjects(within(failing))).rejects.toThrow("no network");
    await expect(renewBundle(within(failing), options)).rejects.toThrow("no network");
  });
});
