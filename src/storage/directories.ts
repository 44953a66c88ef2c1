/**
 * The directories below a DirectoryStore: made when an object needs one, removed when their last object is deleted.
 *
 * First invariant: a directory that holds an acknowledged object is durable in its parents, up to the store's own
 * directory. Break it and a power cut loses objects.
 *
 * Second invariant: if the store's own directory is gone, because its disk is away, no new one is made in its place,
 * and no other one is taken for it. Break it and objects are written to the wrong disk.
 *
 * Another process may remove a directory as soon as it is empty, even between the moment it is made for an object and
 * the moment the object is put there. The put then fails with ENOENT, calls `forget`, and begins again.
 */
import { type BigIntStats, constants } from "node:fs";
import { mkdir, open, readdir, rmdir, stat, unlink } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { Instant } from "../instant.js";
import { type Entry, entriesOf } from "./directory-entries.js";
import { isName, StoreUnavailable } from "./object-store.js";

/** The names of temporary files begin with this; object names cannot begin with a dot. */
export const temporaryPrefix = ".tmp-";

/** At most so many directories are remembered, because a process may make new ones for years. */
const rememberedMax = 1000;

export class Directories {
  private readonly root: string;
  /** The identity of the directory that was at `root` when it was first used. */
  private rootIdentity: string | undefined;
  /** The path of a file that this process has put below the root, and has not deleted since. */
  private landmark: string | undefined;
  /** The identities of directories that are known to be durable in their parents, by path. */
  private readonly durable = new Map<string, string>();

  constructor(location: string) {
    this.root = dirname(join(location, "any"));
  }

  /** Makes `directory` and what it lies in, durably, unless that is known to be done. */
  async make(directory: string): Promise<void> {
    await this.refuseIfGone();
    if (this.durable.has(directory)) return;
    const first = await makeAll(directory);
    this.rootIdentity ??= await identityAt(this.root);
    // Synced even if another process made it, which may not have synced it yet.
    const above = first === undefined ? this.root : dirname(first);
    await this.syncUp(directory, above.length < this.root.length ? above : this.root);
  }

  /** Makes a new name in `directory` durable. */
  async sync(directory: string): Promise<void> {
    try {
      const known = this.durable.get(directory);
      const identity = await syncDirectory(directory);
      // Another process has removed it and made it again since, and may not have synced the new one yet.
      if (identity !== known) await this.syncUp(directory, this.root);
    } catch (error) {
      // ENOENT: the object has been deleted already, and its directory with it.
      if (codeOf(error) !== "ENOENT") throw error;
    }
  }

  /** MUST be called after a file was put, so that the root can be recognized by it. */
  notePut(path: string): void {
    this.landmark = path;
  }

  noteDeleted(path: string): void {
    if (path === this.landmark) this.landmark = undefined;
  }

  /** Forgets that `directory` is durable, so that the next put into it makes and syncs it again. */
  forget(directory: string): void {
    this.durable.delete(directory);
  }

  /** Removes `directory` and what it lies in as far as they are empty, durably. */
  async removeEmpty(directory: string): Promise<void> {
    let left = directory;
    while (left !== this.root && (await removeIfEmpty(left))) {
      this.forget(left);
      left = dirname(left);
    }
    await syncDirectory(left).catch(ignoreMissing);
  }

  /** Removes every empty directory, and the temporary files that were last written before an instant. */
  async tidy(writtenBefore: Instant, signal?: AbortSignal): Promise<void> {
    await this.tidyBelow(this.root, writtenBefore, signal);
    this.durable.clear();
  }

  /** Returns true if `directory` is gone afterwards. */
  private async tidyBelow(
    directory: string,
    writtenBefore: Instant,
    signal: AbortSignal | undefined,
    way?: Entry["way"],
  ): Promise<boolean> {
    signal?.throwIfAborted();
    if (directory !== this.root && (await removeIfEmpty(directory))) return true;
    let left = 0;
    for (const entry of (await entriesOf(directory, way).catch(ignoreMissing)) ?? []) {
      const path = join(directory, entry.name);
      if (entry.isDirectory && isName(entry.name)) {
        if (await this.tidyBelow(path, writtenBefore, signal, entry.way)) continue;
      } else if (entry.name.startsWith(temporaryPrefix)) {
        if (await removeIfOld(path, writtenBefore)) continue;
      }
      left += 1;
    }
    return left === 0 && directory !== this.root && removeIfEmpty(directory);
  }

