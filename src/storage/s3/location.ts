/**
 * The location of a repository in a bucket: s3://bucket/prefix?option=value&…
 *
 * A location stands on command lines and in logs. So it holds no secret, and one that seems to is refused. A message
 * names an option, and never shows its value.
 */
import { ThinkbackError } from "../../errors.js";
import { durationMs } from "../../instant.js";
import { isName } from "../object-store.js";
import { type Provider, providerAt } from "./providers.js";

export interface S3Location {
  /** For messages, without options. */
  printable: string;
  bucket: string;
  /** What stands before the names of objects: empty, or ends in "/". */
  keyPrefix: string;
  provider: Provider;
  /** A URL; undefined for AWS. */
  endpoint: string | undefined;
  region: string | undefined;
  pathStyle: boolean;
  storageClass: string | undefined;
  sse: "AES256" | "aws:kms" | undefined;
  /** The id of a key of KMS, which is no secret. */
  sseKey: string | undefined;
  /** The profile in the configuration files of AWS. */
  profile: string | undefined;
  /** A file with certificates to trust besides those of Node.js. */
  ca: string | undefined;
  lock: Lock | undefined;
}

/** How each object is locked when it is put. */
export interface Lock {
  mode: LockMode;
  /** How long, from the put on. */
  ms: number;
}

export type LockMode = "GOVERNANCE" | "COMPLIANCE";

type Environment = Record<string, string | undefined>;

const known = {
  endpoint: "a URL such as https://s3.example.org, without user and password",
  region: "a region such as eu-central-1",
  pathStyle: "true or false",
  storageClass: "a storage class whose objects can be read at once, such as STANDARD_IA",
  sse: "AES256 or aws:kms",
  sseKey: "the id or ARN of a KMS key, together with sse=aws:kms",
  profile: "the name of a profile in ~/.aws/config",
  ca: "the path of a file with certificates",
  lock: "a duration of at least an hour, such as 30d",
  lockMode: "GOVERNANCE or COMPLIANCE, together with lock=…",
} as const;

type Option = keyof typeof known;

const lockMsMin = 3_600_000;

/** Objects of these classes must be asked for hours before they can be read. */
const archives = ["GLACIER", "DEEP_ARCHIVE"];

