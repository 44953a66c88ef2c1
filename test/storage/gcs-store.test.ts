/** The store in Google Cloud Storage, against the server in fake-gcs.ts. No test here asks the real service. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CRC32C } from "@google-cloud/storage";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { crc32c, crc32cBase64 } from "../../src/storage/gcs/crc32c.js";
import { readGcsLocation } from "../../src/storage/gcs/gcs-location.js";
import { GcsStore } from "../../src/storage/gcs/gcs-store.js";
import { failureOf } from "../../src/storage/object-store.js";
import { bucketTests, type Fault } from "./bucket-tests.js";
import { namesOf, storeConformance } from "./conformance.js";
import { FakeGcs } from "./fake-gcs.js";
import { raceInProcess } from "./race-in-process.js";

console.log("Google Cloud Storage: the tests run on test/storage/fake-gcs.ts");

const at = (fake: FakeGcs, prefix = "cluster/a") =>
  GcsStore.at(`gs://backups/${prefix}?endpoint=${encodeURIComponent(fake.endpoint)}`);

storeConformance("GcsStore", async () => {
  const fake = await FakeGcs.start();
  return { first: at(fake), second: at(fake), remove: () => fake.stop() };
});

describe("a store in Google Cloud Storage", () => {
  let fake: FakeGcs;
  let store: GcsStore;
  beforeEach(async () => {
    fake = await FakeGcs.start();
    store = at(fake);
  });
  afterEach(() => fake.stop());

  test("needs one request for each call", async () => {
    const bytes = Buffer.from("0123456789");
    const requestsOf = async (work: () => Promise<unknown>) => {
      const before = fake.asked.length;
      await work().catch(() => undefined);
      return fake.asked.length - before;
    };
    expect(await requestsOf(() => store.put("log/1", bytes))).toBe(1);
    expect(await requestsOf(() => store.put("log/1", bytes))).toBe(1);
    expect(await requestsOf(() => store.get("log/1"))).toBe(1);
    expect(await requestsOf(() => store.get("log/1", { start: 2, end: 4 }))).toBe(1);
    expect(await requestsOf(() => store.tail("log/1", 4))).toBe(1);
    expect(await requestsOf(() => store.tail("log/1", 400))).toBe(1);
    expect(await requestsOf(() => store.size("log/1"))).toBe(1);
    expect(await requestsOf(() => store.get("log/2"))).toBe(1);
    expect(await requestsOf(() => store.delete("log/1"))).toBe(1);
    expect(await requestsOf(() => namesOf(store, ""))).toBe(1);
  });

  test("keeps the objects of a prefix apart, and shows no foreign ones", async () => {
    await at(fake, "cluster/ab").put("log/1", Buffer.from("x"));
    await at(fake, "").put("cluster/a/log/2", Buffer.from("y"));
    for (const foreign of ["cluster/a/", "cluster/a/a folder/", "cluster/a/ü", "cluster/a/.x"]) {
      fake.objects.set(foreign, { bytes: Buffer.alloc(0), metadata: {}, generation: 1 });
    }
    expect(await namesOf(store, "")).toEqual(["log/2"]);
    expect(await namesOf(at(fake, ""), "")).toEqual(["cluster/a/log/2", "cluster/ab/log/1"]);
  });

  test("writes what the location says, and no cache may keep it", async () => {
    const endpoint = encodeURIComponent(fake.endpoint);
    const cold = GcsStore.at(`gs://backups/x/?storageClass=COLDLINE&endpoint=${endpoint}`);
    await cold.put("a", Buffer.from("1"));
    expect(fake.objects.get("x/a")?.metadata).toMatchObject({
      storageClass: "COLDLINE",
      cacheControl: "no-store",
    });
  });

  test("16 writers of 20 names: each name has one winner, and holds its bytes", async () => {
    await raceInProcess(() => at(fake));
  });

  bucketTests(() => ({ store, service: fake }), {
    isPut: ({ path }) => path.startsWith("/upload/"),
    isRead: ({ query }) => query.get("alt") === "media",
    passing: [
      [429, "rateLimitExceeded"],
      [403, "rateLimitExceeded"],
      [408, "timeout"],
      [409, "conflict"],
      [500, "backendError"],
      [503, "backendError"],
    ],
    ofPuts: [
      [401, "authError", "forbidden"],
      [403, "forbidden", "forbidden"],
      [403, "retentionPolicyNotMet", "forbidden"],
      [412, "orgPolicyConstraintFailed", "forbidden"],
      [403, "quotaExceeded", "full"],
      [507, "insufficientStorage", "full"],
      [400, "invalid", "unsupported"],
      [501, "notImplemented", "unsupported"],
      [412, "conditionNotMet", "exists"],
    ],
    absent: () => GcsStore.at(`gs://absent/a?endpoint=${encodeURIComponent(fake.endpoint)}`),
    absentMessage: "the bucket absent does not exist",
    readsWithSize: ["get", "get of a range", "tail"],
  });

  test("a server that is away is unavailable", async () => {
    await fake.stop();
    const error: unknown = await store.get("a").catch((e: unknown) => e);
    expect(failureOf(error)).toBe("unavailable");
    expect((error as Error).message).toContain("gs://backups/cluster/a fails: ");
    fake = await FakeGcs.start();
  });
});

describe("the credentials for Google Cloud Storage", () => {
  let fake: FakeGcs;
  let directory: string;
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), "thinkback-test-"));
  });
  afterAll(() => rm(directory, { recursive: true }));
  beforeEach(async () => {
    fake = await FakeGcs.start();
    fake.wantsToken = true;
  });
  afterEach(async () => {
    vi.unstubAllEnvs();
    await fake.stop();
  });

  /** Those of a workload, which a token of its own is exchanged for. */
  async function workloadIdentity(tokenUrl: string): Promise<void> {
    const own = join(directory, "own-token");
    await writeFile(own, "a token of the workload");
    const path = join(directory, "credentials.json");
    const credentials = {
      type: "external_account",
      audience:
        "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/q",
      subject_token_type: "urn:ietf:params:oauth:token-type:jwt",
      token_url: tokenUrl,
      credential_source: { file: own },
    };
    await writeFile(path, JSON.stringify(credentials));
    vi.stubEnv("GOOGLE_APPLICATION_CREDENTIALS", path);
  }

  const withCredentials = () =>
    new GcsStore({
      ...readGcsLocation("gs://backups/a?project=my-project"),
      endpoint: fake.endpoint,
      isAnonymous: false,
    });

  test("are those of the workload; a token is sent with each request", async () => {
    await workloadIdentity(`${fake.endpoint}/token`);
    const store = withCredentials();
    await store.put("a", Buffer.from("x"));
    expect((await store.get("a")).toString()).toBe("x");
    expect(fake.tokens).toEqual(["Bearer ya29.fake", "Bearer ya29.fake"]);
  });

  test("are looked for once more when their token is refused", async () => {
    await workloadIdentity(`${fake.endpoint}/token`);
    const store = withCredentials();
    await store.put("a", Buffer.from("x"));
    const refused = { kind: "answer", status: 401, code: "authError" } as const;
    fake.faults.push({ on: () => true, times: 1, what: refused });
    expect((await store.get("a")).toString()).toBe("x");
    fake.faults.push({ on: () => true, times: 2, what: refused });
    const failure: unknown = await store.get("a").catch((e: unknown) => e);
    expect(failureOf(failure)).toBe("forbidden");
  });

  test("are not sent to an emulator", async () => {
    await workloadIdentity(`${fake.endpoint}/token`);
    const failure = await at(fake)
      .put("a", Buffer.from("x"))
      .catch((e: unknown) => e);
    expect(failureOf(failure)).toBe("forbidden");
    expect(fake.tokens).toEqual([undefined]);
  });

  test("that are absent are forbidden, with what to do; nothing is asked for", async () => {
    vi.stubEnv("GOOGLE_APPLICATION_CREDENTIALS", join(directory, "absent.json"));
    const error: unknown = await withCredentials()
      .get("a")
      .catch((e: unknown) => e);
    expect(error).toMatchObject({
      failure: "forbidden",
      message: expect.stringContaining("no credentials for gs://backups/a: ") as string,
      hint: expect.stringContaining("GOOGLE_APPLICATION_CREDENTIALS") as string,
    });
    expect(fake.asked).toEqual([]);
  });

  test("that nobody can exchange at the moment are unavailable", async () => {
    const away = await FakeGcs.start();
    await workloadIdentity(`${away.endpoint}/token`);
    await away.stop();
    const error: unknown = await withCredentials()
      .get("a")
      .catch((e: unknown) => e);
    expect(failureOf(error)).toBe("unavailable");
  });

  test("do not stand in an error, also not in its cause", async () => {
    await workloadIdentity(`${fake.endpoint}/token`);
    const store = withCredentials();
    const faults: [string, Fault["what"]][] = [
      ["unavailable", { kind: "lose the reply" }],
      ["forbidden", { kind: "answer", status: 403, code: "forbidden" }],
    ];
    for (const [failure, what] of faults) {
      fake.faults.splice(0, 1, { on: () => true, what });
      const error: unknown = await store.get("a").catch((e: unknown) => e);
      expect(failureOf(error)).toBe(failure);
      expect(fake.tokens.at(-1)).toBe("Bearer ya29.fake");
      for (let one = error as Error | undefined; one; one = one.cause as Error | undefined) {
        const shown = JSON.stringify(one, Object.getOwnPropertyNames(one)) + one.message;
        expect(shown).not.toContain("ya29");
      }
    }
  });
});

