/** What the requests of S3Store carry. */
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { systemClock } from "../../src/clock.js";
import { failureOf, ObjectExists } from "../../src/storage/object-store.js";
import { parseS3Location } from "../../src/storage/s3/location.js";
import { type Provider, providerAt } from "../../src/storage/s3/providers.js";
import { S3Store } from "../../src/storage/s3/s3-store.js";
import { FakeS3 } from "./fake-s3.js";
import { useTestCredentials } from "./s3-servers.js";

useTestCredentials();

let fake: FakeS3;
beforeEach(async () => {
  fake = await FakeS3.start({ isVersioned: true });
});
afterEach(() => fake.stop());

/** A store on the fake server, as if that were a provider's. */
function storeOf(endpoint: string | undefined, options = ""): S3Store {
  const at = parseS3Location(fake.at("place", options));
  const provider: Provider = { ...providerAt(endpoint), region: "here" };
  return new S3Store({ ...at, provider }, systemClock);
}

async function headersOfPut(store: S3Store) {
  await store.put("a", Buffer.from("x"));
  return fake.lastHeaders.get("put")!;
}

const checksums = (headers: Record<string, string | undefined>) =>
  Object.keys(headers).filter((name) => /checksum|md5|trailer|encoding/.test(name));

describe("a put", () => {
  test("says its length and its condition, and is not held back for a 100 Continue", async () => {
    const store = storeOf("https://unknown.example");
    await store.put("a", Buffer.alloc(4 << 20));
    const headers = fake.lastHeaders.get("put")!;
    expect(headers["content-length"]).toBe(String(4 << 20));
    expect(headers["if-none-match"]).toBe("*");
    expect(headers["expect"]).toBeUndefined();
  });

  test("carries a checksum on AWS, and none of AWS elsewhere", async () => {
    const ofAws = checksums(await headersOfPut(storeOf(undefined)));
    expect(ofAws).toContain("x-amz-checksum-crc32");
    await storeOf(undefined).delete("a");
    expect(checksums(await headersOfPut(storeOf("https://unknown.example")))).toEqual([]);
  });

  test.each([
    ["https://unknown.example", "content-md5"],
    ["https://fly.storage.tigris.dev", "x-amz-checksum-crc32"],
    [undefined, "x-amz-checksum-crc32"],
  ])("with a lock carries a checksum, at %s as %s", async (endpoint, header) => {
    const headers = await headersOfPut(storeOf(endpoint, "&lock=30d&lockMode=COMPLIANCE"));
    expect(headers[header]).toBeDefined();
    expect(headers["x-amz-object-lock-mode"]).toBe("COMPLIANCE");
    const until = Date.parse(headers["x-amz-object-lock-retain-until-date"]!);
    expect(Math.abs(until - Date.now() - 30 * 86_400_000)).toBeLessThan(60_000);
  });

  test.each([
    ["https://unknown.example", "content-md5"],
    ["https://fly.storage.tigris.dev", "x-amz-checksum-crc32"],
    [undefined, "x-amz-checksum-crc32"],
  ])("a removal of many carries the checksum that %s wants: %s", async (endpoint, header) => {
    await storeOf(endpoint).deleteMany(["a", "b"]);
    expect(checksums(fake.lastHeaders.get("deleteMany")!)).toContain(header);
  });

  test("carries the class and the encryption that the location names", async () => {
    const options = "&storageClass=STANDARD_IA&sse=aws:kms&sseKey=key-1";
    const headers = await headersOfPut(storeOf(undefined, options));
    expect(headers["x-amz-storage-class"]).toBe("STANDARD_IA");
    expect(headers["x-amz-server-side-encryption"]).toBe("aws:kms");
    expect(headers["x-amz-server-side-encryption-aws-kms-key-id"]).toBe("key-1");
  });

  test.each([
    ["https://oss-cn-hangzhou.aliyuncs.com", "x-oss-forbid-overwrite"],
    ["https://cos.eu-frankfurt.myqcloud.com", "x-cos-forbid-overwrite"],
  ])("at %s creates by the header %s", async (endpoint, header) => {
    fake.faults.ownHeader = header;
    fake.faults.takenAs = "409";
    const store = storeOf(endpoint);
    const headers = await headersOfPut(store);
    expect(headers["authorization"]).toContain(header);
    await expect(store.put("a", Buffer.from("y"))).rejects.toBeInstanceOf(ObjectExists);
    expect((await store.get("a")).toString()).toBe("x");
  });

  test.each([
    "https://s3.us-west-004.backblazeb2.com",
    "https://fra1.digitaloceanspaces.com",
    "https://fsn1.your-objectstorage.com",
  ])("at %s is refused, because it might overwrite; reads are not", async (endpoint) => {
    fake.bucket.put("place/a", Buffer.from("x"), {}, undefined);
    const store = storeOf(endpoint);
    const error: unknown = await store.put("b", Buffer.from("x")).catch((e: unknown) => e);
    expect(failureOf(error)).toBe("unsupported");
    expect((error as Error).message).toContain(providerAt(endpoint).name);
    expect(fake.count("put")).toBe(0);
    expect((await store.get("a")).toString()).toBe("x");
  });

  test("is probed for everywhere but on AWS", () => {
    expect(storeOf(undefined).mayOverwrite).toBe(false);
    expect(storeOf("https://s3.wasabisys.com").mayOverwrite).toBe(true);
  });
});

describe("without", () => {
  test("a region, it is that of the provider, and unknown on AWS", async () => {
    const { AWS_REGION } = process.env;
    delete process.env["AWS_REGION"];
    try {
      const at = parseS3Location(fake.at("no-region"));
      await new S3Store(at, systemClock).size("a");
      expect(fake.lastHeaders.get("head")!["authorization"]).toContain("/us-east-1/s3/");
      const aws = new S3Store({ ...at, provider: providerAt(undefined) }, systemClock);
      const error: unknown = await aws.size("a").catch((e: unknown) => e);
      expect(failureOf(error)).toBe("unsupported");
      expect(error).toHaveProperty("hint", expect.stringContaining("region="));
    } finally {
      process.env["AWS_REGION"] = AWS_REGION;
    }
  });

  test("credentials, that is told, and not taken for a store that is away", async () => {
    const { AWS_ACCESS_KEY_ID } = process.env;
    delete process.env["AWS_ACCESS_KEY_ID"];
    try {
      const store = new S3Store(parseS3Location(fake.at("nobody")), systemClock);
      const error: unknown = await store.size("a").catch((e: unknown) => e);
      expect(failureOf(error)).toBe("forbidden");
      expect((error as Error).message).toContain("no credentials");
    } finally {
      process.env["AWS_ACCESS_KEY_ID"] = AWS_ACCESS_KEY_ID;
    }
  });

  test("the file of certificates, that is told", async () => {
    const store = new S3Store(parseS3Location(fake.at("place", "&ca=/none.pem")), systemClock);
    await expect(store.size("a")).rejects.toMatchObject({ code: "usage" });
  });
});

test("an endpoint in a file of AWS is refused, because nobody would know what service it is", async () => {
  const at = parseS3Location("s3://bucket/place?region=us-east-1", {});
  process.env["AWS_ENDPOINT_URL_S3"] = `http://127.0.0.1:${fake.port}`;
  try {
    await expect(new S3Store(at, systemClock).size("a")).rejects.toMatchObject({
      code: "usage",
      hint: expect.stringContaining("endpoint=") as string,
    });
    expect(fake.counts.size).toBe(0);
  } finally {
    delete process.env["AWS_ENDPOINT_URL_S3"];
  }
});
