import { sha256 } from "../digest.js";
import { damaged, newerFormat } from "../errors.js";
import { ObjectMissing, type ObjectStore } from "../storage/object-store.js";
import { formatVersion } from "./data-object.js";

/**
 * Small objects are one JSON object on one line. Its first fields are `thinkback` (what it is) and `version`; its last
 * is `checksum`, the SHA-256 of all bytes before `,"checksum":`. So `head -c -80 FILE | sha256sum` checks it by hand.
 */
export function encodeJsonObject(type: string, fields: object): Buffer {
  const text = JSON.stringify({ thinkback: type, version: formatVersion, ...fields });
  const body = text.slice(0, -1);
  return Buffer.from(`${body},"checksum":"${sha256(Buffer.from(body))}"}\n`);
}

const suffixBytes = `,"checksum":"${"0".repeat(64)}"}\n`.length;

/** The fields of a small object; throws, naming it, if it is missing, altered, of another type or a newer version. */
export async function readJsonObject<T extends object>(
  store: ObjectStore,
  name: string,
  type: string,
): Promise<T> {
  let bytes: Buffer;
  try {
    bytes = await store.get(name);
  } catch (error) {
    if (error instanceof ObjectMissing) throw damaged(name, "it is missing");
    throw error;
  }
  return decodeJsonObject<T>(bytes, name, type);
}

export function decodeJsonObject<T extends object>(bytes: Buffer, name: string, type: string): T {
  let fields: { thinkback?: unknown; version?: unknown; checksum?: unknown };
  try {
    fields = JSON.parse(bytes.toString("utf8")) as typeof fields;
  } catch (error) {
    throw damaged(name, "it is not JSON (truncated?)", error);
  }
  if (typeof fields !== "object" || fields === null || fields.thinkback !== type) {
    throw damaged(name, `it is not a Thinkback ${type}`);
  }
  if (typeof fields.version === "number" && fields.version > formatVersion) {
    throw newerFormat(name, fields.version, formatVersion);
  }
  const body = bytes.subarray(0, Math.max(0, bytes.length - suffixBytes));
  const suffix = bytes.subarray(body.length).toString("latin1");
  if (suffix !== `,"checksum":"${sha256(body)}"}\n`) throw damaged(name, "it fails its checksum");
  return fields as unknown as T;
}
