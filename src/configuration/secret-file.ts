/** Files that hold one secret: an address with a password, or a password. */
import { readFileSync, statSync } from "node:fs";
import { messageOf, ThinkbackError } from "../errors.js";
import { longOf } from "./option.js";
import type { Setting } from "./settings.js";

/** At most so many bytes: a password or an address is short, and what is longer is another file. */
const bytesMax = 64 * 1024;

/**
 * The secret in a file. A newline at its end is cut.
 * @param option what names the file, for messages
 * @throws {ThinkbackError} `usage` if it cannot be read, is empty, or holds more than a secret
 */
export function secretIn(path: string, option: string): string {
  let bytes: Buffer;
  try {
    bytes = readFileSync(path);
  } catch (error) {
    throw new ThinkbackError("usage", `cannot read the file of ${option}: ${messageOf(error)}`, {
      hint: "check its path, and that this user may read it",
      cause: error,
    });
  }
  const text = bytes.toString("utf8").replace(/\r?\n$/, "");
  if (text !== "" && bytes.length <= bytesMax && !/[\r\n\0]/.test(text)) return text;
  const what = text === "" ? "is empty" : "holds more than one line";
  throw new ThinkbackError("usage", `the file of ${option} ${what}: ${path}`, {
    hint: "put the secret alone on its first line",
  });
}

/** A warning of each file of a secret that other users may read. It names what has given the path. */
export function readableSecrets(settings: Iterable<Setting>): string[] {
  return [...settings].flatMap(({ row, value, where, origin }) => {
    const paths = row.isSecretFile ? ([value ?? []].flat() as string[]) : [];
    const name = origin === "command line" ? longOf(row)! : where;
    return paths.flatMap((path) => readableByOthers(path, name) ?? []);
  });
}

/** Undefined if others may not read it, or if there is no such file. */
function readableByOthers(path: string, option: string): string | undefined {
  const mode = statSync(path, { throwIfNoEntry: false })?.mode ?? 0;
  if ((mode & 0o044) === 0) return undefined;
  return `other users may read ${path}, which ${option} names; chmod 600 it, unless only this service sees it`;
}
