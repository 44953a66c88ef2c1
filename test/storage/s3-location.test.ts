import { describe, expect, test } from "vitest";
import { ThinkbackError } from "../../src/errors.js";
import { parseS3Location } from "../../src/storage/s3/location.js";
import { providerAt } from "../../src/storage/s3/providers.js";
import { asOf, storeAt } from "../../src/storage/store-at.js";

const parse = (location: string, environment = {}) => parseS3Location(location, environment);

function refusal(make: () => unknown): ThinkbackError {
  try {
    make();
  } catch (error) {
    expect(error).toBeInstanceOf(ThinkbackError);
    expect(error).toMatchObject({ code: "usage", hint: expect.stringMatching(/./) as string });
    return error as ThinkbackError;
  }
  throw new Error("it was taken");
}

describe("a location in a bucket", () => {
  test("is a bucket, with or without a prefix", () => {
    expect(parse("s3://bucket")).toMatchObject({ bucket: "bucket", keyPrefix: "" });
    expect(parse("s3://bucket/")).toMatchObject({ keyPrefix: "", printable: "s3://bucket" });
    for (const location of ["s3://my.bucket-1/a/b", "S3://my.bucket-1/a/b/"]) {
      expect(parse(location)).toMatchObject({
        bucket: "my.bucket-1",
        keyPrefix: "a/b/",
        printable: "s3://my.bucket-1/a/b",
        endpoint: undefined,
        region: undefined,
        pathStyle: false,
        lock: undefined,
      });
    }
  });

  test("has options", () => {
    const options = [
      "endpoint=https%3A%2F%2Fs3.example.org:9000/base",
      "region=eu-central-1",
      "pathStyle=false",
      "storageClass=STANDARD_IA",
      "sse=aws:kms",
      "sseKey=arn:aws:kms:eu-central-1:111122223333:key/0a-1b",
      "profile=backup",
      "ca=/etc/ssl/own%20ca.pem",
      "lock=30d",
    ];
    expect(parse(`s3://bucket/p?${options.join("&")}`)).toMatchObject({
      printable: "s3://bucket/p",
      endpoint: "https://s3.example.org:9000/base",
      region: "eu-central-1",
      pathStyle: false,
      storageClass: "STANDARD_IA",
      sse: "aws:kms",
      sseKey: "arn:aws:kms:eu-central-1:111122223333:key/0a-1b",
      profile: "backup",
      ca: "/etc/ssl/own ca.pem",
      lock: { mode: "GOVERNANCE", ms: 30 * 86_400_000 },
    });
    expect(parse("s3://bucket?lock=1d&lockMode=COMPLIANCE").lock?.mode).toBe("COMPLIANCE");
    expect(parse("s3://bucket?sse=AES256").sse).toBe("AES256");
  });

  test.each([
    ["s3:/bucket/p", "is not of the form"],
    ["s3://", "bucket"],
    ["s3://b", "bucket"],
    ["s3://bu cket/p", "bucket"],
    ["s3://bucket/p#part", "is not of the form"],
    ["s3://bucket/a//b", "prefix"],
    ["s3://bucket/../b", "prefix"],
    ["s3://bucket/ä", "prefix"],
    ["s3://bucket--use1-az1--x-s3/p", "directory bucket"],
    ["s3://bucket?Region=x", "Region"],
    ["s3://bucket?constructor=x", "constructor"],
    ["s3://bucket?region", "region"],
    ["s3://bucket?region=", "region"],
    ["s3://bucket?region=a&region=b", "region"],
    ["s3://bucket?region=%zz", "region"],
    ["s3://bucket?region=eu_1!", "region"],
    ["s3://bucket?endpoint=s3.example.org", "endpoint"],
    ["s3://bucket?endpoint=ftp://s3.example.org", "endpoint"],
    ["s3://bucket?endpoint=https://s3.example.org/?a=b", "endpoint"],
    ["s3://bucket?pathStyle=yes", "pathStyle"],
    ["s3://bucket?storageClass=standard", "storageClass"],
    ["s3://bucket?storageClass=DEEP_ARCHIVE", "storageClass"],
    ["s3://bucket?sse=aes", "sse"],
    ["s3://bucket?sseKey=k", "sseKey"],
    ["s3://bucket?sse=AES256&sseKey=k", "sseKey"],
    ["s3://bucket?profile=a%20b", "profile"],
    ["s3://bucket?lock=30", "lock"],
    ["s3://bucket?lock=10min", "lock"],
    ["s3://bucket?lock=1d&lockMode=governance", "lockMode"],
    ["s3://bucket?lockMode=COMPLIANCE", "lockMode"],
    ["s3://bucket?&region=a", "option"],
  ])("of the form %s is refused, and says why", (location, named) => {
    expect(refusal(() => parse(location)).message).toContain(named);
  });

  test.each([
    "s3://AKIAEXAMPLE:hushhush@bucket/p",
    "s3://bucket?secretAccessKey=hushhush",
    "s3://bucket?hushhush/1+2=x",
    "s3://bucket?token=hushhush",
    "s3://bucket?endpoint=https://user:hushhush@s3.example.org",
    "s3://bucket?region=hushhush/1",
  ])("with a secret is refused without showing it: %s", (location) => {
    for (const make of [() => parse(location), () => storeAt(location)]) {
      const error = refusal(make);
      expect(`${error.message} ${error.hint} ${error.stack}`).not.toContain("hushhush");
    }
  });

  test("with a secret says where secrets belong", () => {
    for (const location of ["s3://id:hushhush@bucket/p", "s3://bucket?secretKey=x"]) {
      expect(refusal(() => parse(location)).hint).toContain("AWS_SECRET_ACCESS_KEY");
    }
  });

  test("takes its endpoint from the environment as the SDK does, unless it has one", () => {
    const url = "https://s3.fr-par.scw.cloud";
    const named = (location: string, environment: Record<string, string>) =>
      parse(location, environment).provider.name;
    expect(named("s3://bucket", { AWS_ENDPOINT_URL: url })).toBe("Scaleway");
    const both = { AWS_ENDPOINT_URL: "https://x.example", AWS_ENDPOINT_URL_S3: url };
    expect(named("s3://bucket", both)).toBe("Scaleway");
    expect(named("s3://bucket?endpoint=https://s3.wasabisys.com", both)).toBe("Wasabi");
    const ignored = { ...both, AWS_IGNORE_CONFIGURED_ENDPOINT_URLS: "true" };
    expect(named("s3://bucket", ignored)).toBe("AWS S3");
    const error = refusal(() => parse("s3://bucket", { AWS_ENDPOINT_URL: "http://u:hush@x" }));
    expect(error.message).not.toContain("hush");
  });

  test("is found by its scheme, and asks nothing of the bucket", () => {
    expect(storeAt("s3://bucket/p?region=eu-central-1").location).toBe("s3://bucket/p");
    const error = refusal(() => storeAt("s3://bucket/p?regoin=x"));
    expect(error.message).toBe("--repo s3://bucket/p: the option regoin is not known");
  });

  test("can be read as it was; a directory cannot", () => {
    expect(storeAt(asOf("s3://bucket/p", 0)).location).toBe("s3://bucket/p");
    for (const location of ["/backup", "file:///backup"]) {
      expect(refusal(() => asOf(location, 0)).message).toContain("keeps no versions");
    }
  });
});

