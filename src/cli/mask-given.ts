/** The mask that a command is given: its file, and the key that the file names. */
import { readFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { secretIn } from "../configuration/secret-file.js";
import { messageOf, ThinkbackError } from "../errors.js";
import { type MaskFile, parseMask } from "../recovery/mask-file.js";

/** @param path of the file; a key's file is looked for from its directory */
export function readMask(path: string): MaskFile {
  return parseMask(textOf(path), path, (source) => {
    if ("file" in source) return secretIn(resolve(dirname(path), source.file), `key in ${path}`);
    const text = process.env[source.variable];
    if (text) return text;
    throw new ThinkbackError("usage", `${path}: key: the variable ${source.variable} is not set`, {
      hint: "set it in the environment, or name a file by key: {file: mask.key}",
    });
  });
}

function textOf(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    throw new ThinkbackError("usage", `--mask ${path} cannot be read: ${messageOf(error)}`, {
      hint: "give the path of a file",
    });
  }
}
