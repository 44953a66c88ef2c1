/** Reads the location of a repository in a bucket: `scheme://bucket/prefix?option=value&…`. */
import { ThinkbackError } from "../errors.js";
import { isName } from "./object-store.js";

export interface BucketLocation {
  bucket: string;
  /** What stands before the name of each object: empty, or a path that ends with a slash. */
  prefix: string;
  options: ReadonlyMap<string, string>;
  /** The location without its options, for messages. */
  shown: string;
}

export interface BucketForm {
  scheme: string;
  /** The names of buckets. */
  bucket: RegExp;
  /** For each known option the form of its value, and how that is said. */
  options: Record<string, { form: RegExp; says: string }>;
}

const parts = /^[a-z0-9+.-]+:\/\/([^/?#]*)(?:\/([^?#]*))?(?:\?([^#]*))?$/is;

/**
 * Throws, with code "usage", if a part of the location or an option is not of its form. A message names the part or the
 * option and never repeats a value, which may be a secret in the wrong place.
 */
export function readBucketLocation(location: string, form: BucketForm): BucketLocation {
  const { scheme } = form;
  const found = parts.exec(location);
  const [, bucket = "", path = "", query = ""] = found ?? [];
  const known = Object.keys(form.options);
  const hint = `write ${scheme}://BUCKET/PREFIX, and after a ? any of the options ${known.join(", ")}`;
  const refuse = (what: string): never => {
    throw new ThinkbackError("usage", what, { hint });
  };
  if (!found) refuse(`the ${scheme}: location is not of the form ${scheme}://BUCKET/PREFIX`);
  if (bucket.includes("@")) {
    refuse(`the ${scheme}: location holds a user or a password; credentials never stand there`);
  }
  if (!form.bucket.test(bucket)) refuse(`the ${scheme}: location has no valid name of a bucket`);
  const prefix = path.replace(/\/$/, "");
  if (prefix !== "" && !isName(prefix)) {
    refuse(`the prefix in bucket ${bucket} is not a path of letters, digits, ".", "_" and "-"`);
  }
  const options = new Map<string, string>();
  for (const [name, value] of new URLSearchParams(query)) {
    const shown = /^[a-z][a-z-]{0,30}$/i.test(name) ? `option ${name}` : "an option";
    const option = Object.hasOwn(form.options, name) ? form.options[name] : undefined;
    if (!option) refuse(`${shown} of the ${scheme}: location is not known`);
    if (options.has(name)) refuse(`${shown} of the ${scheme}: location is given twice`);
    if (!option!.form.test(value))
      refuse(`${shown} of the ${scheme}: location is not ${option!.says}`);
    options.set(name, value);
  }
  const shown = `${scheme}://${bucket}${prefix === "" ? "" : `/${prefix}`}`;
  return { bucket, prefix: prefix === "" ? "" : `${prefix}/`, options, shown };
}

/** The address of a server, without a path. */
export const originForm = {
  form: /^https?:\/\/(\[[0-9a-f:.]+\]|[a-z0-9.-]+)(:\d{1,5})?\/?$/i,
  says: "an address such as https://host:port",
};

/** The address of a server, with a path if that is needed. */
export const addressForm = {
  form: /^https?:\/\/(\[[0-9a-f:.]+\]|[a-z0-9.-]+)(:\d{1,5})?(\/[a-z0-9._-]+)*\/?$/i,
  says: "an address such as https://host:port/path",
};
