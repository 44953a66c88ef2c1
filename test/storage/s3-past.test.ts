import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { systemClock } from "../../src/clock.js";
import { failureOf, ObjectMissing } from "../../src/storage/object-store.js";
import { impatient } from "../../src/storage/retrying-store.js";
import { parseS3Location } from "../../src/storage/s3/location.js";
import { S3PastStore } from "../../src/storage/s3/past-store.js";
import { S3Store } from "../../src/storage/s3/s3-store.js";
import { asOf, storeAt } from "../../src/storage/store-at.js";
import { namesOf } from "./conformance.js";
import { FakeS3 } from "./fake-s3.js";
import { hasMoto, startMoto, useTestCredentials } from "./s3-servers.js";

useTestCredentials();

const text = (value: string) => Buffer.from(value);
const dayMs = 86_400_000;

let fake: FakeS3;
let store: S3Store;
beforeEach(async () => {
  fake = await FakeS3.start({ isVersioned: true, pageObjects: 3 });
  store = new S3Store(parseS3Location(fake.at("place")), systemClock);
});
afterEach(() => fake.stop());

/** Some seconds later, the server's instant, in whole seconds as versions have them. */
function later(seconds = 10): number {
  fake.clockOffsetMs += seconds * 1000;
  return Math.floor(fake.now() / 1000) * 1000;
}

const at = (instant: number) => new S3PastStore(parseS3Location(fake.at("place")), instant);

describe("a bucket as it was", () => {
  const names = ["a", "a-b", "a/b/c", "a0", "b", "log/1", "log/10", "log/2"];

  test("shows what was there then, whatever has been deleted, replaced or added since", async () => {
    const empty = later();
    later();
    for (const name of names) await store.put(name, text(`${name} first`));
    const first = later();
    later();
    await store.deleteMany(names.slice(2, 6));
    const fewer = later();
    later();
    // An attacker may put without a condition.
    for (const name of names) fake.bucket.put(`place/${name}`, text("forged"), {}, undefined);
    await store.put("zzz", text("new"));
    later();
    for (const name of [...names, "zzz"]) await store.delete(name);
    expect(await namesOf(store, "")).toEqual([]);

    expect(await namesOf(at(empty), "")).toEqual([]);
    const past = at(first);
    expect(await namesOf(past, "")).toEqual(names);
    expect(await namesOf(past, "log/")).toEqual(["log/1", "log/10", "log/2"]);
    expect(await namesOf(at(fewer), "")).toEqual(["a", "a-b", "log/10", "log/2"]);
    // With what the listing has found, and without.
    for (const one of [past, at(first)]) {
      for (const name of names) {
        const bytes = text(`${name} first`);
        expect(await one.get(name)).toEqual(bytes);
        expect(await one.get(name, { start: 1, end: 3 })).toEqual(bytes.subarray(1, 3));
        expect(await one.tail(name, 2)).toEqual({ bytes: text("st"), size: bytes.length });
        expect(await one.size(name)).toBe(bytes.length);
      }
      expect(await one.size("zzz")).toBeUndefined();
      await expect(one.get("lo")).rejects.toBeInstanceOf(ObjectMissing);
    }
  });

  test("is listed from behind a name on, and in the order of bytes", async () => {
    for (const name of names.toReversed()) await store.put(name, text(name));
    const past = at(later());
    for (const after of ["", "a", "a/", "a-b", "log/1", "log/11", "zzz"]) {
      const found: string[] = [];
      for await (const { name } of past.list("", { after })) found.push(name);
      expect(found, after).toEqual(names.filter((name) => name > after));
    }
  });

  test("shows an object once that has more versions than a page", async () => {
    for (let i = 0; i < 10; i += 1) {
      fake.bucket.put("place/a", text(`${i}`), {}, undefined);
      later(1);
    }
    await store.put("b", text("b"));
    const past = at(fake.now());
    expect(await namesOf(past, "")).toEqual(["a", "b"]);
    expect((await past.get("a")).toString()).toBe("9");
  });

  test("of one second with a put and a delete, shows what is last if it is current, else the object", async () => {
    const then = later();
    fake.clockStandsAt = then;
    await store.put("deleted", text("x"));
    await store.delete("deleted");
    await store.put("back", text("1"));
    await store.delete("back");
    await store.put("back", text("2"));
    await store.put("unclear", text("x"));
    await store.delete("unclear");
    expect(await namesOf(at(then), "")).toEqual(["back"]);
    expect((await at(then).get("back")).toString()).toBe("2");
    fake.clockStandsAt = then + 10_000;
    await store.put("unclear", text("later"));
    expect(await namesOf(at(then), "")).toEqual(["back", "unclear"]);
    expect((await at(then).get("unclear")).toString()).toBe("x");
  });

  test("cannot be written to", async () => {
    await store.put("a", text("x"));
    const past = at(later());
    for (const change of [past.put(), past.delete()]) {
      const error: unknown = await change.catch((e: unknown) => e);
      expect(failureOf(error)).toBe("unsupported");
    }
    expect((await store.get("a")).toString()).toBe("x");
  });

  test("is refused if the bucket keeps no versions", async () => {
    const plain = await FakeS3.start();
    try {
      await storeAt(plain.at("place")).put("a", text("x"));
      const past = storeAt(asOf(plain.at("place"), Date.now()), impatient);
      for (const look of [() => past.get("a"), () => past.size("a"), () => namesOf(past, "")]) {
        const error: unknown = await look().catch((e: unknown) => e);
        expect(failureOf(error)).toBe("unsupported");
        expect((error as Error).message).toContain("keeps no versions");
      }
    } finally {
      await plain.stop();
    }
  });
});

