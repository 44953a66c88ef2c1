/** The file of --expect: what a drill must find. */
import { readFile } from "node:fs/promises";
import { messageOf, ThinkbackError } from "../errors.js";
import { Expectations } from "../recovery/expectations.js";
import type { ObjectStore } from "../storage/object-store.js";

/** Undefined if no file is given. @param store where the drills before are stored */
export async function expectationsIn(
  file: string | undefined,
  store: ObjectStore,
): Promise<Expectations | undefined> {
  return file === undefined ? undefined : Expectations.read(await textOf(file), file, store);
}

/** Throws, with code "usage", if the file cannot be read, or is none of expectations. */
export async function refuseWrongExpectations(file: string | undefined): Promise<void> {
  if (file !== undefined) Expectations.check(await textOf(file), file);
}

async function textOf(file: string): Promise<string> {
  try {
    return await readFile(file, "utf8");
  } catch (error) {
    throw new ThinkbackError("usage", `--expect ${file} cannot be read: ${messageOf(error)}`, {
      hint: "give the path of a file of expectations; docs/evidence.md shows one",
    });
  }
}
