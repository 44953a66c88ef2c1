/** What the answers of S3 mean: each failure of a request as a StoreError. */
import { messageOf, ThinkbackError } from "../../errors.js";
import {
  BucketForbidden,
  BucketUnavailable,
  bucketMissing,
  isPassing,
} from "../bucket-failures.js";
import {
  ObjectExists,
  ObjectMissing,
  StoreError,
  StoreFull,
  StoreUnavailable,
  StoreUnsupported,
} from "../object-store.js";
import { failureOfCertificate } from "../untrusted.js";
import type { S3Location } from "./location.js";

/** What a request was about. */
export interface Asked {
  /** The name of the object; the store itself if it is empty. */
  name: string;
  /** True for a put that must create the object. */
  creates?: boolean;
  /** True for a request whose answer has no body that would say what is missing. */
  isHead?: boolean;
}

/**
 * The cause of a failure, as far as it may be shown. What the SDK throws holds the whole answer, in which some servers
 * repeat what was signed.
 */
export class S3Answer extends Error {
  override readonly name = "S3Answer";

  constructor(
    /** The status of HTTP; undefined if there was no answer. */
    readonly status: number | undefined,
    readonly code: string,
    message: string,
    readonly requestId: string | undefined,
  ) {
    super(message === "" ? code : `${code}: ${message}`);
  }
}

interface Thrown {
  name?: string;
  code?: unknown;
  message?: string;
  $metadata?: { httpStatusCode?: number; requestId?: string };
  $response?: { statusCode?: number };
}

export function answerOf(error: unknown): S3Answer {
  const thrown = (typeof error === "object" ? error : undefined) as Thrown | undefined;
  const status = thrown?.$metadata?.httpStatusCode ?? thrown?.$response?.statusCode;
  // Of a broken connection, the name says nothing and the code does.
  const named = [thrown?.name, thrown?.code].filter((one) => typeof one === "string");
  const code = named.find((one) => !/^(Error|Unknown.*|\d+)$/.test(one)) ?? named.at(-1) ?? "";
  return new S3Answer(status, code, messageOf(error), thrown?.$metadata?.requestId);
}

const missingCodes = ["NoSuchKey", "NoSuchVersion"];
const takenCodes = ["FileAlreadyExists", "ObjectAlreadyExists", "BlobAlreadyExists"];
const fullCodes = ["QuotaExceeded", "StorageFull", "XMinioStorageFull", "InsufficientStorage"];
const clockCodes = ["RequestTimeTooSkewed", "RequestExpired"];
const regionCodes = [
  "PermanentRedirect",
  "AuthorizationHeaderMalformed",
  "IllegalLocationConstraintException",
];
/** Of 400 and 403: what is wrong with the credentials. */
const credentialCodes = [
  "AccessDenied",
  "ExpiredToken",
  "InvalidAccessKeyId",
  "InvalidToken",
  "SignatureDoesNotMatch",
  "TokenRefreshRequired",
];
/** Of these: what other credentials help against, which may be there by now. */
const outdatedCodes = [
  "ExpiredToken",
  "InvalidAccessKeyId",
  "InvalidToken",
  "TokenRefreshRequired",
];
/** Of 400 and 403: what passes. */
const passingCodes = [
  "BadDigest",
  "IncompleteBody",
  "RequestTimeout",
  "RequestTimeoutException",
  "Throttling",
  "ThrottlingException",
  "TooManyRequests",
  "RequestLimitExceeded",
  "SlowDown",
];