test.skipIf(!hasMoto())("a bucket of moto_server is read as it was", async () => {
  const moto = await startMoto();
  try {
    // A bucket with locks has versions.
    await moto.makeBucket("past", { locks: true });
    const location = `s3://past/place?endpoint=${moto.endpoint}`;
    const now = storeAt(location, impatient);
    for (const name of ["a", "b/1", "b/2"]) await now.put(name, text(name));
    const then = Date.now();
    // Versions have whole seconds.
    await new Promise((done) => setTimeout(done, 1500));
    await now.deleteMany!(["a", "b/1"]);
    await now.put("a", text("forged"));
    await now.put("c", text("c"));
    expect(await namesOf(now, "")).toEqual(["a", "b/2", "c"]);
    const past = storeAt(asOf(location, then), impatient);
    expect(await namesOf(past, "")).toEqual(["a", "b/1", "b/2"]);
    expect((await past.get("a")).toString()).toBe("a");
    expect((await past.tail("b/1", 1)).bytes.toString()).toBe("1");
  } finally {
    await moto.stop();
  }
});

describe("a lock", () => {
  const locked = (options = "&lock=30d") => storeAt(fake.at("place", options), impatient);
  const lockOf = (name: string) => fake.bucket.find(`place/${name}`)?.lock;

  test("is put on each object, and extended but never shortened", async () => {
    const soon = locked();
    await soon.put("a", text("x"));
    const first = lockOf("a")!;
    expect(first.mode).toBe("GOVERNANCE");
    await soon.extendLock!("a", Date.now() + 10 * dayMs);
    expect(lockOf("a")).toEqual(first);
    const until = Date.now() + 60 * dayMs;
    await soon.extendLock!("a", until);
    expect(lockOf("a")).toEqual({ mode: "GOVERNANCE", until });
  });

  test("of a stricter mode stays as strict", async () => {
    await locked("&lock=1d&lockMode=COMPLIANCE").put("a", text("x"));
    await locked().extendLock!("a", Date.now() + 60 * dayMs);
    expect(lockOf("a")!.mode).toBe("COMPLIANCE");
  });

  test("can be put on an object that had none", async () => {
    await store.put("a", text("x"));
    const until = Date.now() + 60 * dayMs;
    await locked().extendLock!("a", until);
    expect(lockOf("a")).toEqual({ mode: "GOVERNANCE", until });
  });

  test("of an object that is not there is refused", async () => {
    const extending = locked().extendLock!("none", Date.now() + dayMs);
    await expect(extending).rejects.toBeInstanceOf(ObjectMissing);
  });

  test("that is extended by two at once lasts as long as the longer of both", async () => {
    await locked().put("a", text("x"));
    const lengths = Array.from({ length: 12 }, (_, i) => Date.now() + (31 + i) * dayMs);
    await Promise.all(lengths.map((until) => locked().extendLock!("a", until)));
    expect(lockOf("a")!.until).toBe(Math.max(...lengths));
  });

  test("is nothing that a place without the option has", () => {
    for (const place of [store, locked("")])
      expect(Reflect.get(place, "extendLock")).toBeUndefined();
  });
});