describe("a provider", () => {
  test.each([
    [undefined, "AWS S3"],
    ["https://s3.eu-central-1.amazonaws.com", "AWS S3"],
    ["https://s3.cn-north-1.amazonaws.com.cn", "AWS S3"],
    ["https://s3.eusc-de-east-1.amazonaws.eu", "AWS S3"],
    ["https://s3.us-iso-east-1.c2s.ic.gov", "AWS S3"],
    ["https://s3.us-isob-east-1.sc2s.sgov.gov", "AWS S3"],
    ["https://s3.us-isof-south-1.csp.hci.ic.gov", "AWS S3"],
    ["https://s3.eu-isoe-west-1.cloud.adc-e.uk", "AWS S3"],
    ["https://amazonaws.com.example.org", "an S3 server"],
    ["https://0a1b.r2.cloudflarestorage.com", "Cloudflare R2"],
    ["https://0a1b.eu.r2.cloudflarestorage.com", "Cloudflare R2"],
    ["https://s3.us-west-004.backblazeb2.com", "Backblaze B2"],
    ["https://fra1.digitaloceanspaces.com", "DigitalOcean Spaces"],
    ["https://fsn1.your-objectstorage.com", "Hetzner Object Storage"],
    ["https://s3.eu-central-2.wasabisys.com", "Wasabi"],
    ["https://s3.fr-par.scw.cloud", "Scaleway"],
    ["https://s3.gra.io.cloud.ovh.net", "OVHcloud"],
    ["https://sos-de-fra-1.exo.io", "Exoscale"],
    ["https://fly.storage.tigris.dev", "Tigris"],
    ["https://t3.storage.dev", "Tigris"],
    ["https://oss-cn-hangzhou.aliyuncs.com", "Alibaba OSS"],
    ["https://cos.eu-frankfurt.myqcloud.com", "Tencent COS"],
    ["http://localhost:9000", "an S3 server"],
    ["https://storage.googleapis.com", "the S3 endpoint of Google Cloud Storage"],
  ])("is known by its endpoint: %s is %s", (endpoint, name) => {
    expect(providerAt(endpoint).name).toBe(name);
  });

  test("that cannot be used is refused with what to use", () => {
    const error = refusal(() => parse("s3://bucket?endpoint=https://storage.googleapis.com"));
    expect(error.hint).toContain("gs://");
  });

  test("without locks of S3 refuses a lock", () => {
    const r2 = "s3://bucket?endpoint=https://0a1b.r2.cloudflarestorage.com";
    expect(parse(r2).pathStyle).toBe(true);
    expect(refusal(() => parse(`${r2}&lock=30d`)).message).toContain("Cloudflare R2");
  });
});
