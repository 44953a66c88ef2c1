/**
 * What is known of the services that speak S3, by the host of their endpoint. They change; whether a bucket really
 * refuses to overwrite is asked of the bucket itself, see ../probe.ts.
 */

export interface Provider {
  /** For messages. */
  name: string;
  /** Matches the host of its endpoints. */
  host: RegExp;
  /** The header of a put that creates an object only if there is none; undefined if it has none. */
  createIfAbsent: { header: string; value: string } | undefined;
  /** True if it is known that of any number of puts of one name one succeeds. Elsewhere each bucket is probed. */
  isProven: boolean;
  /**
   * Which checksum its requests carry: one on each that takes one, or only where S3 demands one. There, older services
   * want the MD5.
   */
  checksums: "always" | "crc32-if-required" | "md5-if-required";
  /** The bucket stands in the path of a request; else in its host. */
  pathStyle: boolean;
  /** The region that requests are signed for if none is given. AWS has none, because each bucket lies in one region. */
  region: string | undefined;
  /** At most so many requests are under way at once. */
  requestsAtOnce: number;
  /** At most so many of them may be puts. */
  putsAtOnce: number;
  /** True if objects can be locked through S3. */
  locks: boolean;
  /** Why it cannot be used at all, and what to do instead. */
  refused?: { why: string; hint: string };
}

const ifNoneMatch = { header: "if-none-match", value: "*" };

/** A server that nothing is known of, such as one's own. */
const unknown: Provider = {
  name: "an S3 server",
  host: /./,
  createIfAbsent: ifNoneMatch,
  isProven: false,
  checksums: "md5-if-required",
  pathStyle: true,
  region: "us-east-1",
  requestsAtOnce: 32,
  putsAtOnce: 32,
  locks: true,
};

const aws: Provider = {
  ...unknown,
  name: "AWS S3",
  // Its partitions: the world, China, the European Sovereign Cloud, and those of governments.
  host: /(^|\.)(amazonaws\.com(\.cn)?|amazonaws\.eu|c2s\.ic\.gov|sc2s\.sgov\.gov|csp\.hci\.ic\.gov|cloud\.adc-e\.uk)$/,
  isProven: true,
  checksums: "always",
  pathStyle: false,
  region: undefined,
  requestsAtOnce: 64,
  putsAtOnce: 64,
};

const providers: Provider[] = [
  aws,
  {
    ...unknown,
    name: "Cloudflare R2",
    host: /(^|\.)r2\.cloudflarestorage\.com$/,
    region: "auto",
    putsAtOnce: 3,
    // It has locks of its own, for prefixes of a bucket, which are not set through S3.
    locks: false,
  },
  {
    ...unknown,
    name: "Backblaze B2",
    host: /(^|\.)backblazeb2\.com$/,
    createIfAbsent: undefined,
  },
  {
    ...unknown,
    name: "the S3 endpoint of Google Cloud Storage",
    host: /(^|\.)storage\.googleapis\.com$/,
    createIfAbsent: undefined,
    refused: {
      why: "cannot create an object only if there is none",
      hint: "give the bucket as gs://bucket/prefix, which uses Google's own interface",
    },
  },
  {
    ...unknown,
    name: "DigitalOcean Spaces",
    host: /(^|\.)digitaloceanspaces\.com$/,
    createIfAbsent: undefined,
    pathStyle: false,
  },
  {
    ...unknown,
    name: "Hetzner Object Storage",
    host: /(^|\.)your-objectstorage\.com$/,
    createIfAbsent: undefined,
  },
  {
    ...unknown,
    name: "Wasabi",
    host: /(^|\.)wasabisys\.com$/,
  },
  {
    ...unknown,
    name: "Scaleway",
    host: /(^|\.)s3\.[a-z-]+\.scw\.cloud$/,
  },
  {
    ...unknown,
    name: "OVHcloud",
    host: /(^|\.)io\.cloud\.ovh\.(net|us)$/,
  },
  {
    ...unknown,
    name: "Exoscale",
    host: /(^|\.)exo\.io$/,
  },
  {
    ...unknown,
    name: "Tigris",
    host: /(^|\.)(tigris\.dev|storage\.dev|fly\.storage\.tigris\.dev)$/,
    // It takes no MD5.
    checksums: "crc32-if-required",
    region: "auto",
  },
  {
    ...unknown,
    name: "Alibaba OSS",
    host: /(^|\.)aliyuncs\.com$/,
    createIfAbsent: { header: "x-oss-forbid-overwrite", value: "true" },
    pathStyle: false,
  },
  {
    ...unknown,
    name: "Tencent COS",
    host: /(^|\.)myqcloud\.com$/,
    createIfAbsent: { header: "x-cos-forbid-overwrite", value: "true" },
    pathStyle: false,
  },
];

/** The provider of an endpoint. Without one it is AWS. */
export function providerAt(endpoint: string | undefined): Provider {
  if (endpoint === undefined) return aws;
  const host = new URL(endpoint).hostname;
  return providers.find((provider) => provider.host.test(host)) ?? unknown;
}

/** True for the hosts of AWS itself. */
export function isAws(host: string): boolean {
  return aws.host.test(host);
}
