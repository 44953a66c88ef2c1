/** Certificates that Node.js does not trust: asking again does not help. */
import { BucketForbidden } from "./bucket-failures.js";
import { type StoreError, StoreUnsupported } from "./object-store.js";

const untrusted = new Set([
  "CERT_REJECTED",
  "CERT_SIGNATURE_FAILURE",
  "CERT_UNTRUSTED",
  "DEPTH_ZERO_SELF_SIGNED_CERT",
  "ERR_TLS_CERT_ALTNAME_INVALID",
  "HOSTNAME_MISMATCH",
  "INVALID_CA",
  "SELF_SIGNED_CERT_IN_CHAIN",
  "UNABLE_TO_GET_ISSUER_CERT",
  "UNABLE_TO_GET_ISSUER_CERT_LOCALLY",
  "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
]);
/** These were good once, or will be: a capture waits for somebody to renew them. */
const ofTime = new Set(["CERT_HAS_EXPIRED", "CERT_NOT_YET_VALID", "CERT_REVOKED"]);

/**
 * The failure of a connection whose certificate is not trusted; undefined for another code.
 * @param code what Node.js calls the error
 * @param trusting how a certificate comes to be trusted for this kind of store
 */
export function failureOfCertificate(
  code: unknown,
  location: string,
  said: string,
  trusting: string,
  cause: unknown,
): StoreError | undefined {
  if (typeof code !== "string") return undefined;
  const what = `the certificate of ${location} is not trusted: ${said}`;
  if (ofTime.has(code)) {
    return new BucketForbidden(
      what,
      "renew the certificate of the server, and see that the clock of this machine is right",
      cause,
    );
  }
  if (!untrusted.has(code)) return undefined;
  return new StoreUnsupported(
    what,
    `${trusting}; and give the endpoint by a name that the certificate has`,
    cause,
  );
}

/** For stores whose location has no option for it. */
export const nodeTrusts =
  "name a file with the certificate of its authority, in PEM, in NODE_EXTRA_CA_CERTS";
