/** Failures of buckets, which need other hints than those of directories. */
import { StoreError, StoreUnsupported } from "./object-store.js";

/** What was asked of a bucket, and of which object. */
export type Asked = { to: "put" | "read" | "delete"; name: string } | { to: "list" };

export function whatOf(asked: Asked): string {
  return asked.to === "list" ? "list objects" : `${asked.to} object ${asked.name}`;
}

/** Credentials that are missing, refused, or not allowed to do something. */
export class BucketForbidden extends StoreError {
  readonly failure = "forbidden";

  constructor(what: string, hint: string, cause?: unknown) {
    super("repository", what, { hint, cause });
  }
}

/** A service that is away, overloaded, or that answers what cannot be. */
export class BucketUnavailable extends StoreError {
  readonly failure = "unavailable";

  constructor(location: string, what: string, cause?: unknown) {
    super("repository", `${location} fails: ${what}`, {
      hint: "check the network, the name of the host, and the status page of the service",
      cause,
    });
  }
}

/** @param shown what the service said */
export function notPermitted(
  asked: Asked,
  location: string,
  shown: string,
  hint: string,
  cause: Error,
): BucketForbidden {
  const what = `no permission to ${whatOf(asked)} in ${location}: ${shown}`;
  return new BucketForbidden(what, hint, cause);
}

/** A request that the service refuses, and would refuse again. */
export function refusedRequest(
  asked: Asked,
  location: string,
  shown: string,
  cause: Error,
): StoreUnsupported {
  return new StoreUnsupported(
    `${location} refuses to ${whatOf(asked)}: ${shown}`,
    "correct what the message names: the bucket or container, the prefix, or an option of the location",
    cause,
  );
}

export function bucketMissing(kind: "bucket" | "container", name: string): StoreUnsupported {
  return new StoreUnsupported(
    `the ${kind} ${name} does not exist`,
    `make the ${kind} ${name} first, or correct its name in the location`,
  );
}

export function outOfOrder(location: string): StoreUnsupported {
  return new StoreUnsupported(
    `${location} does not list objects in the order of their names`,
    "use a bucket or container that lists names in the order of their bytes; a directory bucket of S3 and an Azure account with a hierarchical namespace do not",
  );
}

/**
 * True if asking again may help: a time-out, too many requests, a failure of the server. A server that cannot do
 * something at all (501), or has no room (507), answers the same again.
 */
export function isPassing(status: number): boolean {
  return status === 408 || status === 429 || (status >= 500 && status !== 501 && status !== 507);
}

const networkCodes = new Set([
  "EAI_AGAIN",
  "ECONNABORTED",
  "ECONNREFUSED",
  "ECONNRESET",
  "EHOSTUNREACH",
  "ENETDOWN",
  "ENETUNREACH",
  "ENOTFOUND",
  "EPIPE",
  "ETIMEDOUT",
]);

/** True for a failure of the network, such as a host that is not found or a connection that is reset. */
export function isOfNetwork(error: unknown): boolean {
  const code = (error as NodeJS.ErrnoException | null)?.code;
  return typeof code === "string" && networkCodes.has(code);
}

/** At most so many characters of what a service says are repeated. */
const saidMax = 300;

/** The first line of what a service says, without signatures of shared access. */
export function firstLine(text: string): string {
  const line = text.trim().split(/[\r\n]/, 1)[0] ?? "";
  return line.replace(/\bsig=[^&\s"]+/gi, "sig=…").slice(0, saidMax);
}
