/**
 * Schemas for the fields of stored objects. A schema gives the type, the check, and the words of the error if an object
 * is damaged. So the message of each schema says what the value has to be, such as "a count".
 *
 * Fields that a schema does not name are left as they are, because a later version may have added them.
 */
import * as v from "valibot";
import { damaged } from "../errors.js";
import type { Instant } from "../instant.js";
import { isName } from "../storage/object-store.js";

export type Schema<T = unknown> = v.GenericSchema<unknown, T>;
export type Of<S extends Schema> = v.InferOutput<S>;

const texts = (pattern: RegExp, message: string) =>
  v.custom<string>((value) => typeof value === "string" && pattern.test(value), message);

export function isCount(value: unknown): boolean {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

export const count = v.custom<number>(isCount, "a count");
/** A number that is counted from 1. */
export const ordinal = v.custom<number>(
  (value) => isCount(value) && value !== 0,
  "a number from 1 on",
);
export const instant = v.custom<Instant>(isCount, "an instant");
/** A whole number that may be negative, such as a difference in milliseconds. */
export const whole = v.custom<number>(Number.isSafeInteger, "a whole number");
export const measure = v.custom<number>(Number.isFinite, "a number");
export const amount = v.custom<number>(
  (value) => Number.isFinite(value) && (value as number) >= 0,
  "a number of 0 or more",
);
export const text = v.string("a text");
export const flag = v.boolean("true or false");
/** Digest of a document, or of a set of them. */
export const digest = texts(/^[0-9a-f]{16}$/, "a digest");
export const checksum = texts(/^[0-9a-f]{64}$/, "a checksum");
/** The id of a table, or "catalog" or "access", which are watched like tables. */
export const tableId = texts(/^[A-Za-z0-9-]+$/, "the id of a table");
export const objectName = v.custom<string>(isName, "the name of an object");

export const fields = <const E extends v.ObjectEntries>(entries: E) =>
  v.object(entries, "an object");
export const list = <const S extends Schema>(item: S) => v.array(item, "a list");
export const oneOf = <const T extends readonly string[]>(texts: T) =>
  v.picklist(texts, `one of ${texts.join(", ")}`);

export const anyObject = v.custom<object>(
  (value) => typeof value === "object" && value !== null && !Array.isArray(value),
  "an object",
);
/** An object that maps ids or names to values of the schema `value`. */
export const byName = <const S extends Schema>(value: S) =>
  v.pipe(anyObject, v.record(v.string(), value));

/** A reference to another object: its name and checksum. */
export const reference = fields({ name: objectName, checksum });

/**
 * Returns `value` if it fits `schema`. Throws, naming `object` and the first field that does not fit.
 * @param whose the words before "field" in the error: which part of the object the value is
 */
export function checked<T>(schema: Schema<T>, value: unknown, object: string, whose = "its"): T {
  const [issue] = v.safeParse(schema, value, { abortEarly: true }).issues ?? [];
  // Return the value as it was read: the schema's output lacks the fields that the schema does not name.
  if (!issue) return value as T;
  const path = issue.path?.map(({ key }) => String(key)).join(".");
  const is = issue.received === "undefined" ? "is missing" : `is not ${issue.message}`;
  throw damaged(
    object,
    path === undefined ? `${whose} content ${is}` : `${whose} field ${path} ${is}`,
  );
}
