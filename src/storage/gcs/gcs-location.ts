import { originForm, readBucketLocation } from "../bucket-location.js";

/** Where a repository lies in Google Cloud Storage. */
export interface GcsPlace {
  /** For messages. */
  location: string;
  bucket: string;
  /** What stands before the name of each object: empty, or a path that ends with a slash. */
  prefix: string;
  /** The address of the service, without a slash at its end. */
  endpoint: string;
  /** No credentials are looked for, and none are sent. */
  isAnonymous: boolean;
  /** The project that pays for the requests, instead of that of the bucket. */
  project: string | undefined;
  /** The storage class of new objects; that of the bucket if absent. */
  storageClass: string | undefined;
}

const form = {
  scheme: "gs",
  bucket: /^[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]$/,
  options: {
    endpoint: originForm,
    project: { form: /^[a-z][a-z0-9.:-]{4,61}[a-z0-9]$/, says: "the id of a project" },
    storageClass: {
      form: /^(STANDARD|NEARLINE|COLDLINE|ARCHIVE)$/,
      says: "one of STANDARD, NEARLINE, COLDLINE and ARCHIVE",
    },
  },
};

/**
 * Reads `gs://bucket/prefix?endpoint=…&project=…&storageClass=…`. Throws, with code "usage", if it is not of that form.
 * A token is never sent in the clear, so an endpoint with http: is an emulator, which is asked without credentials.
 */
export function readGcsLocation(location: string): GcsPlace {
  const { bucket, prefix, options, shown } = readBucketLocation(location, form);
  const endpoint = (options.get("endpoint") ?? "https://storage.googleapis.com").replace(/\/$/, "");
  return {
    location: shown,
    bucket,
    prefix,
    endpoint,
    isAnonymous: /^http:/i.test(endpoint),
    project: options.get("project"),
    storageClass: options.get("storageClass"),
  };
}
