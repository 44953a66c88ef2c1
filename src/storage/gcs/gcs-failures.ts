import {
  type Asked,
  BucketUnavailable,
  bucketMissing,
  firstLine,
  isPassing,
  notPermitted,
  refusedRequest,
} from "../bucket-failures.js";
import { ObjectExists, ObjectMissing, type StoreError, StoreFull } from "../object-store.js";
import type { GcsPlace } from "./gcs-location.js";
import type { GcsReply } from "./gcs-requests.js";

/** The failure that a reply tells. */
export function failureIn(reply: GcsReply, asked: Asked, place: GcsPlace): StoreError {
  const { status } = reply;
  const { reason, said } = errorIn(reply);
  const shown = `HTTP status ${status}${said === "" ? "" : `, ${said}`}`;
  const cause = Object.assign(new Error(shown), { status, reason });
  const unavailable = () => new BucketUnavailable(place.location, shown, cause);
  if (status === 404) {
    const isOfObject = asked.to === "read" || asked.to === "delete";
    if (isOfObject && !/\bbucket does not exist\b/i.test(said))
      return new ObjectMissing(asked.name);
    return bucketMissing("bucket", place.bucket);
  }
  if (asked.to === "put") {
    if (status === 412 && reason !== "orgPolicyConstraintFailed")
      return new ObjectExists(asked.name);
    const isFull = status === 507 || (status === 403 && /^(storage)?quotaExceeded$/i.test(reason));
    if (isFull) return new StoreFull(asked.name, cause, place.location);
    // The bytes changed on their way: the checksum sent with them is not theirs.
    if (status === 400 && /crc32c|doesn't match calculated/i.test(said)) return unavailable();
  }
  // A conflict is a race with another request, and does not say who won.
  if (isPassing(status) || status === 409) return unavailable();
  if (status === 403 && /rateLimitExceeded|quotaExceeded/i.test(reason)) return unavailable();
  if (status === 401 || status === 403 || status === 412) {
    const hint =
      "give the service account storage.objects.create, get, list and delete on this bucket; a retention policy or an organization policy may refuse it too";
    return notPermitted(asked, place.location, shown, hint, cause);
  }
  if (status < 400) return unavailable();
  return refusedRequest(asked, place.location, shown, cause);
}

/** The reason and the message in a reply: in JSON, or as plain text where an object was asked for. */
function errorIn({ body }: GcsReply): { reason: string; said: string } {
  const text = body.subarray(0, 10_000).toString("utf8");
  try {
    const { error } = JSON.parse(text) as {
      error?: { message?: unknown; errors?: { reason?: unknown }[] };
    };
    const reason = error?.errors?.[0]?.reason;
    const message = error?.message;
    return {
      reason: typeof reason === "string" ? reason : "",
      said: typeof message === "string" ? firstLine(message) : "",
    };
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return { reason: "", said: text.includes("<") ? "" : firstLine(text) };
  }
}