/** The failure that an error of the SDK means. A StoreError, and an error of Thinkback, stays as it is. */
export function failureFrom(error: unknown, location: S3Location, asked: Asked): Error {
  if (error instanceof StoreError || error instanceof ThinkbackError) return error;
  const answer = answerOf(error);
  const { status, code } = answer;
  // A defect of the SDK or of its caller: asking again would not help.
  if (status === undefined && error instanceof TypeError) return error;
  const where = asked.name === "" ? location.printable : `${location.printable}/${asked.name}`;
  if (status === undefined) return withoutAnswer(answer, location);
  if (fullCodes.includes(code) || status === 507) {
    return new StoreFull(asked.name, answer, location.printable);
  }
  if (clockCodes.includes(code)) return wrongClock(answer, location);
  if (regionCodes.includes(code) || status === 301 || status === 308) {
    return wrongRegion(answer, location);
  }
  if (passingCodes.includes(code)) return passing(answer, location);
  if (code === "NoSuchBucket") return bucketMissing("bucket", location.bucket);
  if (asked.creates && (status === 304 || status === 412 || status === 409)) {
    // A 409 proves nothing about who has put what, unless its code says so.
    const isTaken = status !== 409 || takenCodes.includes(code);
    return isTaken ? new ObjectExists(asked.name) : passing(answer, location);
  }
  if (status === 501 || code === "NotImplemented" || namesCondition(answer, location, asked)) {
    return asked.creates ? noConditions(location, answer) : unsupported(answer, where);
  }
  if (status === 404) {
    // Proxies and portals answer 404 as well. An object is missing only if S3 says so.
    const isMissing = asked.isHead === true || missingCodes.includes(code);
    return isMissing ? new ObjectMissing(asked.name) : passing(answer, location);
  }
  if (status === 401 || status === 403 || credentialCodes.includes(code)) {
    return forbidden(answer, where);
  }
  if (status < 400 || status === 409 || status === 425 || isPassing(status)) {
    return passing(answer, location);
  }
  return unsupported(answer, where);
}

/** True if credentials were refused that may have been replaced meanwhile, where they come from. */
export function wantsOtherCredentials(error: unknown): boolean {
  return outdatedCodes.includes(answerOf(error).code);
}

/** True if a 400 complains about the very header that makes a put create. */
function namesCondition({ status, message }: S3Answer, location: S3Location, asked: Asked) {
  const header = location.provider.createIfAbsent?.header;
  return (
    asked.creates === true &&
    status === 400 &&
    header !== undefined &&
    message.toLowerCase().includes(header)
  );
}

/** The failure of a request that got no answer: no credentials, no region, no connection. */
function withoutAnswer(answer: S3Answer, location: S3Location): StoreError {
  const { code, message } = answer;
  if (/^CredentialsProviderError|^TokenProviderError/.test(code)) {
    return new BucketForbidden(
      `no credentials for ${location.printable}: ${message}`,
      "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, name a profile with profile=…, or give the machine a role",
      answer,
    );
  }
  if (/region is missing/i.test(message)) {
    return new StoreUnsupported(
      `the region of ${location.printable} is not known`,
      "add region=… to the location, or set AWS_REGION",
      answer,
    );
  }
  const trusting = "name a file with the certificate of its authority, in PEM, with ca=…";
  const { printable } = location;
  return (
    failureOfCertificate(code, printable, message, trusting, answer) ?? passing(answer, location)
  );
}

function passing(answer: S3Answer, location: S3Location): BucketUnavailable {
  return new BucketUnavailable(location.printable, answer.message, answer);
}

function forbidden(answer: S3Answer, where: string): BucketForbidden {
  if (answer.code === "ExpiredToken" || answer.code === "TokenRefreshRequired") {
    return new BucketForbidden(
      `${where}: the credentials have expired: ${answer.message}`,
      "renew them where they come from: a file is read again by itself, and for other variables the process is started again",
      answer,
    );
  }
  return new BucketForbidden(
    `no permission for ${where}: ${answer.message}`,
    "see that the credentials are those of this bucket, and that they may list it and read, put and delete its objects; without the right to list, a missing object looks like a forbidden one",
    answer,
  );
}

function wrongClock(answer: S3Answer, location: S3Location): StoreUnavailable {
  return new StoreUnavailable(
    `${location.printable} refuses requests, because the clock of this machine differs from its own: ${answer.message}`,
    answer,
    "set the clock of this machine, and let NTP keep it; the credentials may well be right",
  );
}

function wrongRegion(answer: S3Answer, location: S3Location): StoreUnsupported {
  return new StoreUnsupported(
    `${location.printable} lies in another region: ${answer.message}`,
    "give the bucket's own region with region=…, and its endpoint with endpoint=… if it is not on AWS",
    answer,
  );
}

/** The failure of a put in a place that cannot tell whether it would overwrite. */
export function noConditions(location: S3Location, cause?: unknown): StoreUnsupported {
  return new StoreUnsupported(
    `${location.printable}: ${location.provider.name} cannot create an object only if there is none`,
    "use a store that can, see docs/stores.md: without that, two captures would overwrite each other's objects",
    cause,
  );
}

function unsupported(answer: S3Answer, where: string): StoreUnsupported {
  return new StoreUnsupported(
    `${where}: the server refuses the request: ${answer.message}`,
    "see whether the options of the location fit the server, such as endpoint, pathStyle, storageClass, sse and lock",
    answer,
  );
}
