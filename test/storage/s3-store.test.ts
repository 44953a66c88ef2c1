import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { type Clock, systemClock } from "../../src/clock.js";
import {
  failureOf,
  ObjectExists,
  type ObjectStore,
  type StoreFailure,
} from "../../src/storage/object-store.js";
import { refuseOverwriting } from "../../src/storage/probe.js";
import { endless, impatient, RetryingStore } from "../../src/storage/retrying-store.js";
import { parseS3Location } from "../../src/storage/s3/location.js";
import { S3Store } from "../../src/storage/s3/s3-store.js";
import { namesOf, storeConformance } from "./conformance.js";
import { FakeS3, type S3Faults } from "./fake-s3.js";
import { S3Refusal } from "./fake-s3-bucket.js";
import { hasMoto, type MotoServer, startMoto, useTestCredentials } from "./s3-servers.js";

useTestCredentials();

const text = (value: string) => Buffer.from(value);
const storeOf = (location: string) => new S3Store(parseS3Location(location), systemClock);

/** A clock of which ten seconds take a millisecond when it sleeps. */
const hasty: Clock = {
  now: () => systemClock.now(),
  monotonicMs: () => systemClock.monotonicMs(),
  sleep: (ms, signal) => systemClock.sleep(ms < 60_000 ? ms / 10_000 : ms, signal),
};
const asking = (store: ObjectStore, patience = endless) =>
  new RetryingStore(store, hasty, Math.random, patience);

async function failing(work: Promise<unknown>): Promise<Error & { hint?: string }> {
  const error: unknown = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error, "nothing was thrown").toBeInstanceOf(Error);
  return error as Error;
}

storeConformance("S3Store on the fake server", async () => {
  const fake = await FakeS3.start();
  const location = fake.at("some/place");
  return { first: storeOf(location), second: storeOf(location), remove: () => fake.stop() };
});

storeConformance("S3Store at the root of a bucket with versions and locks", async () => {
  const fake = await FakeS3.start({ isVersioned: true });
  const location = fake.at("", "&lock=30d");
  return { first: storeOf(location), second: storeOf(location), remove: () => fake.stop() };
});

storeConformance("S3Store that is asked again, on a server with faults", async () => {
  const fake = await FakeS3.start();
  const faults: Partial<S3Faults> = {
    conflictEvery: 5,
    loseReplyEvery: 7,
    resetEvery: 11,
    cutBodyEvery: 4,
    shortBodyEvery: 5,
    slowDownEvery: 9,
  };
  Object.assign(fake.faults, faults);
  const location = fake.at("place");
  return {
    first: asking(storeOf(location)),
    second: asking(storeOf(location)),
    remove: () => fake.stop(),
    losesReplies: true,
  };
});

const motoIsThere = hasMoto();
test.skipIf(!motoIsThere)("moto_server is installed, and is tested too", () => undefined);

describe.runIf(motoIsThere)("on moto", () => {
  let moto: MotoServer;
  let places = 0;
  beforeAll(async () => {
    moto = await startMoto();
    await moto.makeBucket("bucket");
    await moto.makeBucket("locked", { locks: true });
  });
  afterAll(() => moto.stop());
  const at = (bucket: string, options = "") => {
    places += 1;
    return `s3://${bucket}/place-${places}?endpoint=${moto.endpoint}${options}`;
  };

  storeConformance("S3Store", async () => {
    const location = at("bucket");
    return { first: storeOf(location), second: storeOf(location), remove: async () => undefined };
  });

  test("locks what it puts, and extends that", async () => {
    const store = storeOf(at("locked", "&lock=30d"));
    await store.put("a", text("x"));
    await store.extendLock!("a", Date.now() + 60 * 86_400_000);
    await store.extendLock!("a", Date.now() + 10 * 86_400_000);
    expect((await store.get("a")).toString()).toBe("x");
  });
});

