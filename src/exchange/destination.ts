/**
 * Where an export goes: standard output, a file, or a directory.
 *
 * A file or directory has a temporary name beside its final one until it is whole and durable. So what has the final
 * name is never a part of an export.
 */
import { createWriteStream } from "node:fs";
import { mkdir, mkdtemp, open, readdir, rename, rm, stat } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import type { Writable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGzip } from "node:zlib";
import { messageOf, ThinkbackError } from "../errors.js";

export interface Destination {
  /** Writes one file of the export. `name` counts only in a directory. @param zip compress it with gzip */
  write(name: string, chunks: AsyncIterable<Buffer>, zip?: boolean): Promise<void>;
  /** Gives it its final name. */
  publish(): Promise<void>;
  /** Removes what was written, if it has no final name yet. */
  discard(): Promise<void>;
}

/** Standard output takes one file, and cannot take it back. */
export function toStream(stream: Writable, signal: AbortSignal): Destination {
  return {
    write: (_, chunks, zip) => send(chunks, zip, stream, { end: false, signal }),
    publish: async () => undefined,
    discard: async () => undefined,
  };
}

/** A file that does not exist yet. Throws if it does, or if nothing can be written there. */
export async function toFile(path: string, signal: AbortSignal): Promise<Destination> {
  const final = resolve(path);
  await refuseExisting(final, path);
  const temporary = await making(path, () => mkdtemp(temporaryName(final)));
  const inside = join(temporary, basename(final));
  return {
    write: (_, chunks, zip) => writeFile(inside, chunks, zip, signal),
    publish: async () => {
      await refuseExisting(final, path);
      await rename(inside, final);
      await sync(dirname(final));
      await rm(temporary, { recursive: true, force: true });
    },
    discard: () => rm(temporary, { recursive: true, force: true }),
  };
}

/** A directory that does not exist yet, or is empty. Throws if it is not, or if nothing can be written there. */
export async function toDirectory(path: string, signal: AbortSignal): Promise<Destination> {
  const final = resolve(path);
  await refuseFilled(final, path);
  const temporary = await making(path, async () => {
    await mkdir(dirname(final), { recursive: true });
    return mkdtemp(temporaryName(final));
  });
  return {
    write: (name, chunks, zip) => writeFile(join(temporary, name), chunks, zip, signal),
    publish: async () => {
      await sync(temporary);
      await refuseFilled(final, path);
      await rename(temporary, final);
      await sync(dirname(final));
    },
    discard: () => rm(temporary, { recursive: true, force: true }),
  };
}

function send(
  chunks: AsyncIterable<Buffer>,
  zip: boolean | undefined,
  into: Writable,
  options: { end?: boolean; signal: AbortSignal },
): Promise<void> {
  return zip === true
    ? pipeline(chunks, createGzip(), into, options)
    : pipeline(chunks, into, options);
}

const temporaryName = (path: string) => join(dirname(path), `.${basename(path)}.part-`);

async function writeFile(
  path: string,
  chunks: AsyncIterable<Buffer>,
  zip: boolean | undefined,
  signal: AbortSignal,
): Promise<void> {
  // It holds documents, so only its owner may read it.
  await send(chunks, zip, createWriteStream(path, { flags: "wx", mode: 0o600 }), { signal });
  await sync(path);
}

async function sync(path: string): Promise<void> {
  const file = await open(path, "r");
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}

async function refuseExisting(path: string, shown: string): Promise<void> {
  if (!(await isThere(path))) return;
  throw new ThinkbackError("usage", `${shown} exists already`, {
    hint: "give --out another name, or delete that file first",
  });
}

async function refuseFilled(path: string, shown: string): Promise<void> {
  if (!(await isThere(path))) return;
  const isEmpty = await readdir(path).then(
    (names) => names.length === 0,
    () => false,
  );
  if (isEmpty) return;
  throw new ThinkbackError("usage", `${shown} exists already, and is not an empty directory`, {
    hint: "give --out the name of a new directory",
  });
}

async function isThere(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return false;
    throw unusable(path, error);
  }
}

async function making<T>(path: string, make: () => Promise<T>): Promise<T> {
  try {
    return await make();
  } catch (error) {
    throw unusable(path, error);
  }
}

const unusable = (path: string, error: unknown) =>
  new ThinkbackError("usage", `nothing can be written at ${path}: ${messageOf(error)}`, {
    hint: "give --out a place in a directory that exists and may be written to",
  });