/** Throws, with code "usage", unless the location is understood to its last character. */
export function parseS3Location(
  location: string,
  environment: Environment = process.env,
): S3Location {
  const match = /^s3:\/\/([^/?#]*)(\/[^?#]*)?(?:\?([^#]*))?$/i.exec(location);
  if (!match) throw misread("it is not of the form s3://bucket/prefix?option=value");
  const [, bucket = "", path = "", query = ""] = match;
  if (bucket.includes("@")) {
    throw new ThinkbackError("usage", "a location holds no user and no password", {
      hint: "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment, or name a profile with ?profile=…",
    });
  }
  if (!/^[a-z0-9][a-z0-9._-]{1,61}[a-z0-9]$/i.test(bucket)) {
    throw misread("the name of the bucket is not valid");
  }
  if (bucket.endsWith("--x-s3")) {
    throw new ThinkbackError("usage", "a directory bucket does not list objects in order", {
      hint: "give a general purpose bucket",
    });
  }
  const prefix = path.slice(1).replace(/\/$/, "");
  if (prefix !== "" && !isName(prefix)) {
    throw misread("the prefix may only hold letters, digits, and . _ - between single slashes");
  }
  const given = optionsOf(query);
  const endpoint = endpointOf(given, environment);
  const provider = providerAt(endpoint);
  if (provider.refused) {
    throw new ThinkbackError("usage", `${provider.name} ${provider.refused.why}`, {
      hint: provider.refused.hint,
    });
  }
  return {
    printable: `s3://${bucket}${prefix === "" ? "" : `/${prefix}`}`,
    bucket,
    keyPrefix: prefix === "" ? "" : `${prefix}/`,
    provider,
    endpoint,
    region: matching(given, "region", /^[a-z0-9-]+$/i),
    pathStyle: booleanOf(given, "pathStyle") ?? provider.pathStyle,
    storageClass: storageClassOf(given),
    ...encryptionOf(given),
    profile: matching(given, "profile", /^[^\s[\]]+$/),
    ca: matching(given, "ca", /./),
    lock: lockOf(given, provider),
  };
}

function optionsOf(query: string): Map<Option, string> {
  const given = new Map<Option, string>();
  for (const part of query === "" ? [] : query.split("&")) {
    const at = part.indexOf("=");
    const name = at === -1 ? part : part.slice(0, at);
    if (!Object.hasOwn(known, name)) throw unknownOption(name);
    const option = name as Option;
    if (given.has(option)) throw malformed(option, "is given twice");
    const value = decoded(at === -1 ? "" : part.slice(at + 1));
    if (value === undefined || value === "") throw malformed(option);
    given.set(option, value);
  }
  return given;
}

function decoded(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch (error) {
    if (error instanceof URIError) return undefined;
    throw error;
  }
}

function unknownOption(name: string): ThinkbackError {
  const names = Object.keys(known).join(", ");
  const hint = /key|secret|token|password/i.test(name)
    ? "give credentials in the environment, such as AWS_SECRET_ACCESS_KEY, or name a profile with profile=…"
    : `the options are ${names}`;
  // A secret without a name would stand in the place of one.
  const shown = /^[A-Za-z][A-Za-z-]{0,30}$/.test(name) ? `the option ${name}` : "an option";
  return new ThinkbackError("usage", `${shown} is not known`, { hint });
}

function malformed(option: Option, what = "cannot be understood"): ThinkbackError {
  return new ThinkbackError("usage", `the option ${option} ${what}`, {
    hint: `give ${option}= once, and as ${known[option]}`,
  });
}

function misread(what: string): ThinkbackError {
  return new ThinkbackError("usage", what, {
    hint: "give the location as s3://bucket/prefix, with options behind a ? such as region=eu-central-1",
  });
}

function matching(given: Map<Option, string>, option: Option, pattern: RegExp): string | undefined {
  const value = given.get(option);
  if (value !== undefined && !pattern.test(value)) throw malformed(option);
  return value;
}

function booleanOf(given: Map<Option, string>, option: Option): boolean | undefined {
  const value = matching(given, option, /^(true|false)$/);
  return value === undefined ? undefined : value === "true";
}

/** The endpoint that is given, or that the environment names as the SDK would understand it. */
function endpointOf(given: Map<Option, string>, environment: Environment): string | undefined {
  const option = given.get("endpoint");
  const ignored = environment["AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"]?.toLowerCase() === "true";
  const set = ignored
    ? undefined
    : environment["AWS_ENDPOINT_URL_S3"] || environment["AWS_ENDPOINT_URL"] || undefined;
  if (option !== undefined) {
    if (isEndpoint(option)) return option;
    throw malformed("endpoint");
  }
  if (set === undefined || isEndpoint(set)) return set;
  throw new ThinkbackError("usage", "the endpoint in the environment cannot be understood", {
    hint: `set AWS_ENDPOINT_URL_S3 or AWS_ENDPOINT_URL to ${known.endpoint}`,
  });
}

function isEndpoint(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const { protocol, username, password, search, hash } = new URL(text);
  const isWeb = protocol === "https:" || protocol === "http:";
  return isWeb && [username, password, search, hash].every((part) => part === "");
}

function storageClassOf(given: Map<Option, string>): string | undefined {
  const value = matching(given, "storageClass", /^[A-Z][A-Z_]*$/);
  if (value === undefined || !archives.includes(value)) return value;
  throw malformed("storageClass", "names an archive, from which nothing can be read at once");
}

function encryptionOf(given: Map<Option, string>): Pick<S3Location, "sse" | "sseKey"> {
  const sse = matching(given, "sse", /^(AES256|aws:kms)$/) as S3Location["sse"];
  const sseKey = matching(given, "sseKey", /^[A-Za-z0-9:/_-]+$/);
  if (sseKey !== undefined && sse !== "aws:kms") {
    throw malformed("sseKey", "is of use only with sse=aws:kms");
  }
  return { sse, sseKey };
}

function lockOf(given: Map<Option, string>, provider: Provider): Lock | undefined {
  const text = given.get("lock");
  const mode = matching(given, "lockMode", /^(GOVERNANCE|COMPLIANCE)$/) as LockMode | undefined;
  if (text === undefined) {
    if (mode === undefined) return undefined;
    throw malformed("lockMode", "is of use only with lock=…");
  }
  const ms = durationMs(text);
  if (ms === undefined || ms < lockMsMin) throw malformed("lock");
  if (!provider.locks) throw malformed("lock", `is not possible with ${provider.name}`);
  return { mode: mode ?? "GOVERNANCE", ms };
}