describe("S3Store", () => {
  let fake: FakeS3;
  let store: S3Store;
  beforeEach(async () => {
    fake = await FakeS3.start({ isVersioned: true });
    store = storeOf(fake.at("place"));
  });
  afterEach(() => fake.stop());

  test("says where it is, without options", () => {
    expect(store.location).toBe("s3://bucket/place");
  });

  test("opens an object with one request, reads a range with one, and lists a page with one", async () => {
    await store.put("a", text("0123456789"));
    fake.counts.clear();
    await store.tail("a", 4);
    await store.get("a", { start: 2, end: 5 });
    await store.get("a", { start: 20, end: 25 });
    for (let i = 0; i < 13; i += 1) await store.put(`b/${i}`, text("x"));
    await namesOf(store, "");
    expect(Object.fromEntries(fake.counts)).toEqual({ get: 3, put: 13, list: 2 });
  });

  test("removes many objects with one request", async () => {
    const names = Array.from({ length: 30 }, (_, i) => `a/${i}`);
    for (const name of names) await store.put(name, text("x"));
    fake.counts.clear();
    await store.deleteMany(names);
    expect(Object.fromEntries(fake.counts)).toEqual({ deleteMany: 1 });
  });

  test("an object that is not deleted by an answer of 200 is a failure", async () => {
    await store.put("a", text("x"));
    fake.faults.undeletable.add("place/a");
    const error = await failing(store.deleteMany(["a", "b"]));
    expect(failureOf(error)).toBe("forbidden");
    expect(error.message).toContain("s3://bucket/place/a");
  });

  test.each([
    ["NotImplemented", "unsupported"],
    ["InvalidRequest", "unsupported"],
    ["ObjectLocked", "forbidden"],
    ["InternalError", "unavailable"],
    ["SlowDown", "unavailable"],
  ] as const)("and is judged by its own code: %s is %s", async (code, failure) => {
    await store.put("a", text("x"));
    fake.faults.undeletable.add("place/a");
    fake.faults.undeletableAs = code;
    expect(failureOf(await failing(store.deleteMany(["a"])))).toBe(failure);
  });

  test("objects of others, and such whose names are none, are not listed", async () => {
    fake.bucket.put("place/.hidden", text("x"), {}, undefined);
    fake.bucket.put("place/a b", text("x"), {}, undefined);
    fake.bucket.put("place/", text(""), {}, undefined);
    fake.bucket.put("placebo", text("x"), {}, undefined);
    await store.put("a", text("x"));
    expect(await namesOf(store, "")).toEqual(["a"]);
  });

  test("a server that ignores ranges is understood", async () => {
    await store.put("a", text("0123456789"));
    await store.put("nothing", Buffer.alloc(0));
    fake.faults.ignoresRanges = true;
    expect((await store.get("a", { start: 2, end: 5 })).toString()).toBe("234");
    expect((await store.get("a", { start: 12, end: 15 })).toString()).toBe("");
    expect(await store.tail("a", 3)).toEqual({ bytes: text("789"), size: 10 });
    expect(await store.tail("nothing", 3)).toEqual({ bytes: Buffer.alloc(0), size: 0 });
  });

  test.each([["cutBodyEvery"], ["shortBodyEvery"]] as const)(
    "a read that ends early (%s) is found, and made again",
    async (fault) => {
      await store.put("a", text("0123456789"));
      fake.faults[fault] = 1;
      // Only the answer to a range says how long the whole is.
      const reads = [
        () => store.get("a", { start: 1, end: 9 }),
        () => store.tail("a", 8),
        ...(fault === "cutBodyEvery" ? [() => store.get("a")] : []),
      ];
      for (const read of reads) expect(failureOf(await failing(read()))).toBe("unavailable");
      fake.faults[fault] = 2;
      const again = asking(store);
      for (let round = 0; round < 4; round += 1) {
        expect((await again.get("a", { start: 1, end: 9 })).toString()).toBe("12345678");
        expect((await again.tail("a", 8)).bytes.toString()).toBe("23456789");
      }
    },
  );

  test.each([
    [412, "PreconditionFailed", "exists"],
    [304, "", "exists"],
    [409, "FileAlreadyExists", "exists"],
    [409, "ConditionalRequestConflict", "unavailable"],
    [409, "OperationAborted", "unavailable"],
    [501, "NotImplemented", "unsupported"],
    [400, "NotImplemented", "unsupported"],
    [400, "InvalidArgument", "unsupported"],
    [400, "RequestTimeout", "unavailable"],
    [400, "ExpiredToken", "forbidden"],
    [403, "AccessDenied", "forbidden"],
    [403, "SignatureDoesNotMatch", "forbidden"],
    [403, "RequestTimeTooSkewed", "unavailable"],
    [404, "NoSuchBucket", "unsupported"],
    [301, "PermanentRedirect", "unsupported"],
    [307, "TemporaryRedirect", "unavailable"],
    [507, "InsufficientStorage", "full"],
    [403, "QuotaExceeded", "full"],
    [429, "TooManyRequests", "unavailable"],
    [500, "InternalError", "unavailable"],
    [502, "", "unavailable"],
    [503, "SlowDown", "unavailable"],
    [504, "", "unavailable"],
  ] satisfies [number, string, StoreFailure][])(
    "the answer %i %s to a put is a failure of the kind that it is",
    async (status, code, failure) => {
      fake.faults.refusal = new S3Refusal(status, code, "as planted");
      const error = await failing(store.put("a", text("x")));
      expect(failureOf(error)).toBe(failure);
      expect(error).toHaveProperty("hint", expect.any(String));
      expect(error.message).not.toContain("undefined");
      // Credentials that may have been exchanged are looked for once more.
      const tries = code === "ExpiredToken" ? 2 : 1;
      expect(fake.count("put"), "it tries no more").toBe(tries);
    },
  );

  test.each([
    [403, "AccessDenied", "forbidden"],
    [404, "NoSuchBucket", "unsupported"],
    [503, "SlowDown", "unavailable"],
    [500, "", "unavailable"],
    // As a proxy may answer that knows nothing of S3.
    [404, "", "unavailable"],
  ] satisfies [number, string, StoreFailure][])(
    "the answer %i %s is told alike by every call",
    async (status, code, failure) => {
      fake.faults.refusal = new S3Refusal(status, code, "as planted");
      const calls: [string, () => Promise<unknown>][] = [
        ["get", () => store.get("a")],
        ["range", () => store.get("a", { start: 0, end: 1 })],
        ["tail", () => store.tail("a", 1)],
        ["size", () => store.size("a")],
        ["list", () => namesOf(store, "")],
        ["delete", () => store.delete("a")],
        ["deleteMany", () => store.deleteMany(["a"])],
      ];
      for (const [call, make] of calls) {
        expect(failureOf(await failing(make())), call).toBe(failure);
      }
    },
  );

  test("a missing bucket is no missing object, not even where the answer has no body", async () => {
    const elsewhere = storeOf(fake.at("place").replace("s3://bucket/", "s3://buckets/"));
    for (const call of [() => elsewhere.size("a"), () => elsewhere.put("a", text("x"))]) {
      const error = await failing(call());
      expect(failureOf(error)).toBe("unsupported");
      expect(error.message).toBe("the bucket buckets does not exist");
    }
    fake.counts.clear();
    for (let i = 0; i < 3; i += 1) expect(await store.size("a")).toBeUndefined();
    // The bucket is looked for once.
    expect(Object.fromEntries(fake.counts)).toEqual({ head: 3, list: 1 });
  });

  test("a clock that is wrong is called so, and not taken for wrong credentials", async () => {
    fake.clockOffsetMs = 20 * 60_000;
    // The first request of a command is often a HEAD, whose answer does not say why it is refused.
    expect(await storeOf(fake.at("other")).size("a")).toBeUndefined();
    const error = await failing(store.put("a", text("x")));
    expect(failureOf(error)).toBe("unavailable");
    expect(error.message).toContain("the clock of this machine differs");
    expect(error.hint).toContain("set the clock");
    // The SDK takes the server's time from its answer.
    await asking(store).put("a", text("x"));
    expect((await store.get("a")).toString()).toBe("x");
  });

  test("a server that is away is unavailable, within the time of a connection", async () => {
    const { port } = fake;
    await fake.stop();
    const error = await failing(store.get("a"));
    expect(failureOf(error)).toBe("unavailable");
    expect(error.message).toContain("ECONNREFUSED");
    fake = await FakeS3.start({ port });
  });

  test("no message and no cause shows a secret", async () => {
    process.env["AWS_SECRET_ACCESS_KEY"] = "a-very-secret-key";
    fake.faults.refusal = new S3Refusal(403, "SignatureDoesNotMatch", "does not match");
    const error = await failing(storeOf(fake.at("secret")).put("a", text("x")));
    process.env["AWS_SECRET_ACCESS_KEY"] = "test";
    const shown = JSON.stringify([error, Object.entries(error.cause as object)]) + error.stack;
    expect(shown).not.toContain("a-very-secret-key");
    expect(Object.keys(error.cause as object).sort()).toEqual([
      "code",
      "name",
      "requestId",
      "status",
    ]);
  });

  describe("whose caller leaves", () => {
    test("rejects with the reason, at once", async () => {
      await store.put("a", text("x"));
      fake.faults.delayMs = 5000;
      const calls = [
        (signal: AbortSignal) => store.put("b", text("x"), signal),
        (signal: AbortSignal) => store.get("a", undefined, signal),
        (signal: AbortSignal) => store.tail("a", 1, signal),
        (signal: AbortSignal) => store.size("a", signal),
        (signal: AbortSignal) => store.delete("a", signal),
        (signal: AbortSignal) => store.deleteMany(["a"], signal),
        async (signal: AbortSignal) => {
          for await (const _ of store.list("", { signal })) return;
        },
      ];
      for (const call of calls) {
        const leaving = new AbortController();
        const reason = new Error("the caller has left");
        const work = call(leaving.signal);
        setTimeout(() => leaving.abort(reason), 50);
        const begun = performance.now();
        await expect(work).rejects.toBe(reason);
        expect(performance.now() - begun).toBeLessThan(2000);
        await expect(call(leaving.signal)).rejects.toBe(reason);
      }
    });

    test("puts the bytes as they were at the call, or none", async () => {
      const size = 4 << 20;
      const wanted = Buffer.alloc(size, "a");
      for (let round = 0; round < 16; round += 1) {
        const leaving = new AbortController();
        const bytes = Buffer.from(wanted);
        const put = store.put(`left/${round}`, bytes, leaving.signal);
        bytes.fill("b");
        // The first one stays.
        if (round > 0) setTimeout(() => leaving.abort(new Error("left")), round);
        await put.catch(() => undefined);
      }
      await new Promise((done) => setTimeout(done, 100));
      const names = await namesOf(store, "left/");
      expect(names).toContain("left/0");
      for (const name of names) expect((await store.get(name)).equals(wanted), name).toBe(true);
    });
  });

  test("makes no more requests at once than the provider bears", async () => {
    const at = parseS3Location(fake.at("bounded"));
    const provider = { ...at.provider, name: "bounded", requestsAtOnce: 6, putsAtOnce: 2 };
    const bounded = new S3Store({ ...at, provider }, systemClock);
    fake.faults.delayMs = 5;
    const names = Array.from({ length: 20 }, (_, i) => `a/${i}`);
    await Promise.all(names.map((name) => bounded.put(name, text("x"))));
    expect(fake.atOnceMax).toBe(2);
    await Promise.all(names.map((name) => bounded.get(name)));
    expect(fake.atOnceMax).toBe(6);
  });

  test("a reply that is lost makes nobody another process", async () => {
    const again = asking(store);
    fake.faults.loseReplyEvery = 2;
    for (let i = 0; i < 10; i += 1) await again.put(`a/${i}`, text(`${i}`));
    const theirs = await failing(again.put("a/1", text("theirs")));
    expect(theirs).toBeInstanceOf(ObjectExists);
    fake.faults.loseReplyEvery = 0;
    for (let i = 0; i < 10; i += 1) expect((await store.get(`a/${i}`)).toString()).toBe(`${i}`);
  });

  test.each(["412", "304", "409"] as const)(
    "a name that is taken is told as such by an answer of %s, also after a lost reply",
    async (takenAs) => {
      fake.faults.takenAs = takenAs;
      fake.faults.loseReplyEvery = 2;
      await asking(store).put("a", text("ours"));
      expect(await failing(asking(store).put("a", text("theirs")))).toBeInstanceOf(ObjectExists);
      expect(fake.bucket.keys.get("place/a")).toHaveLength(1);
    },
  );

  test("a race that the server does not decide is run again", async () => {
    fake.faults.conflictEvery = 2;
    const puts = ["1", "2", "3"].map((bytes) => asking(store).put("a", text(bytes)));
    const outcomes = await Promise.allSettled(puts);
    expect(outcomes.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
    for (const outcome of outcomes) {
      if (outcome.status === "rejected") expect(outcome.reason).toBeInstanceOf(ObjectExists);
    }
  });

  test.each(["501", "400", "400 header"] as const)(
    "a server that refuses conditions (%s) is called so, and not asked again",
    async (way) => {
      fake.faults.refusesConditions = way;
      const error = await failing(asking(store).put("a", text("x")));
      expect(failureOf(error)).toBe("unsupported");
      expect(error.message).toContain("cannot create an object only if there is none");
      expect(fake.count("put")).toBe(1);
    },
  );
});

describe("locks", () => {
  const dayMs = 86_400_000;
  let fake: FakeS3;
  let store: S3Store;
  beforeEach(async () => {
    fake = await FakeS3.start({ isVersioned: true });
    store = storeOf(fake.at("place", "&lock=30d"));
  });
  afterEach(() => fake.stop());
  const lockOf = (name: string) => fake.bucket.find(`place/${name}`)!.lock!.until;

  test("that a server takes and ignores are found out by the first put", async () => {
    fake.faults.ignoresLocks = true;
    const error = await failing(store.put("a", text("x")));
    expect(failureOf(error)).toBe("unsupported");
    expect(error.message).toContain("takes a lock, and does not keep it: object a has none");
  });

  test("are looked at after the first put and the first extension, and not after others", async () => {
    for (const name of ["a", "b", "c"]) await store.put(name, text("x"));
    expect(fake.count("head")).toBe(1);
    fake.faults.ignoresLocks = true;
    const error = await failing(store.extendLock!("a", Date.now() + 60 * dayMs));
    expect(failureOf(error)).toBe("unsupported");
    fake.faults.ignoresLocks = false;
    fake.counts.clear();
    for (const name of ["a", "b"]) await store.extendLock!(name, Date.now() + 60 * dayMs);
    expect([fake.count("head"), fake.count("retain")]).toEqual([3, 2]);
  });

  test("are extended for as long as a new object is locked, at least", async () => {
    await storeOf(fake.at("place", "&lock=1d")).put("a", text("x"));
    await store.extendLock!("a", Date.now() + 10 * dayMs);
    expect(lockOf("a")).toBeGreaterThan(Date.now() + 29 * dayMs);
  });

  test("are dated by the server's clock, as soon as that is known", async () => {
    const hour = storeOf(fake.at("place", "&lock=1h"));
    fake.clockOffsetMs = 10 * 3_600_000;
    await failing(hour.get("a"));
    await hour.put("a", text("x"));
    expect(Math.abs(lockOf("a") - (Date.now() + 11 * 3_600_000))).toBeLessThan(60_000);
  });
});

describe("credentials that are exchanged", () => {
  let [fake, file, directory]: [FakeS3, string, string] = [undefined!, "", ""];
  const write = (key: string) =>
    writeFile(file, `[default]\naws_access_key_id = ${key}\naws_secret_access_key = secret\n`);
  beforeEach(async () => {
    fake = await FakeS3.start();
    directory = await mkdtemp(join(tmpdir(), "thinkback-aws-"));
    file = join(directory, "credentials");
    delete process.env["AWS_ACCESS_KEY_ID"];
    delete process.env["AWS_SECRET_ACCESS_KEY"];
    process.env["AWS_SHARED_CREDENTIALS_FILE"] = file;
  });
  afterEach(async () => {
    useTestCredentials();
    await rm(directory, { recursive: true });
    await fake.stop();
  });

  test("in their file are read again when the old ones are refused", async () => {
    await write("OLD");
    const store = storeOf(fake.at("place"));
    await store.put("a", text("x"));
    await write("NEW");
    fake.faults.refusedCredentials.set(
      "OLD",
      new S3Refusal(400, "ExpiredToken", "It has expired."),
    );
    const many = ["a", "a", "a"].map((name) => store.get(name));
    expect((await Promise.all(many)).map(String)).toEqual(["x", "x", "x"]);
    await store.put("b", text("y"));
  });

  test("are asked for once, and then said to have expired", async () => {
    await write("OLD");
    fake.faults.refusedCredentials.set(
      "OLD",
      new S3Refusal(400, "ExpiredToken", "It has expired."),
    );
    const error = await failing(storeOf(fake.at("place")).put("a", text("x")));
    expect(failureOf(error)).toBe("forbidden");
    expect(error.message).toContain("the credentials have expired");
    expect(fake.count("put")).toBe(2);
  });
});

describe("the probe of a bucket", () => {
  let fake: FakeS3;
  beforeEach(async () => {
    fake = await FakeS3.start();
  });
  afterEach(() => fake.stop());
  const probing = (faults: Partial<S3Faults>, patience = impatient) => {
    Object.assign(fake.faults, faults);
    return refuseOverwriting(asking(storeOf(fake.at("place")), patience));
  };

  test("leaves nothing where puts never overwrite, also if answers are lost and races are open", async () => {
    await probing({});
    await probing({ loseReplyEvery: 9, conflictEvery: 5, slowDownEvery: 13 }, endless);
    expect(fake.bucket.current("", 0)).toEqual([]);
  });

  test("finds a server that ignores conditions, with few requests", async () => {
    const error = await failing(probing({ ignoresConditions: true }));
    expect(error).toMatchObject({ code: "repository" });
    expect(error.message).toMatch(
      /^s3:\/\/bucket\/place cannot hold a repository .*: a second object under a taken name is not refused$/,
    );
    expect(fake.count("put")).toBe(2);
    expect(fake.bucket.current("", 0)).toEqual([]);
  });

  test("finds a server that checks conditions too early", async () => {
    const error = await failing(probing({ checksTooEarly: true }));
    expect(error).toMatchObject({ code: "repository" });
    expect(error.message).toMatch(/ of 16 callers created the same object$/);
  });

  test("does not call a bucket sound whose races stay open", async () => {
    const error = await failing(probing({ conflictEvery: 1 }));
    expect(failureOf(error)).toBe("unavailable");
  });
});