describe("a location in Google Cloud Storage", () => {
  test("is a bucket, a prefix and options", () => {
    expect(readGcsLocation("gs://my_bucket.example/a/b/?project=pro-ject")).toEqual({
      location: "gs://my_bucket.example/a/b",
      bucket: "my_bucket.example",
      prefix: "a/b/",
      endpoint: "https://storage.googleapis.com",
      isAnonymous: false,
      project: "pro-ject",
      storageClass: undefined,
    });
    const emulated = readGcsLocation("gs://bucket?endpoint=http://gcs:4443/");
    expect(emulated).toMatchObject({ prefix: "", endpoint: "http://gcs:4443", isAnonymous: true });
    const own = readGcsLocation("gs://bucket?endpoint=https://storage-x.p.googleapis.com");
    expect(own.isAnonymous).toBe(false);
    for (const [location, mayOverwrite] of [
      ["gs://bucket", false],
      ["gs://bucket?endpoint=https://storage-x.p.googleapis.com", false],
      ["gs://bucket?endpoint=https://googleapis.com.example.org", true],
      ["gs://bucket?endpoint=http://storage.googleapis.com", true],
    ] as const) {
      expect(GcsStore.at(location).mayOverwrite, location).toBe(mayOverwrite);
    }
  });

  test.each([
    ["gs://key:secret@bucket/a", "holds a user or a password"],
    ["gs://", "no valid name of a bucket"],
    ["gs://Secret/a", "no valid name of a bucket"],
    ["gs://bucket/a/../secret", "the prefix in bucket bucket is not"],
    ["gs://bucket/a secret", "the prefix in bucket bucket is not"],
    ["gs://bucket//secret", "the prefix in bucket bucket is not"],
    ["gs://bucket/a#secret", "not of the form"],
    ["gs://bucket/a?token=secret", "option token of the gs: location is not known"],
    ["gs://bucket/a?lock=30d", "option lock of the gs: location is not known"],
    ["gs://bucket/a?a%20secret=1", "an option of the gs: location is not known"],
    ["gs://bucket/a?constructor=secret", "option constructor of the gs: location is not known"],
    [
      "gs://bucket/a?project=abcdef&project=secret",
      "option project of the gs: location is given twice",
    ],
    ["gs://bucket/a?project=", "option project of the gs: location is not the id"],
    ["gs://bucket/a?storageClass=secret", "option storageClass of the gs: location is not one of"],
    ["gs://bucket/a?endpoint=https://u:secret@host", "option endpoint of the gs: location is not"],
    ["gs://bucket/a?endpoint=secret", "option endpoint of the gs: location is not an address"],
    ["gs://bucket/a?endpoint=https://h/%3Fsecret", "option endpoint of the gs: location is not"],
  ])("%s is refused by its name, and no value is repeated", (location, message) => {
    const refusal = expect.objectContaining({
      code: "usage",
      message: expect.stringContaining(message) as string,
    }) as Error;
    expect(() => readGcsLocation(location)).toThrow(refusal);
    expect(() => readGcsLocation(location)).not.toThrow(/secret/i);
  });
});

describe("the checksum CRC-32C", () => {
  test("of the examples of RFC 3720, and of no bytes", () => {
    expect(crc32c(Buffer.alloc(0))).toBe(0);
    expect(crc32c(Buffer.alloc(32))).toBe(0x8a9136aa);
    expect(crc32c(Buffer.alloc(32, 0xff))).toBe(0x62a8ab43);
    expect(crc32c(Buffer.from(Array.from({ length: 32 }, (_, i) => i)))).toBe(0x46dd794e);
    expect(crc32c(Buffer.from("123456789"))).toBe(0xe3069283);
  });

  test("agrees with Google's for each length", () => {
    const bytes = Buffer.from(Array.from({ length: 70 }, (_, i) => (i * 151 + 7) & 0xff));
    for (let length = 0; length <= bytes.length; length += 1) {
      const theirs = new CRC32C();
      theirs.update(bytes.subarray(0, length));
      expect(crc32cBase64(bytes.subarray(0, length))).toBe(theirs.toString());
    }
  });
});
