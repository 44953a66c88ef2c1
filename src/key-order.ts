import { ThinkbackError } from "./errors.js";
import { surrogateBytes } from "./server-text.js";

/**
 * The order of primary keys. It is the server's own index order: arrays < booleans < numbers < binary < times <
 * strings, and strings by their bytes. Every sorted object of a repository is in this order.
 *
 * An order code is a string of char codes 0 to 255. `<` on order codes is the order of keys, and equal codes mean equal
 * keys. The char codes stand for bytes, because a key may be a string that is not UTF-8. The code follows the server's
 * encoding of primary keys (datum.cc, `print_primary`), without the decimal text that the server appends to numbers.
 */
export type OrderCode = string;

/** The order code of a key given as JSON text, as the server writes it. */
export function orderCode(key: Buffer): OrderCode {
  if (key[0] === 0x22 && !key.includes(0x5c))
    return `S${key.toString("latin1", 1, key.length - 1)}`;
  return codeOfValue(JSON.parse(inBytes(key.toString("latin1"))));
}

/** At most so deep can a key be nested, because a key is at most 127 bytes long. */
const keyDepthMax = 127;

/** True if the server could have a primary key of this value, as JSON.parse gives it. */
export function canBeKey(value: unknown, depth = 0): boolean {
  if (typeof value === "string" || typeof value === "boolean") return true;
  if (typeof value === "number") return Number.isFinite(value);
  if (typeof value !== "object" || value === null || depth > keyDepthMax) return false;
  if (Array.isArray(value)) return value.every((item) => canBeKey(item, depth + 1));
  const { $reql_type$: type, epoch_time: time, data } = value as PseudoType;
  if (type === "TIME") return Number.isFinite(time);
  return type === "BINARY" && typeof data === "string";
}

/** JSON text with one character for each byte, also in its parsed strings: an escape may stand for several bytes. */
function inBytes(text: string): string {
  if (!text.includes("\\u")) return text;
  return text.replace(escapes, (escape, pair?: string, unit?: string) => {
    const digits = pair ?? unit;
    if (digits === undefined) return escape;
    const units = digits.split("\\u").map((hex) => Number.parseInt(hex, 16));
    if (units[0]! < 0x80) return escape;
    if (pair === undefined && units[0]! >> 11 === 0b11011) return surrogateBytes(units[0]!);
    return Buffer.from(String.fromCharCode(...units)).toString("latin1");
  });
}

const escapes =
  /\\(?:u([dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|.)/gs;

/**
 * Compares keys: less than 0 if the order code of `a` is less than that of `b`, 0 if equal, else greater than 0. Two
 * plain strings or two plain integers, which nearly all keys are, are compared without their order codes.
 */
export function compareKeys(a: Buffer, b: Buffer): number {
  const plain = plainKind(a);
  if (plain !== "none" && plain === plainKind(b)) {
    if (plain === "integer") return a.length - b.length || compareBytes(a, b, 0);
    return compareBytes(a, b, 1);
  }
  const [codeOfA, codeOfB] = [orderCode(a), orderCode(b)];
  if (codeOfA === codeOfB) return 0;
  return codeOfA < codeOfB ? -1 : 1;
}

/** At most so many digits: an integer of more may not be exact as a double. */
const plainDigitsMax = 15;

/** Whether a key is a string without escapes, an integer of digits only, or neither. */
function plainKind(key: Buffer): "string" | "integer" | "none" {
  if (key[0] === 0x22) {
    for (let at = 1; at < key.length; at += 1) if (key[at] === 0x5c) return "none";
    return "string";
  }
  if (key.length === 0 || key.length > plainDigitsMax) return "none";
  for (let at = 0; at < key.length; at += 1) if (key[at]! < 0x30 || key[at]! > 0x39) return "none";
  return "integer";
}

/** Compares the bytes between the first and the last `margin` bytes. */
function compareBytes(a: Buffer, b: Buffer, margin: number): number {
  const end = Math.min(a.length, b.length) - margin;
  for (let at = margin; at < end; at += 1) {
    const difference = a[at]! - b[at]!;
    if (difference !== 0) return difference;
  }
  return a.length - b.length;
}

function codeOfValue(key: unknown): OrderCode {
  if (typeof key === "string") return `S${key}`;
  if (typeof key === "number") return codeOfNumber(key);
  if (typeof key === "boolean") return key ? "Bt" : "Bf";
  if (Array.isArray(key)) return `A${key.map((item) => `${codeOfValue(item)}\0`).join("")}`;
  if (typeof key === "object" && key !== null) return codeOfPseudoType(key as PseudoType);
  throw new ThinkbackError("internal", `${JSON.stringify(key)} cannot be a primary key`);
}

interface PseudoType {
  $reql_type$?: unknown;
  epoch_time?: unknown;
  data?: unknown;
}

function codeOfPseudoType(key: PseudoType): OrderCode {
  if (key.$reql_type$ === "TIME" && typeof key.epoch_time === "number") {
    return `PTIME:${codeOfNumber(key.epoch_time)}`;
  }
  if (key.$reql_type$ === "BINARY" && typeof key.data === "string") {
    return `PBINARY:${escapeNulls(Buffer.from(key.data, "base64").toString("latin1"))}`;
  }
  throw new ThinkbackError("internal", `${JSON.stringify(key)} cannot be a primary key`);
}

/** NUL separates array elements, so a NUL inside binary becomes 01 01 and a 01 becomes 01 02, which keeps the order. */
function escapeNulls(code: string): string {
  // oxlint-disable-next-line no-control-regex -- the control characters are the point
  return code.replace(/[\0\x01]/g, (char) => (char === "\0" ? "\x01\x01" : "\x01\x02"));
}

const numberBytes = Buffer.alloc(8);

/** Big-endian IEEE 754, sign bit flipped for positives and every bit flipped for negatives. -0 equals 0. */
function codeOfNumber(value: number): OrderCode {
  numberBytes.writeDoubleBE(value === 0 ? 0 : value);
  if (numberBytes[0]! & 0x80) {
    for (let i = 0; i < 8; i += 1) numberBytes[i] = ~numberBytes[i]! & 0xff;
  } else {
    numberBytes[0] = numberBytes[0]! | 0x80;
  }
  // Two characters for each byte, so that no NUL can end an array element early.
  return `N${numberBytes.toString("hex")}`;
}
