/** Which values the server takes as primary keys. It looks at a key in the encoding in which it stores it. */
import { canBeKey, orderCode } from "../key-order.js";

/** At most so many bytes is a key in the server's encoding: a string of 127 bytes, and one byte for its type. */
const encodedBytesMax = 128;

/**
 * Why the server refuses a primary key; undefined if it takes it.
 * @param key as JSON.parse gives it, with times and binary data tidied
 * @param json the same as the server's JSON text
 */
export function keyRefusal(key: unknown, json: Buffer): string | undefined {
  if (!canBeKey(key)) return "its primary key is of a type that no key has";
  if (hasNull(key)) return "its primary key has a null byte in a string";
  const bytes = orderCode(json).length + numbersBytes(key);
  if (bytes <= encodedBytesMax) return undefined;
  return "its primary key is longer than the 127 bytes that a server takes";
}

function hasNull(key: unknown): boolean {
  return Array.isArray(key) ? key.some(hasNull) : typeof key === "string" && key.includes("\0");
}

/** Bytes of the decimal texts that the server appends to the numbers of a key, which an order code does not have. */
function numbersBytes(key: unknown): number {
  // Of the two zeros a key has one.
  if (typeof key === "number") return 1 + decimalLength(key === 0 ? 0 : key);
  if (Array.isArray(key)) return key.reduce<number>((sum, item) => sum + numbersBytes(item), 0);
  if (typeof key !== "object" || key === null || !("epoch_time" in key)) return 0;
  return numbersBytes(key.epoch_time);
}

const digitsMax = 20;

/** The length of a number as C prints it with "%.20g". */
export function decimalLength(value: number): number {
  if (value === 0) return Object.is(value, -0) ? 2 : 1;
  const [mantissa = "", exponentText = ""] = value.toExponential(digitsMax - 1).split("e");
  const digits = mantissa.replace(/^-|\./g, "").replace(/0+$/, "").length;
  const exponent = Number(exponentText);
  const sign = value < 0 ? 1 : 0;
  if (exponent < -4 || exponent >= digitsMax) {
    const exponentDigits = Math.max(2, String(Math.abs(exponent)).length);
    return sign + digits + (digits > 1 ? 1 : 0) + 2 + exponentDigits;
  }
  // "0.00" and the digits; or the digits with a point among them, or with zeros behind.
  if (exponent < 0) return sign + digits + 1 - exponent;
  return sign + Math.max(digits, exponent + 1) + (digits > exponent + 1 ? 1 : 0);
}
