import { messageOf, ThinkbackError } from "../../errors.js";
import {
  type Asked,
  BucketForbidden,
  BucketUnavailable,
  bucketMissing,
  firstLine,
  isOfNetwork,
  isPassing,
  notPermitted,
  refusedRequest,
  whatOf,
} from "../bucket-failures.js";
import {
  ObjectExists,
  ObjectMissing,
  type StoreError,
  StoreFull,
  StoreUnsupported,
} from "../object-store.js";
import { failureOfCertificate, nodeTrusts } from "../untrusted.js";
import type { AzurePlace } from "./azure-location.js";

/** An error of Microsoft's client. */
interface ClientError extends Error {
  /** HTTP status; of the service, or of whoever gives tokens. */
  statusCode?: number;
  code?: string;
  /** The headers of the response, as the client reads them. */
  details?: { errorCode?: string };
  /** What each kind of credential said, in the order in which they were tried. */
  errors?: unknown[];
}

const ofCredentials = /^(CredentialUnavailable|AggregateAuthentication|Authentication\w*)Error$/;

/** The failure that an error of Microsoft's client means. An error that it should not throw is given back as it is. */
export function failureOfClient(error: unknown, asked: Asked, place: AzurePlace): unknown {
  if (error instanceof ThinkbackError || error instanceof TypeError) return error;
  const { name, statusCode: status } = error as ClientError;
  const code = codeOf(error as ClientError);
  const said = firstLine(messageOf(error));
  const shown = [status && `HTTP status ${status}`, code, said].filter(Boolean).join(", ");
  // Not the client's error itself: it holds the request, whose address or headers hold credentials.
  const cause = Object.assign(new Error(shown), { code, ...(status ? { status } : {}) });
  if (ofCredentials.test(name)) {
    return isForNow(error)
      ? new BucketUnavailable(place.location, `no token for it can be had now: ${said}`, cause)
      : new BucketForbidden(
          `no credentials for ${place.location}: ${said}`,
          credentialsHint,
          cause,
        );
  }
  if (status === undefined) {
    return (
      failureOfCertificate(code, place.location, said, nodeTrusts, cause) ??
      new BucketUnavailable(place.location, shown, cause)
    );
  }
  return ofStatus({ status, code, said, shown, cause }, asked, place);
}

/** What the service calls the error. A response to HEAD has no body, and its header is told in the details only. */
function codeOf({ code, details }: ClientError): string {
  return details?.errorCode ?? code ?? "";
}

interface Answer {
  status: number;
  code: string;
  said: string;
  shown: string;
  cause: Error;
}

function ofStatus(answer: Answer, asked: Asked, place: AzurePlace): StoreError {
  const { status, code, said, shown, cause } = answer;
  if (code === "ContainerNotFound" || code === "ContainerBeingDeleted") {
    return bucketMissing("container", place.container);
  }
  if (status === 404) {
    const isOfObject = asked.to === "read" || asked.to === "delete";
    return isOfObject ? new ObjectMissing(asked.name) : bucketMissing("container", place.container);
  }
  if (asked.to === "put") {
    // A put demands that nothing is there: 412 of the service, 409 of the service in a race and of Azurite.
    if (status === 412 || code === "BlobAlreadyExists") return new ObjectExists(asked.name);
    if (status === 507) return new StoreFull(asked.name, cause, place.location);
  }
  if (code === "BlobArchived" || code === "BlobBeingRehydrated") {
    return new StoreUnsupported(
      `${place.location} cannot ${whatOf(asked)}, which lies in the tier Archive`,
      "bring the objects back into the tier Hot, Cool or Cold, which takes hours",
      cause,
    );
  }
  const isForbidden = status === 401 || status === 403 || status === 412 || ofPolicy.has(code);
  if (isForbidden) {
    return notPermitted(asked, place.location, shown, credentialsHint, cause);
  }
  // The bytes changed on their way: the checksum sent with them is not theirs.
  const isDamaged = asked.to === "put" && status === 400 && /md5/i.test(`${code} ${said}`);
  // Any other conflict is a race with another request, and does not say who won.
  if (isPassing(status) || status === 409 || status < 400 || isDamaged) {
    return new BucketUnavailable(place.location, shown, cause);
  }
  return refusedRequest(asked, place.location, shown, cause);
}

/** Conflicts that last until somebody ends them: a lock, a lease or a snapshot of the object. */
const ofPolicy = new Set([
  "BlobImmutableDueToPolicy",
  "BlobImmutableDueToLegalHold",
  "SnapshotsPresent",
  "ContainerDisabled",
]);

const credentialsHint =
  "give the identity the role Storage Blob Data Contributor on the container, or set one of AZURE_STORAGE_KEY, AZURE_STORAGE_SAS_TOKEN and AZURE_STORAGE_CONNECTION_STRING; a lock, a lease or a wrong clock refuses too";

/** True if whoever gives tokens fails for now, and not because there is nothing to give one for. */
function isForNow(error: unknown): boolean {
  const { name, statusCode, errors } = error as ClientError;
  if (name === "CredentialUnavailableError") return false;
  if (errors) return errors.some(isForNow);
  if (statusCode !== undefined) return isPassing(statusCode);
  return isOfNetwork(error) || /\b(E[A-Z]{4,}|network_error)\b/.test(messageOf(error));
}
