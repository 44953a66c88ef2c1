import type * as v from "valibot";
import { sha256 } from "../digest.js";
import { damaged, newerFormat } from "../errors.js";
import { ObjectMissing, type ObjectStore } from "../storage/object-store.js";
import { formatVersion, orNewer } from "./container.js";
import { checked, fields, type Schema } from "./fields.js";

/** A kind of small object: the type in its first field, and the schema of its content. */
export interface JsonKind<T extends object = object> {
  type: string;
  schema: Schema<T>;
}

/** The kind of small objects with these fields. */
export function jsonKind<const E extends v.ObjectEntries>(type: string, entries: E) {
  return { type, schema: fields(entries) };
}

export type Stored<K extends JsonKind> = K extends JsonKind<infer T> ? T : never;

/**
 * A small object is one JSON object on one line. Its first fields are `thinkback` (its type) and `version`. Its last
 * field is `checksum`, the SHA-256 of all bytes before `,"checksum":`, so `head -c -80 FILE | sha256sum` checks it by
 * hand.
 */
export function encodeStored<T extends object>({ type }: JsonKind<T>, content: T): Buffer {
  return encodeJsonObject(type, content);
}

/** The same for any content, without a schema. */
export function encodeJsonObject(type: string, content: object): Buffer {
  const text = JSON.stringify({ thinkback: type, version: formatVersion, ...content });
  const body = text.slice(0, -1);
  return Buffer.from(`${body},"checksum":"${sha256(Buffer.from(body))}"}\n`);
}

const suffixBytes = `,"checksum":"${"0".repeat(64)}"}\n`.length;

/** Reads a small object. Throws, naming it, if it is missing, altered, of another kind, lacks a field, or is newer. */
export async function readStored<T extends object>(
  store: ObjectStore,
  name: string,
  kind: JsonKind<T>,
): Promise<T> {
  let bytes: Buffer;
  try {
    bytes = await store.get(name);
  } catch (error) {
    if (error instanceof ObjectMissing) throw damaged(name, "it is missing");
    throw error;
  }
  return decodeStored(bytes, name, kind);
}

export function decodeStored<T extends object>(
  bytes: Buffer,
  name: string,
  { type, schema }: JsonKind<T>,
): T {
  return checked(schema, decodeJsonObject(bytes, name, type), name);
}

/** Checks type, checksum and version of a small object and returns its fields, which are not checked. */
export function decodeJsonObject(
  bytes: Buffer,
  name: string,
  type: string,
): Record<string, unknown> {
  let content: Record<string, unknown> | null;
  try {
    content = JSON.parse(bytes.toString("utf8")) as typeof content;
  } catch (error) {
    throw damaged(name, "it is not JSON (truncated?)", error);
  }
  if (typeof content !== "object" || content === null || content["thinkback"] !== type) {
    throw damaged(name, `it is not a Thinkback ${type}`);
  }
  const { version } = content;
  // The checksum comes first: else an altered version looks like a later one.
  checkSuffix(name, bytes, version);
  if (typeof version === "number" && version > formatVersion) {
    throw newerFormat(name, version, formatVersion);
  }
  return content;
}

/**
 * Throws, naming it, unless a small object ends with its own checksum.
 * @param version what it says of its format version, if that is known, for the words of the error
 */
export function checkSuffix(name: string, bytes: Buffer, version?: unknown): void {
  const body = bytes.subarray(0, Math.max(0, bytes.length - suffixBytes));
  const suffix = bytes.subarray(body.length).toString("latin1");
  if (suffix === `,"checksum":"${sha256(body)}"}\n`) return;
  throw damaged(name, `it fails its checksum${orNewer(version)}`);
}