  /**
   * Throws if the store's own directory was there and is gone, because its disk is not mounted. What would be made in
   * its place would be hidden when the disk comes back, and missing on it. A disk that came back may have another
   * number; it is recognized by a file that this process has put there.
   */
  private async refuseIfGone(): Promise<void> {
    if (this.rootIdentity === undefined) return;
    const now = await identityAt(this.root).catch(ignoreMissing);
    if (now === this.rootIdentity) return;
    if (now === undefined || !(await readdir(this.root).catch(ignoreMissing))?.some(isName)) {
      throw new StoreUnavailable(`the directory ${this.root} is gone`);
    }
    if (this.landmark !== undefined && !(await stat(this.landmark).catch(ignoreMissing))) {
      throw new StoreUnavailable(
        `another directory is at ${this.root}: ${this.landmark} is not in it`,
      );
    }
    this.durable.clear();
    this.rootIdentity = now;
  }

  /** Syncs each directory from `bottom` up to `top`, so that every new name on the way is durable. */
  private async syncUp(bottom: string, top: string): Promise<void> {
    const identity = await syncDirectory(bottom);
    for (let at = bottom; at !== dirname(at) && at.length > top.length; ) {
      at = dirname(at);
      await syncDirectory(at);
    }
    if (this.durable.size >= rememberedMax) this.durable.clear();
    this.durable.set(bottom, identity);
  }
}

/**
 * Makes a directory and its parents, and returns the topmost that it made. Not by Node's recursive `mkdir`, which
 * reports a read-only disk as a missing directory.
 */
async function makeAll(directory: string): Promise<string | undefined> {
  try {
    await mkdir(directory);
    return directory;
  } catch (error) {
    if (codeOf(error) === "EEXIST" && (await stat(directory)).isDirectory()) return undefined;
    if (codeOf(error) !== "ENOENT") throw error;
  }
  const first = await makeAll(dirname(directory));
  await mkdir(directory).catch(ignoreExisting);
  return first ?? directory;
}

function ignoreExisting(error: unknown): void {
  if (codeOf(error) !== "EEXIST") throw error;
}

/**
 * Returns true if the directory is gone. It stays if it is not empty or cannot be removed, which costs only a little
 * room.
 */
async function removeIfEmpty(directory: string): Promise<boolean> {
  try {
    await rmdir(directory);
    return true;
  } catch (error) {
    return codeOf(error) === "ENOENT";
  }
}

async function removeIfOld(path: string, writtenBefore: Instant): Promise<boolean> {
  const found = await stat(path).catch(ignoreMissing);
  if (found && found.mtimeMs >= writtenBefore) return false;
  await unlink(path).catch(ignoreMissing);
  return true;
}

/** Syncs a directory, and returns its identity. */
async function syncDirectory(directory: string): Promise<string> {
  const handle = await open(directory, constants.O_RDONLY);
  try {
    await handle.sync();
    return identityOf(await handle.stat({ bigint: true }));
  } finally {
    await handle.close();
  }
}

async function identityAt(directory: string): Promise<string> {
  return identityOf(await stat(directory, { bigint: true }));
}

/**
 * Identifies a directory. The time of its birth tells it from a later one in its place, since inode numbers are used
 * again.
 */
function identityOf({ dev, ino, birthtimeNs }: BigIntStats): string {
  return `${dev}:${ino}:${birthtimeNs}`;
}

export function codeOf(error: unknown): string | undefined {
  return (error as NodeJS.ErrnoException | null)?.code;
}

export function ignoreMissing(error: unknown): undefined {
  if (codeOf(error) !== "ENOENT") throw error;
}
