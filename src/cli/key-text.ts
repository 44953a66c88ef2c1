/** Primary keys as people give them on the command line. */
import { ThinkbackError } from "../errors.js";
import { canBeKey } from "../key-order.js";
import { jsonOfText } from "../server-text.js";

export const keyHint =
  'a key that is not a string is given as JSON: 42, true, ["a",1]; a string that looks like JSON needs quotes: \'"42"\'';

/** The JSON text of a key. Throws, with code "usage", for a JSON value that cannot be a key. */
export function keyBytes(key: string): Buffer {
  let value: unknown;
  try {
    value = JSON.parse(key);
  } catch {
    value = key;
  }
  if (canBeKey(value)) return jsonOfText(JSON.stringify(value));
  const named = key.length > 100 ? `${key.slice(0, 97)}…` : key;
  throw new ThinkbackError("usage", `${named} cannot be a primary key`, { hint: keyHint });
}
