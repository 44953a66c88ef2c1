/**
 * What the directories of a DirectoryStore hold. A symbolic link counts as what it leads to, for listings as for reads:
 * an operator may have moved a directory to another disk.
 *
 * Invariant: what a read finds, a listing shows, or it fails. So a link that leads nowhere is no empty directory: its
 * disk is away. Break it and objects that are there are taken for lost, or are left out of a copy.
 */
import { lstat, readdir, realpath, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { isName, StoreUnavailable, StoreUnsupported } from "./object-store.js";
import { isWithin } from "./real-path.js";

export interface Entry {
  name: string;
  isDirectory: boolean;
  /** To be given when this directory is read. */
  way: Way;
}

/** The real paths of the directories that hold the links which were followed. */
type Way = readonly string[];

/** What is in a directory. Links are followed only if they have the name of a part of an object's name. */
export async function entriesOf(directory: string, way: Way = []): Promise<Entry[]> {
  const entries = await readdir(directory, { withFileTypes: true });
  const found: Entry[] = [];
  for (const entry of entries) {
    const { name } = entry;
    if (entry.isSymbolicLink() && isName(name)) found.push(await followed(directory, name, way));
    else found.push({ name, isDirectory: entry.isDirectory(), way });
  }
  return found;
}

async function followed(directory: string, name: string, way: Way): Promise<Entry> {
  const path = join(directory, name);
  await refuseDeadLink(path);
  if (!(await stat(path)).isDirectory()) return { name, isDirectory: false, way };
  const target = await realpath(path);
  const passed = [...way, await realpath(directory)];
  if (!passed.some((one) => isWithin(target, one))) return { name, isDirectory: true, way: passed };
  throw new StoreUnsupported(
    `${path} is a symbolic link to a directory that holds the link itself`,
    "remove the link: a walk along it would never end",
  );
}

/** Throws if a directory is missing because it, or one that it lies in up to `root`, is a link that leads nowhere. */
export async function refuseDeadLinks(directory: string, root: string): Promise<void> {
  for (let at = directory; isWithin(root, at); at = dirname(at)) {
    await refuseDeadLink(at);
    if (at === dirname(at)) return;
  }
}

async function refuseDeadLink(path: string): Promise<void> {
  const isLink = (await orNothing(lstat(path)))?.isSymbolicLink() === true;
  if (!isLink || (await orNothing(stat(path)))) return;
  throw new StoreUnavailable(
    `${path} is a symbolic link that leads nowhere`,
    undefined,
    "mount the disk that it leads to, or remove the link",
  );
}

async function orNothing<T>(work: Promise<T>): Promise<T | undefined> {
  try {
    return await work;
  } catch (error) {
    const code = (error as NodeJS.ErrnoException | null)?.code;
    if (code === "ENOENT" || code === "ENOTDIR") return undefined;
    throw error;
  }
}
